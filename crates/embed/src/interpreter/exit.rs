//! The end: by order, or when the process exits.

use std::panic::catch_unwind;
use std::sync::Once;
use std::time::{Duration, Instant};

use super::thread::MainThread;
use super::{STATE, State, lock, outside};
use crate::python;

/// How long an exit of the process waits.
const AT_EXIT: Duration = Duration::from_secs(5);

/// How long Python's own end has at least.
const MOMENT: Duration = Duration::from_millis(500);

/// Has the end come with the process's own exit, if nobody orders it before.
pub(super) fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the function is never unloaded, as it is part of the program or of a library that is
        // never closed, and lets no panic out. Without memory for an entry there is no end but the
        // process's own, which loses nothing but what `atexit` holds.
        let _ = unsafe { libc::atexit(at_exit) };
    });
}

extern "C" fn at_exit() {
    // A panic has been printed by its hook; the process ends in any case.
    let _ = catch_unwind(|| finish(AT_EXIT));
}

/// See [`Interpreter::finish`](super::Interpreter::finish).
pub(super) fn finish(grace: Duration) -> bool {
    let grace = grace.min(Duration::from_secs(365 * 24 * 3600));
    let deadline = Instant::now() + grace;
    // Python's own end needs time, too.
    let half = Instant::now() + grace / 2;
    let Some(main) = take_main() else {
        return true;
    };
    outside(|| {
        let has_stopped = python::stop_all(half);
        // Whatever has taken the time, what `atexit` holds is called.
        main.end(deadline.max(Instant::now() + MOMENT)) && has_stopped
    })
}

/// The interpreter's thread, if there is one to end in this process. No call and no start comes after this.
fn take_main() -> Option<MainThread> {
    let mut state = lock(&STATE);
    let State::Running(running) = &mut *state else {
        return None;
    };
    if running.process != std::process::id() {
        return None;
    }
    let main = running.main.take()?;
    *state = State::Finished;
    Some(main)
}
