//! What the exchanges, routes and callbacks of one server share.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use oxbridge::Runner;

use crate::queue::Queue;
use crate::status::oxb_status::{self, *};

/// The number of the next site. Never the same twice, also in a forked process.
static NEXT: AtomicU64 = AtomicU64::new(1);
/// The number of the first site of this process.
static FIRST: AtomicU64 = AtomicU64::new(1);

/// Whether the site with this number belongs to a process that this one was forked from.
pub(crate) fn is_inherited(id: u64) -> bool {
    id < FIRST.load(Relaxed)
}

/// Called in a process that has just been forked: all sites are its parent's.
pub(crate) fn inherit() {
    FIRST.store(NEXT.load(Relaxed), Relaxed);
}

/// See the module.
pub(crate) struct Site {
    /// The owner of its exchanges in the registry.
    pub(crate) id: u64,
    /// The host takes the turns, so that nothing may wait.
    pub(crate) driven: bool,
    /// Bytes of a body that `oxb_request_body` takes.
    pub(crate) whole_body: u64,
    pub(crate) queue: Queue,
    /// Set when the server has started.
    pub(crate) runner: OnceLock<Runner>,
}

impl Site {
    pub(crate) fn new(driven: bool, queue: usize, whole_body: u64) -> Arc<Self> {
        Arc::new(Site {
            id: NEXT.fetch_add(1, Relaxed),
            driven,
            whole_body,
            queue: Queue::new(queue),
            runner: OnceLock::new(),
        })
    }

    /// Whether this process is the one that started it.
    pub(crate) fn is_ours(&self) -> Result<(), oxb_status> {
        if is_inherited(self.id) {
            Err(OXB_ERR_FORKED)
        } else {
            Ok(())
        }
    }
}
