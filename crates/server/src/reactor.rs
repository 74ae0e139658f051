//! The reactor: the sockets, connections and timers of one core, and the turns that drive them.
//!
//! It never calls a handler that may block. Whoever owns the handlers takes turns:
//! [`Reactor::turn`] first delivers the answers of the last batch from inside the runtime (no
//! cross-thread wake-up, no system call), then drives I/O until exchanges are ready.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll, Waker};

use tokio::runtime::Runtime;

use crate::app::{App, Handler, Route};
use crate::compression::Compressor;
use crate::conn::{Order, Sweep};
use crate::edge::Edge;
use crate::exchange::Exchange;
use crate::limits::Limits;
use crate::observe::Notes;
use crate::pace::Pace;
use crate::sync::lock;
use crate::work::Kind;

/// What waits for a thread.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every job is an exchange, and a box would cost each of them"
)]
pub(crate) enum Job {
    /// An exchange, and the route whose handler is to run.
    Handle(Exchange, Arc<Route>),
    /// Something that a handler left to be done later; see [`Runner`](crate::Runner).
    Call(Box<dyn FnOnce() + Send>),
    /// Another run of something that the host has done here; see [`Work`](crate::Work).
    Work(Arc<Kind>),
}

impl Job {
    /// What the crew remembers of the like of it.
    pub(crate) fn pace(&self) -> Option<&Pace> {
        match self {
            Job::Handle(exchange, route) => Some(route.paces.of_path(|| exchange.path())),
            Job::Work(kind) => Some(&kind.pace),
            Job::Call(_) => None,
        }
    }

    /// Who can be told, when the job has run, that it was quick.
    pub(crate) fn like(&self) -> Option<Like> {
        match self {
            Job::Handle(exchange, route) => {
                let number = route.paces.of_path(|| exchange.path()).number;
                Some(Like::Route(route.clone(), number))
            }
            Job::Work(kind) => Some(Like::Work(kind.clone())),
            Job::Call(_) => None,
        }
    }
}

/// What outlives a job of its kind.
pub(crate) enum Like {
    /// With the number of the pace.
    Route(Arc<Route>, u32),
    Work(Arc<Kind>),
}

impl Like {
    pub(crate) fn pace(&self) -> &Pace {
        match self {
            Like::Route(route, number) => route.paces.of_number(*number),
            Like::Work(kind) => &kind.pace,
        }
    }
}

/// The kinds of work are counted from here on, the paces of routes below.
const KINDS: u32 = 1 << 31;

