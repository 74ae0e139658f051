//! Leader/Followers: the threads that take the reactor's turns and run the handlers.
//!
//! One thread, the leader, takes a turn and then runs the handlers of the batch itself, so that a
//! handler which does not block costs no hand-off. A watchdog gives the leadership to another thread as
//! soon as one handler has held the leader for about a millisecond, and a handler that is about to wait
//! for its client gives it away itself ([`step_down`]). What is left of the batch goes with it.
//!
//! A route whose handler has held up a leader is remembered for a while: its requests go to a follower
//! straight away, so that sixty sleepers cost one promotion and not sixty.
//!
//! The number of threads is bounded. When all are busy, the watchdog itself takes the turns (it runs no
//! handlers), exchanges wait in a queue, and past its bound the service answers 503.
//!
//! After D. Schmidt et al., *Pattern-Oriented Software Architecture*, volume 2, "Leader/Followers".

mod ending;
mod hold;
mod watchdog;
mod worker;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use std::sync::{Arc, Condvar, Mutex};
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::reactor::{Job, Reactor, Wait};
use crate::sync::lock;

pub use self::worker::wake;
pub(crate) use self::worker::{Handling, Seated, sit_at_the_wheel, step_down};
use self::worker::{Order, Worker, handling, sit_down};

/// How worker threads meet the language that handlers are written in.
///
/// A thread enters the interpreter once, for its whole life, and leaves it while it waits.
pub trait Host: Send + Sync + 'static {
    /// Runs `work` on a new worker thread; returns when `work` does.
    fn thread(&self, work: &mut (dyn FnMut() + Send)) {
        work();
    }

    /// Runs `wait`, in which no handler runs and which may take long.
    fn idle(&self, wait: &mut (dyn FnMut() + Send)) {
        wait();
    }
}

/// Handlers in Rust need no ceremony.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Native;

impl Host for Native {}

/// A follower without work ends after this long, if another one is idle too.
const IDLE: Duration = Duration::from_secs(20);
/// What counts as quick.
const QUICK: Duration = Duration::from_micros(300);

/// What the watchdog would not have let pass.
const HELD: Duration = Duration::from_millis(2);

/// Bytes of stack for each thread: what the main thread of a program has on Linux, since handlers run
/// on it. Only reserved; what is not touched costs nothing.
const STACK: usize = 8 << 20;

/// After so many jobs the leader takes a turn, also when there are more: jobs that come from other threads
/// come between turns too, and answers leave with a turn. More than a turn of sockets brings, as a rule.
const BATCH: u32 = 64;

/// What a job that is neither an exchange nor of a kind has for a route.
const NO_ROUTE: u32 = u32::MAX;

/// The threads of one reactor; see the module.
pub(crate) struct Crew {
    reactor: Reactor,
    host: Arc<dyn Host>,
    max_threads: usize,
    deck: Mutex<Deck>,
    roster: Mutex<Roster>,
    /// Signalled when a thread ends.
    left: Condvar,
    watch: Condvar,
    /// The watchdog sleeps until it is roused.
    dormant: AtomicBool,
}

/// Who leads, and the wake-ups that the next turn owes. Locked for every response; never while locking
/// anything else.
struct Deck {
    leader: Option<Arc<Worker>>,
    done: Vec<Waker>,
}

/// Who is there. Locked before the deck where both are needed.
#[derive(Default)]
struct Roster {
    /// Followers that wait, the one that worked last at the end: its caches are warm.
    idle: Vec<Arc<Worker>>,
    /// Worker threads alive.
    threads: usize,
    next_id: u32,
    /// Exchanges that wait for a thread.
    backlog: VecDeque<Job>,
    /// No more work will come.
    closed: bool,
    /// Threads to be joined at the end, so that nothing of them is left when the server is gone.
    handles: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Starts the watchdog and the first leader.
    pub(crate) fn start(
        reactor: Reactor,
        host: Arc<dyn Host>,
        max_threads: usize,
        name: &str,
    ) -> std::io::Result<Arc<Crew>> {
        let crew = Arc::new(Crew {
            reactor,
            host,
            max_threads: max_threads.max(1),
            deck: Mutex::new(Deck {
                leader: None,
                done: Vec::new(),
            }),
            roster: Mutex::default(),
            left: Condvar::new(),
            watch: Condvar::new(),
            dormant: AtomicBool::new(false),
        });
        let worker = Worker::new();
        crew.spawn(&mut lock(&crew.roster), worker, Order::Lead)?;
        let watchdog = crew.clone();
        let watchdog = std::thread::Builder::new()
            .name(format!("{name}-watch"))
            .stack_size(STACK)
            .spawn(move || watchdog.watch());
        match watchdog {
            Ok(handle) => lock(&crew.roster).handles.push(handle),
            Err(e) => {
                // The first leader is there already: it ends when it sees that nothing will come.
                crew.reactor.drain();
                return Err(e);
            }
        }
        Ok(crew)
    }

