//! Work that a host has its server's threads do, besides handling exchanges.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::pace::Pace;
use crate::reactor::Shared;

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
