//! Work that a host has its server's threads do, besides handling exchanges.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use crate::reactor::Shared;

/// What the crew remembers of one route, or of one kind of work: whether it holds up the thread that leads.
pub(crate) struct Pace {
    /// What the watchdog knows it by.
    pub(crate) number: u32,
    /// How many quick runs are owed until it runs on the leader again.
    slow: AtomicU32,
}

impl Pace {
    pub(crate) fn new(number: u32) -> Self {
        Pace {
            number,
            slow: AtomicU32::new(0),
        }
    }

    pub(crate) fn is_slow(&self) -> bool {
        self.slow.load(Relaxed) != 0
    }

    pub(crate) fn mark_slow(&self, penance: u32) {
        self.slow.store(penance, Relaxed);
    }

    pub(crate) fn was_quick(&self) {
        // Fails at 0, which is where it should stay.
        let _ = self
            .slow
            .fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1));
    }
}

/// One kind of work, as jobs hold it.
pub(crate) struct Kind {
    pub(crate) pace: Pace,
    run: Box<dyn Fn() + Send + Sync>,
}

impl Kind {
    pub(crate) fn new(number: u32, run: Box<dyn Fn() + Send + Sync>) -> Self {
        Kind {
            pace: Pace::new(number),
            run,
        }
    }

    pub(crate) fn run(&self) {
        (self.run)();
    }
}

/// A function that runs again and again as the handlers of a server run: made by
/// [`Server::work`](crate::Server::work). Clones are the same work.
///
/// The crew treats it as it treats a route: it may block, and when it turns out that it does, further runs
/// go to other threads straight away.
#[derive(Clone)]
pub struct Work {
    shared: Weak<Shared>,
    kind: Arc<Kind>,
}

impl Work {
    pub(crate) fn new(shared: Weak<Shared>, kind: Arc<Kind>) -> Self {
        Work { shared, kind }
    }

    /// Has the function run once more, soon. Any thread may call it; many calls in a row wake the server once.
    /// It does not run when the server has stopped. There is no bound on how many runs wait: who calls this
    /// answers for it.
    pub fn post(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.work(self.kind.clone());
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").finish_non_exhaustive()
    }
}
