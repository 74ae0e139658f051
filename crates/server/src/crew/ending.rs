//! How a crew ends: everybody is sent home, and waited for.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::SeqCst;
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::Instant;

use crate::crew::Crew;
use crate::crew::worker::Order;
use crate::sync::lock;

impl Crew {
    /// Waits until every thread has ended, at most until `deadline`; says whether they have.
    pub(crate) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        let mut roster = lock(&self.roster);
        loop {
            if roster.closed && roster.threads == 0 {
                let handles = std::mem::take(&mut roster.handles);
                drop(roster);
                join(handles);
                return true;
            }
            roster = match deadline {
                None => self
                    .left
                    .wait(roster)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.left
                        .wait_timeout(roster, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }

    /// Sends everybody home.
    pub(super) fn close(&self) {
        let mut roster = lock(&self.roster);
        roster.closed = true;
        self.dormant.store(false, SeqCst);
        for worker in roster.idle.drain(..) {
            worker.give(Order::Leave);
        }
        drop(roster);
        // No turn comes any more that would deliver what the last jobs have woken.
        let done = std::mem::take(&mut lock(&self.deck).done);
        done.into_iter().for_each(Waker::wake);
        self.watch.notify_all();
        self.left.notify_all();
        self.reactor.shared().stopped();
        // The watchdog may have begun to take the turns after it looked whether all is over: it would wait
        // for an interruption that nobody else will send.
        self.reactor.interrupt();
    }
}

/// Waits for threads that have nothing left to do but to end.
fn join(handles: Vec<JoinHandle<()>>) {
    for handle in handles {
        if handle.thread().id() != std::thread::current().id() {
            // A thread that panicked has printed why.
            let _ = handle.join();
        }
    }
}