thread_local! {
    /// Whether this thread is inside a turn, where nothing may block.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling code runs inside a reactor, which must never wait.
pub(crate) fn is_inside() -> bool {
    INSIDE.get()
}

/// Marks the thread as inside, until it is dropped; then it is what it was before.
pub(crate) struct Inside(bool);

impl Inside {
    pub(crate) fn enter() -> Self {
        Inside(INSIDE.replace(true))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

/// What a turn waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing: every task that is ready runs once.
    Pass,
    /// Exchanges, or an interruption.
    Ready,
    /// An interruption; exchanges wait. Ready too when some are there, so that they can be put away.
    Pilot,
}

/// See the module.
pub(crate) struct Reactor {
    /// Taken by `drop`.
    runtime: Option<Runtime>,
    shared: Arc<Shared>,
    /// Held during a turn, so that a leader who comes early waits for the last one. The wake-ups that
    /// the turn delivers pass through it, and it keeps their memory.
    turn: Mutex<Vec<Waker>>,
}

/// What the tasks of a reactor share with those who drive it.
pub(crate) struct Shared {
    pub(crate) app: Arc<App>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) sweep: Arc<Sweep>,
    /// Listening sockets that are still open.
    acceptors: AtomicUsize,
    /// One reference here, and one in each exchange that is alive.
    pub(crate) live: Arc<()>,
    ready: Mutex<Ready>,
    /// By number.
    kinds: Mutex<Vec<Weak<Kind>>>,
    /// Exchanges that wait for a thread, here or with the crew.
    waiting: AtomicUsize,
    /// Past this many the service answers 503.
    queue: usize,
    interrupted: AtomicBool,
    draining: AtomicBool,
    /// The threads that run handlers are the ones that take turns, so no handler may wait.
    pub(crate) driven: bool,
    /// Whether and how responses are compressed.
    pub(crate) compression: Option<Arc<Compressor>>,
    /// Who may speak for clients, and what every answer carries.
    pub(crate) edge: Arc<Edge>,
    /// Dropped when the reactor has stopped.
    over: Mutex<Vec<Arc<OnDrop>>>,
    /// The waker of whoever takes a turn: always the same for one runtime.
    turn: OnceLock<Waker>,
    /// Set with the reactor.
    pub(crate) runtime: OnceLock<tokio::runtime::Handle>,
}

/// What is ready to be run.
#[derive(Default)]
struct Ready {
    jobs: VecDeque<Job>,
    /// Nobody runs anything any more: what comes is dropped.
    closed: bool,
}

impl Shared {
    pub(crate) fn new(
        app: Arc<App>,
        limits: Arc<Limits>,
        notes: Arc<Notes>,
        compression: Option<Arc<Compressor>>,
        edge: Arc<Edge>,
        queue: usize,
        driven: bool,
    ) -> Arc<Self> {
        Arc::new(Shared {
            app,
            limits,
            notes,
            sweep: Arc::new(Sweep::new()),
            acceptors: AtomicUsize::new(0),
            live: Arc::new(()),
            ready: Mutex::default(),
            kinds: Mutex::default(),
            waiting: AtomicUsize::new(0),
            queue,
            interrupted: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            driven,
            compression,
            edge,
            over: Mutex::default(),
            turn: OnceLock::new(),
            runtime: OnceLock::new(),
        })
    }

    /// Queues an exchange for a thread, or gives it back when too many wait.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Box<Job>> {
        if self.waiting.load(Relaxed) >= self.queue {
            return Err(Box::new(job));
        }
        self.enqueue(job);
        Ok(())
    }

    /// Queues something to be run as a handler is. There is no bound: who calls this answers for it.
    pub(crate) fn call(&self, call: Box<dyn FnOnce() + Send>) {
        self.enqueue(Job::Call(call));
    }

    /// As [`call`](Self::call), for one more run of `kind`.
    pub(crate) fn work(&self, kind: Arc<Kind>) {
        self.enqueue(Job::Work(kind));
    }

    /// A new kind of work, which the watchdog can find by its number.
    pub(crate) fn new_kind(&self, run: Box<dyn Fn() + Send + Sync>) -> Arc<Kind> {
        let mut kinds = lock(&self.kinds);
        let free = kinds.iter().position(|kind| kind.strong_count() == 0);
        let place = free.unwrap_or(kinds.len());
        // Fewer than two billion are alive at a time.
        let number = u32::try_from(place).map_or(u32::MAX, |place| KINDS | place);
        let kind = Arc::new(Kind::new(number, run));
        match kinds.get_mut(place) {
            Some(slot) => *slot = Arc::downgrade(&kind),
            None => kinds.push(Arc::downgrade(&kind)),
        }
        kind
    }

    /// Marks what has this number as slow.
    pub(crate) fn mark_slow(&self, number: u32, penance: u32) {
        if number < KINDS {
            if let Some(route) = self.app.table().route(number) {
                route.paces.of_number(number).mark_slow(penance);
            }
            return;
        }
        let kind = lock(&self.kinds).get((number - KINDS) as usize).cloned();
        if let Some(kind) = kind.and_then(|kind| kind.upgrade()) {
            kind.pace.mark_slow(penance);
        }
    }

    fn enqueue(&self, job: Job) {
        self.waiting.fetch_add(1, Relaxed);
        let mut ready = lock(&self.ready);
        if ready.closed {
            drop(ready);
            self.waiting.fetch_sub(1, AcqRel);
            // Dropped without a lock: what goes with it may be anything.
            drop(job);
            return;
        }
        let first = ready.jobs.is_empty();
        ready.jobs.push_back(job);
        drop(ready);
        if first {
            self.wake_turn();
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Acquire)
    }

    /// Ends the turn under way, or the next one.
    pub(crate) fn interrupt(&self) {
        self.interrupted.store(true, Release);
        self.wake_turn();
    }

    /// Keeps something until the reactor has stopped.
    pub(crate) fn keep(&self, token: Arc<OnDrop>) {
        lock(&self.over).push(token);
    }

    /// Says that the reactor has stopped: nothing more will come, and what does is dropped.
    pub(crate) fn stopped(&self) {
        let left = {
            let mut ready = lock(&self.ready);
            ready.closed = true;
            std::mem::take(&mut ready.jobs)
        };
        self.waiting.fetch_sub(left.len(), AcqRel);
        drop(left);
        let over = std::mem::take(&mut *lock(&self.over));
        drop(over);
    }

    /// Closes every connection now.
    pub(crate) fn cut(&self) {
        self.sweep.order_all(Order::Cut);
        self.interrupt();
    }

    /// Called when a connection has ended, or a listening socket is closed.
    pub(crate) fn connection_ended(&self) {
        if self.is_draining() && self.is_empty() {
            self.interrupt();
        }
    }

    /// Counts a listening socket until the guard is dropped.
    pub(crate) fn begin_accepting(self: &Arc<Self>) -> Accepting {
        self.acceptors.fetch_add(1, SeqCst);
        Accepting(self.clone())
    }

    /// Whether nothing is open.
    fn is_empty(&self) -> bool {
        self.acceptors.load(SeqCst) == 0 && self.sweep.is_empty()
    }

    fn wake_turn(&self) {
        if let Some(waker) = self.turn.get() {
            waker.wake_by_ref();
        }
    }
}

