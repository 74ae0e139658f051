//! The calls of one function: those that wait, those that run, and those that run for nobody any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::call::Call;
use crate::error::Error;
use crate::request::Request;

/// See the module.
pub(crate) struct Calls {
    /// How many may wait.
    queue: usize,
    timeout: Option<Duration>,
    desk: Mutex<Desk>,
    /// Rung when there is something for the clock.
    clock: Condvar,
    /// Rung when a call has ended.
    ended: Condvar,
}

/// Both maps are in the order of numbers, and so of deadlines, as all calls have the same time.
#[derive(Default)]
struct Desk {
    next: u64,
    waiting: BTreeMap<u64, Arc<Call>>,
    running: BTreeMap<u64, Arc<Call>>,
    /// Calls that run, whose caller has left.
    abandoned: usize,
    /// Runs that have been posted and have not begun. As many as calls wait for one, or more, after some have
    /// left; never more than may wait, however many come and leave.
    posted: usize,
    /// The clock has nothing to wait for.
    is_clock_idle: bool,
    is_closed: bool,
}

/// How many calls there are; see [`Python::load`](crate::Python::load).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Load {
    /// Calls that wait for a thread.
    pub waiting: usize,
    /// Calls that run, and that somebody waits for.
    pub running: usize,
    /// Calls that run, though their time is over or their caller has left.
    pub abandoned: usize,
}

impl Calls {
    pub(crate) fn new(queue: usize, timeout: Option<Duration>) -> Self {
        Calls {
            queue,
            timeout,
            desk: Mutex::default(),
            clock: Condvar::new(),
            ended: Condvar::new(),
        }
    }

    /// Adds a call to those that wait. With `by_post` it is begun by a run that is posted; says whether one has
    /// to be.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Stopped`].
    pub(crate) fn add(&self, request: Request, by_post: bool) -> Result<(Arc<Call>, bool), Error> {
        let deadline = self
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
        let mut desk = self.desk();
        if desk.is_closed {
            return Err(Error::Stopped);
        }
        if desk.waiting.len() >= self.queue {
            return Err(Error::Busy { queue: self.queue });
        }
        let number = desk.next;
        desk.next += 1;
        let call = Arc::new(Call::new(number, deadline, request));
        desk.waiting.insert(number, call.clone());
        let is_due = by_post && desk.posted < desk.waiting.len();
        desk.posted += usize::from(is_due);
        let rings = desk.is_clock_idle && deadline.is_some();
        desk.is_clock_idle &= !rings;
        drop(desk);
        if rings {
            self.clock.notify_one();
        }
        Ok((call, is_due))
    }

    /// For a run that was posted: the call that has waited longest, which runs from now on.
    pub(crate) fn begin(&self) -> Option<Arc<Call>> {
        let mut desk = self.desk();
        desk.posted = desk.posted.saturating_sub(1);
        desk.begin()
    }

    /// For a loop that was told: the same, if fewer than `limit` run.
    pub(crate) fn begin_within(&self, limit: usize) -> Option<Arc<Call>> {
        let mut desk = self.desk();
        if desk.running.len() + desk.abandoned >= limit {
            return None;
        }
        desk.begin()
    }

    /// Says that a call that ran has ended.
    pub(crate) fn end(&self, call: &Call) {
        let mut desk = self.desk();
        if desk.running.remove(&call.number).is_none() {
            desk.abandoned = desk.abandoned.saturating_sub(1);
        }
        let somebody_waits = desk.is_closed;
        drop(desk);
        if somebody_waits {
            self.ended.notify_all();
        }
    }

    /// Says that nobody waits for a call any more; says whether it runs.
    pub(crate) fn leave(&self, call: &Call) -> bool {
        let runs = self.desk().leave(call);
        call.leave();
        runs
    }

    pub(crate) fn load(&self) -> Load {
        let desk = self.desk();
        Load {
            waiting: desk.waiting.len(),
            running: desk.running.len(),
            abandoned: desk.abandoned,
        }
    }

    /// Takes no more calls.
    pub(crate) fn close(&self) {
        self.desk().is_closed = true;
        self.clock.notify_all();
        self.ended.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.desk().is_closed
    }

    /// Waits until no call is left that somebody waits for; then, or at `deadline`, gives those that are.
    pub(crate) fn drain(&self, deadline: Instant) -> Vec<Arc<Call>> {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.ended.wait_timeout_while(self.desk(), left, |desk| {
            !desk.waiting.is_empty() || !desk.running.is_empty()
        });
        let (mut desk, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let waiting = std::mem::take(&mut desk.waiting);
        let running = std::mem::take(&mut desk.running);
        desk.abandoned += running.len();
        drop(desk);
        self.clock.notify_all();
        waiting.into_values().chain(running.into_values()).collect()
    }

    /// The clock's life: calls `late` with each call whose time is over, until the calls are closed and none is
    /// left.
    pub(crate) fn watch(&self, late: impl Fn(&Call, Duration)) {
        let Some(timeout) = self.timeout else { return };
        let mut desk = self.desk();
        loop {
            let next = desk.next_deadline();
            let now = Instant::now();
            desk = match next {
                None if desk.is_closed => return,
                None => {
                    desk.is_clock_idle = true;
                    self.clock
                        .wait(desk)
                        .unwrap_or_else(PoisonError::into_inner)
                }
                Some(deadline) if deadline <= now => {
                    let calls = desk.take_late(now);
                    drop(desk);
                    calls.iter().for_each(|call| late(call, timeout));
                    drop(calls);
                    self.ended.notify_all();
                    self.desk()
                }
                Some(deadline) => {
                    let waited = self.clock.wait_timeout(desk, deadline - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn begin(&mut self) -> Option<Arc<Call>> {
        let (number, call) = self.waiting.pop_first()?;
        self.running.insert(number, call.clone());
        Some(call)
    }

    /// Says whether the call runs.
    fn leave(&mut self, call: &Call) -> bool {
        if self.waiting.remove(&call.number).is_some() {
            return false;
        }
        let runs = self.running.remove(&call.number).is_some();
        self.abandoned += usize::from(runs);
        runs
    }

    fn next_deadline(&self) -> Option<Instant> {
        let first = |calls: &BTreeMap<u64, Arc<Call>>| {
            calls.first_key_value().and_then(|(_, call)| call.deadline)
        };
        [first(&self.waiting), first(&self.running)]
            .into_iter()
            .flatten()
            .min()
    }

    fn take_late(&mut self, now: Instant) -> Vec<Arc<Call>> {
        let is_late = |call: &Arc<Call>| call.deadline.is_some_and(|deadline| deadline <= now);
        let mut late = Vec::new();
        while let Some(entry) = self.running.first_entry()
            && is_late(entry.get())
        {
            late.push(entry.remove());
            self.abandoned += 1;
        }
        while let Some(entry) = self.waiting.first_entry()
            && is_late(entry.get())
        {
            late.push(entry.remove());
        }
        late
    }
}
