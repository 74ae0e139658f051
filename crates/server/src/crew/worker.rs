//! A worker thread as the others see it, and as the code that runs on it finds it.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{
    AtomicBool, AtomicU32,
    Ordering::{Acquire, Relaxed},
};
use std::sync::{Arc, Condvar, Mutex};
use std::task::Waker;

use crate::crew::Crew;
use crate::reactor::Job;
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

/// The seat of a worker thread, so that code deep inside a handler finds it.
struct Seat {
    crew: Arc<Crew>,
    worker: Arc<Worker>,
}

thread_local! {
    static SEAT: RefCell<Option<Seat>> = const { RefCell::new(None) };
    /// Whether this thread runs a handler outside the reactor.
    static HANDLING: Cell<bool> = const { Cell::new(false) };
}

/// Gives this thread its seat, until the guard is dropped.
pub(super) fn sit_down(crew: Arc<Crew>, worker: Arc<Worker>) -> impl Drop {
    struct Seated;
    impl Drop for Seated {
        fn drop(&mut self) {
            SEAT.with_borrow_mut(Option::take);
        }
    }
    SEAT.set(Some(Seat { crew, worker }));
    Seated
}

/// Marks that this thread runs a handler outside the reactor, until the guard is dropped.
pub(super) fn handling() -> impl Drop {
    struct Handling;
    impl Drop for Handling {
        fn drop(&mut self) {
            HANDLING.set(false);
        }
    }
    HANDLING.set(true);
    Handling
}

/// Wakes a connection's task. On the leader, while it runs a batch, that waits for the next turn: then
/// it happens inside the runtime and costs no system call.
pub(crate) fn wake(task: Waker) {
    let direct = if HANDLING.get() {
        SEAT.with_borrow(|seat| {
            let Some(seat) = seat else { return Some(task) };
            let mut deck = lock(&seat.crew.deck);
            if seat.worker.leads.load(Relaxed) {
                deck.done.push(task);
                None
            } else {
                Some(task)
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
        if let Some(seat) = seat
            && seat.worker.leads.load(Acquire)
        {
            seat.crew.promote_from(&seat.worker);
        }
    });
}