/// Runs something when it is dropped.
pub(crate) struct OnDrop(pub(crate) Option<Box<dyn FnOnce() + Send + Sync>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            run();
        }
    }
}

/// A listening socket that is open.
pub(crate) struct Accepting(Arc<Shared>);

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.acceptors.fetch_sub(1, SeqCst);
        self.0.connection_ended();
    }
}

impl Reactor {
    pub(crate) fn new(shared: Arc<Shared>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .event_interval(BATCH)
            .enable_io()
            .enable_time()
            .build()?;
        // Nobody else sets it.
        let _ = shared.runtime.set(runtime.handle().clone());
        Ok(Reactor {
            runtime: Some(runtime),
            shared,
            turn: Mutex::default(),
        })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn runtime(&self) -> &Runtime {
        match &self.runtime {
            Some(runtime) => runtime,
            None => unreachable!("only drop takes it"),
        }
    }

    pub(crate) fn handle(&self) -> &tokio::runtime::Handle {
        self.runtime().handle()
    }

    /// Takes a turn: wakes the tasks that `done` puts into an empty list, then drives the runtime as `wait`
    /// says, or until `until`, if there is one, is true.
    pub(crate) fn turn(
        &self,
        wait: Wait,
        done: &mut (dyn FnMut(&mut Vec<Waker>) + Send),
        mut until: Option<&mut (dyn FnMut(&mut Context<'_>) -> bool + Send)>,
    ) {
        let mut owed = lock(&self.turn);
        let mut begun = false;
        let _inside = Inside::enter();
        self.runtime().block_on(poll_fn(|cx| {
            if !begun {
                begun = true;
                if self.shared.turn.get().is_none() {
                    // Only the holder of `turn` sets it.
                    let _ = self.shared.turn.set(cx.waker().clone());
                }
                done(&mut owed);
                owed.drain(..).for_each(Waker::wake);
                if wait == Wait::Pass {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            } else if wait == Wait::Pass {
                return Poll::Ready(());
            }
            // The interruption that announces the end may have ended the turn of another thread, which was
            // no longer the one to act upon it: so the end itself is looked at, too.
            let ready = self.shared.interrupted.swap(false, Acquire)
                || !lock(&self.shared.ready).jobs.is_empty()
                || self.is_over();
            if ready || until.as_mut().is_some_and(|until| until(cx)) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
    }

    /// How many jobs are ready.
    pub(crate) fn ready(&self) -> usize {
        lock(&self.shared.ready).jobs.len()
    }

    /// The next job that is ready.
    pub(crate) fn next_job(&self) -> Option<Job> {
        lock(&self.shared.ready).jobs.pop_front()
    }

    /// Runs the handler of a job, outside the runtime.
    pub(crate) fn run(&self, job: Job) {
        if self.shared.waiting.fetch_sub(1, AcqRel) == 1 {
            // It may have been the last thing that a drain waited for.
            self.shared.connection_ended();
        }
        match job {
            Job::Handle(exchange, route) => {
                if let Handler::Blocking(handler) = &route.handler {
                    handler(exchange);
                }
            }
            Job::Call(call) => call(),
            Job::Work(kind) => kind.run(),
        }
    }

    pub(crate) fn interrupt(&self) {
        self.shared.interrupt();
    }

    /// Starts to drain: connections finish what is under way and close.
    pub(crate) fn drain(&self) {
        self.shared.draining.store(true, SeqCst);
        self.shared.sweep.order_all(Order::Drain);
        self.interrupt();
    }

    /// Whether a drain has come to its end.
    pub(crate) fn is_over(&self) -> bool {
        self.shared.is_draining()
            && self.shared.is_empty()
            && self.shared.waiting.load(Acquire) == 0
    }
}

impl Drop for Reactor {
    /// Drops every task, and with it every connection. Waits for nothing, so that a server may be dropped
    /// anywhere, also inside another reactor.
    fn drop(&mut self) {
        // A host program may still hold exchanges that came in by the in-process entrance.
        self.shared.sweep.order_all(Order::Cut);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.shared.stopped();
    }
}

/// How many tasks a turn polls before it looks for exchanges that are ready, and for new events. Smaller
/// batches keep what a request has touched in the cache until its answer is written; larger ones ask the
/// system less often. Measured at 10 and 100 connections with 12, 24 and tokio's 61.
const BATCH: u32 = 24;
