//! What a child process finds of its parent's Python: nothing that it can use, or harm.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::status::oxe_status::{self, *};

/// The process that has started Python; 0 before one has. No fork of it can: it has none of the threads.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Notes that this process starts Python.
pub(crate) fn claim() {
    PROCESS.store(std::process::id(), Relaxed);
}

/// Refuses what a fork of the process that has started Python asks for. Called before any lock is taken: one of
/// the parent's threads may have held it.
pub(crate) fn refuse() -> Result<(), oxe_status> {
    let process = PROCESS.load(Relaxed);
    if process == 0 || process == std::process::id() {
        Ok(())
    } else {
        Err(OXE_ERR_FORKED)
    }
}
