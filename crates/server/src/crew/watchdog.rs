//! The watchdog: takes the leadership from a leader whose handler blocks, and takes the turns itself
//! while every thread is busy.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use crate::crew::Crew;
use crate::crew::hold::{Suspicion, Verdict};
use crate::crew::worker::{self, Order, Worker};
use crate::reactor::Wait;
use crate::sync::lock;

/// How long a handler may wait on the leader: between one and two of these. One that computes is looked at
/// once more.
const BEAT: Duration = Duration::from_millis(1);
/// The watchdog sleeps after this many beats in which no handler ran.
const QUIET_BEATS: u32 = 100;
/// How many quick requests a slow route needs before its handlers run on the leader again.
pub(super) const SLOW: u32 = 32;

impl Crew {
    /// Wakes the watchdog from its doze.
    pub(super) fn rouse(&self) {
        let roster = lock(&self.roster);
        self.dormant.store(false, SeqCst);
        drop(roster);
        self.watch.notify_all();
    }

    /// The watchdog's life.
    pub(super) fn watch(self: &Arc<Self>) {
        worker::join(self);
        let mut last: Option<(Arc<Worker>, u32)> = None;
        let mut quiet = 0;
        let mut suspicion = Suspicion::default();
        loop {
            if lock(&self.roster).closed {
                return;
            }
            let leader = lock(&self.deck).leader.clone();
            let Some(leader) = leader else {
                self.pilot();
                last = None;
                continue;
            };
            let beat = leader.beat.load(SeqCst);
            let same =
                matches!(&last, Some((worker, b)) if *b == beat && Arc::ptr_eq(worker, &leader));
            quiet = if same && beat % 2 == 0 { quiet + 1 } else { 0 };
            if same && beat % 2 == 1 {
                let thread = leader.place.get().copied().flatten();
                let verdict = suspicion.look(thread, BEAT);
                if verdict != Verdict::Unclear {
                    if verdict == Verdict::Held {
                        let route = leader.route.load(Relaxed);
                        self.reactor.shared().mark_slow(route, SLOW);
                    }
                    self.promote_from(&leader);
                    last = None;
                    continue;
                }
            } else {
                suspicion = Suspicion::default();
            }
            if quiet >= QUIET_BEATS {
                self.doze(&leader, beat);
                quiet = 0;
            } else {
                std::thread::sleep(BEAT);
            }
            last = Some((leader, beat));
        }
    }

    /// Sleeps until a leader runs a handler again.
    fn doze(&self, leader: &Worker, beat: u32) {
        let mut roster = lock(&self.roster);
        self.dormant.store(true, SeqCst);
        // Pairs with `run_as_leader`; and a leadership that changed needs us awake.
        if leader.beat.load(SeqCst) != beat || !leader.leads.load(SeqCst) || roster.closed {
            self.dormant.store(false, SeqCst);
            return;
        }
        while self.dormant.load(SeqCst) && !roster.closed {
            roster = self
                .watch
                .wait(roster)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// Takes the turns while every thread is busy. Exchanges wait; the first thread that is free leads.
    fn pilot(&self) {
        while lock(&self.deck).leader.is_none() {
            self.reactor
                .turn(Wait::Pilot, &mut |owed| self.take_done(owed), None);
            let mut roster = lock(&self.roster);
            if roster.closed {
                return;
            }
            if lock(&self.deck).leader.is_some() {
                // A thread has relieved us meanwhile; it looks at what is ready, not at the backlog.
                return;
            }
            while let Some(job) = self.reactor.next_job() {
                roster.backlog.push_back(job);
            }
            // A thread may have become idle before it saw that nobody leads. What waits goes first: a
            // leader does not look at the backlog, and a thread that has done its job relieves us.
            if let Some(follower) = roster.idle.pop() {
                if let Some(job) = roster.backlog.pop_front() {
                    drop(roster);
                    follower.give(Order::Run(Box::new(job)));
                    continue;
                }
                self.seat_leader(&follower);
                drop(roster);
                follower.give(Order::Lead);
            } else if self.reactor.is_over() {
                drop(roster);
                self.close();
                return;
            }
        }
    }
}
