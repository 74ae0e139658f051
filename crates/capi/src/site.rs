//! What the exchanges, routes and callbacks of one server share.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use oxbridge::Runner;

use crate::fork;
use crate::queue::Queue;
use crate::status::oxb_status::{self, *};

/// See the module.
pub(crate) struct Site {
    /// The owner of its exchanges in the registry.
    pub(crate) id: u64,
    /// The process that started it.
    generation: u32,
    /// The host takes the turns, so that nothing may wait.
    pub(crate) driven: bool,
    pub(crate) queue: Queue,
    /// Set when the server has started.
    pub(crate) runner: OnceLock<Runner>,
}

impl Site {
    pub(crate) fn new(driven: bool, queue: usize) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Site {
            id: NEXT.fetch_add(1, Relaxed),
            generation: fork::generation(),
            driven,
            queue: Queue::new(queue),
            runner: OnceLock::new(),
        })
    }

    /// Whether this process is the one that started it.
    pub(crate) fn is_ours(&self) -> Result<(), oxb_status> {
        if self.generation == fork::generation() {
            Ok(())
        } else {
            Err(OXB_ERR_FORKED)
        }
    }
}