    pub(crate) fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    fn spawn(
        self: &Arc<Self>,
        roster: &mut Roster,
        worker: Arc<Worker>,
        first: Order,
    ) -> std::io::Result<()> {
        if matches!(first, Order::Lead) {
            self.seat_leader(&worker);
        }
        worker.give(first);
        roster.next_id += 1;
        let crew = self.clone();
        let handle = std::thread::Builder::new()
            .name(format!("oxbridge-{}", roster.next_id))
            .stack_size(STACK)
            .spawn(move || {
                let host = crew.host.clone();
                host.thread(&mut || crew.work(&worker));
                let mut roster = lock(&crew.roster);
                roster.threads -= 1;
                crew.left.notify_all();
            })?;
        roster.threads += 1;
        roster.handles.retain(|handle| !handle.is_finished());
        roster.handles.push(handle);
        Ok(())
    }

    /// Makes `worker` the leader on paper, and wakes what the last leader left to wake.
    fn seat_leader(&self, worker: &Arc<Worker>) {
        let mut deck = lock(&self.deck);
        if let Some(old) = deck.leader.replace(worker.clone()) {
            old.leads.store(false, Release);
        }
        worker.leads.store(true, Release);
        let done = std::mem::take(&mut deck.done);
        drop(deck);
        done.into_iter().for_each(Waker::wake);
    }

    /// The life of a worker thread.
    fn work(self: &Arc<Self>, worker: &Arc<Worker>) {
        let _seat = sit_down(self.clone(), worker.clone());
        worker.place.get_or_init(hold::Thread::current);
        loop {
            let mut order = None;
            self.host
                .idle(&mut || order = Some(self.next_order(worker)));
            match order {
                Some(Order::Lead) => self.lead(worker),
                Some(Order::Run(job)) => {
                    self.run_apart(*job);
                }
                Some(Order::Leave) | None => return,
            }
            if !self.rejoin(worker) {
                return;
            }
        }
    }

    /// Waits for something to do.
    fn next_order(&self, worker: &Arc<Worker>) -> Order {
        let mut order = lock(&worker.order);
        loop {
            if let Some(order) = order.take() {
                return order;
            }
            let (next, timeout) = worker
                .ordered
                .wait_timeout(order, IDLE)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            order = next;
            if timeout.timed_out() && order.is_none() {
                drop(order);
                let mut roster = lock(&self.roster);
                if roster.idle.len() > 1
                    && let Some(place) = roster.idle.iter().position(|w| Arc::ptr_eq(w, worker))
                {
                    roster.idle.remove(place);
                    return Order::Leave;
                }
                // Somebody took us off the idle list: the order is on its way.
                drop(roster);
                order = lock(&worker.order);
            }
        }
    }

    /// After a job that was not the leader's, or a lost leadership: more work, or a place among the
    /// followers. False when the thread should end.
    fn rejoin(self: &Arc<Self>, worker: &Arc<Worker>) -> bool {
        loop {
            let mut roster = lock(&self.roster);
            if let Some(job) = roster.backlog.pop_front() {
                drop(roster);
                self.run_apart(job);
                continue;
            }
            if roster.closed {
                return false;
            }
            if lock(&self.deck).leader.is_none() {
                // The watchdog takes the turns for want of a thread: relieve it.
                self.seat_leader(worker);
                drop(roster);
                self.reactor.interrupt();
                self.lead(worker);
                continue;
            }
            roster.idle.push(worker.clone());
            return true;
        }
    }

