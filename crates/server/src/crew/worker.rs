//! A worker thread as the others see it, and as the code that runs on it finds it.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{
    AtomicBool, AtomicU32,
    Ordering::{Acquire, Relaxed},
};
use std::sync::{Arc, Condvar, Mutex};
use std::task::Waker;

use crate::crew::Crew;
use crate::reactor::{Job, is_inside};
use crate::sync::lock;

/// One worker thread, as the others see it.
pub(super) struct Worker {
    /// Odd while a handler runs, and another number for each.
    pub(super) beat: AtomicU32,
    /// The route of the handler that runs.
    pub(super) route: AtomicU32,
    /// Whether it leads. Written under the deck's lock.
    pub(super) leads: AtomicBool,
    pub(super) order: Mutex<Option<Order>>,
    pub(super) ordered: Condvar,
}

pub(super) enum Order {
    Lead,
    Run(Box<Job>),
    Leave,
}

impl Worker {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Worker {
            beat: AtomicU32::new(0),
            route: AtomicU32::new(0),
            leads: AtomicBool::new(false),
            order: Mutex::new(None),
            ordered: Condvar::new(),
        })
    }

    pub(super) fn give(&self, order: Order) {
        *lock(&self.order) = Some(order);
        self.ordered.notify_one();
    }
}

/// The seat of a thread that runs handlers, so that code deep inside a handler finds it.
enum Seat {
    /// A thread of a crew.
    Crew(Arc<Crew>, Arc<Worker>),
    /// A thread of the host's own, which takes the turns; the wake-ups that the next one owes.
    Driver(Arc<Mutex<Vec<Waker>>>),
}

thread_local! {
    static SEAT: RefCell<Option<Seat>> = const { RefCell::new(None) };
    /// The crew whose thread this is. To be compared, not to be followed.
    static CREW: Cell<*const Crew> = const { Cell::new(std::ptr::null()) };
    /// Whether this thread runs a handler outside the reactor.
    static HANDLING: Cell<bool> = const { Cell::new(false) };
}

/// Gives this thread its seat in a crew, until the guard is dropped.
pub(super) fn sit_down(crew: Arc<Crew>, worker: Arc<Worker>) -> Seated {
    join(&crew);
    take_seat(Seat::Crew(crew, worker))
}

/// Makes what handlers on this thread wake wait in `owed`, until the guard is dropped.
pub(crate) fn sit_at_the_wheel(owed: Arc<Mutex<Vec<Waker>>>) -> (Handling, Seated) {
    (handling(), take_seat(Seat::Driver(owed)))
}

fn take_seat(seat: Seat) -> Seated {
    Seated(SEAT.replace(Some(seat)))
}

/// Gives the thread back the seat that it had before, when dropped.
#[must_use]
pub(crate) struct Seated(Option<Seat>);

impl Drop for Seated {
    fn drop(&mut self) {
        SEAT.set(self.0.take());
    }
}

/// Marks that this thread runs a handler outside the reactor, until the guard is dropped.
pub(super) fn handling() -> Handling {
    Handling(HANDLING.replace(true))
}

/// Gives the thread back the mark that it had before, when dropped.
#[must_use]
pub(crate) struct Handling(bool);

impl Drop for Handling {
    fn drop(&mut self) {
        HANDLING.set(self.0);
    }
}

/// Wakes a task that waits for what a handler, or [work](crate::Work), has just brought about. Any thread may call
/// it.
///
/// On a thread of a server that takes its turns, while it runs a batch, the wake-up waits for the next turn:
/// then it happens inside the server's runtime, where waking a connection's task costs no system call, and the
/// tasks of another runtime are woken together. Elsewhere the task is woken at once.
pub fn wake(task: Waker) {
    // Inside a reactor it is another one's turn, on the stack of a handler.
    let direct = if HANDLING.get() && !is_inside() {
        SEAT.with_borrow(|seat| match seat {
            None => Some(task),
            Some(Seat::Driver(owed)) => {
                lock(owed).push(task);
                None
            }
            Some(Seat::Crew(crew, worker)) => {
                let mut deck = lock(&crew.deck);
                if worker.leads.load(Relaxed) {
                    deck.done.push(task);
                    None
                } else {
                    Some(task)
                }
            }
        })
    } else {
        Some(task)
    };
    if let Some(task) = direct {
        task.wake();
    }
}

/// Called by a handler that is about to wait: somebody else takes the turns from here on. Does nothing
/// on a thread that does not lead.
pub(crate) fn step_down() {
    if !HANDLING.get() {
        return;
    }
    SEAT.with_borrow(|seat| {
        if let Some(Seat::Crew(crew, worker)) = seat
            && worker.leads.load(Acquire)
        {
            crew.promote_from(worker);
        }
    });
}

/// Whether this thread is one of this crew's.
pub(super) fn is_of(crew: &Crew) -> bool {
    CREW.get() == crew
}

/// Makes the calling thread one of this crew's, for its whole life.
pub(super) fn join(crew: &Crew) {
    CREW.set(crew);
}