    /// Takes turns and runs handlers until somebody else leads or all is done.
    fn lead(self: &Arc<Self>, worker: &Arc<Worker>) {
        // Whoever led before may have left tasks to poll and exchanges to run: first the tasks.
        self.turn(Wait::Pass);
        loop {
            let mut wait = Wait::Ready;
            let mut left = BATCH;
            while let Some(job) = self.reactor.next_job() {
                let (slow, number) = job
                    .pace()
                    .map_or((false, NO_ROUTE), |pace| (pace.is_slow(), pace.number));
                if slow {
                    if let Some(job) = self.hand_over(job) {
                        // Nobody else is left, so we are the thread; the watchdog takes the turns.
                        self.promote_from(worker);
                        self.run_apart(job);
                        return;
                    }
                } else {
                    self.run_as_leader(worker, job, number);
                    if !worker.leads.load(Acquire) {
                        return;
                    }
                }
                left -= 1;
                if left == 0 {
                    wait = Wait::Pass;
                    break;
                }
            }
            if self.reactor.is_over() {
                self.close();
                return;
            }
            self.turn(wait);
            if !worker.leads.load(Acquire) {
                return;
            }
        }
    }

    fn turn(&self, wait: Wait) {
        self.host.idle(&mut || {
            self.reactor
                .turn(wait, &mut |owed| self.take_done(owed), None);
        });
    }

    /// Swaps the wake-ups that are due with an empty list.
    fn take_done(&self, owed: &mut Vec<Waker>) {
        std::mem::swap(&mut lock(&self.deck).done, owed);
    }

    /// `number` is that of the job's pace.
    fn run_as_leader(&self, worker: &Worker, job: Job, number: u32) {
        let beat = worker.beat.load(Relaxed);
        worker.route.store(number, Relaxed);
        // Either the watchdog sees the new beat before it goes to sleep, or we see that it sleeps.
        worker.beat.store(beat.wrapping_add(1) | 1, SeqCst);
        if self.dormant.load(SeqCst) {
            self.rouse();
        }
        self.call(job);
        worker.beat.store((beat | 1).wrapping_add(1), Release);
    }

    /// Runs a job on a thread that does not lead.
    fn run_apart(&self, job: Job) {
        let like = job.like();
        let begun = Instant::now();
        self.call(job);
        if let Some(like) = like {
            let took = begun.elapsed();
            if took < QUICK {
                like.pace().was_quick();
            } else if took >= HELD {
                like.pace().was_slow(watchdog::SLOW);
            }
        }
    }

    fn call(&self, job: Job) {
        let _handling = handling();
        // The exchange is answered by its own drop when the handler panics; the message has been
        // printed by the panic hook, which the program may set.
        let _ = catch_unwind(AssertUnwindSafe(|| self.reactor.run(job)));
    }

    /// Gives a job to a follower; gives it back when there is none.
    fn hand_over(self: &Arc<Self>, job: Job) -> Option<Job> {
        let mut roster = lock(&self.roster);
        if let Some(follower) = roster.idle.pop() {
            drop(roster);
            follower.give(Order::Run(Box::new(job)));
        } else if roster.threads < self.max_threads {
            let worker = Worker::new();
            if let Err(e) = self.spawn(&mut roster, worker.clone(), Order::Run(Box::new(job))) {
                tracing::error!("cannot start a worker thread: {e}");
                return match lock(&worker.order).take() {
                    Some(Order::Run(job)) => Some(*job),
                    _ => None,
                };
            }
        } else {
            return Some(job);
        }
        None
    }

    /// Takes the leadership from `worker`, if it has it, and gives it to somebody else.
    fn promote_from(self: &Arc<Self>, worker: &Arc<Worker>) {
        let mut roster = lock(&self.roster);
        let done = {
            let mut deck = lock(&self.deck);
            if !worker.leads.load(Relaxed) {
                return;
            }
            worker.leads.store(false, Release);
            deck.leader = None;
            std::mem::take(&mut deck.done)
        };
        done.into_iter().for_each(Waker::wake);
        if let Some(follower) = roster.idle.pop() {
            self.seat_leader(&follower);
            drop(roster);
            follower.give(Order::Lead);
            return;
        }
        if roster.threads < self.max_threads {
            match self.spawn(&mut roster, Worker::new(), Order::Lead) {
                Ok(()) => return,
                Err(e) => {
                    tracing::error!("cannot start a worker thread: {e}");
                    lock(&self.deck).leader = None;
                }
            }
        }
        // Nobody is left: the watchdog takes the turns.
        drop(roster);
        self.rouse();
    }

    /// Whether the calling thread is one of this crew's.
    pub(crate) fn is_aboard(&self) -> bool {
        worker::is_of(self)
    }
}
