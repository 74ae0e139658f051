//! The end: by order, or when the process exits.

use std::panic::catch_unwind;
use std::sync::Once;
use std::time::{Duration, Instant};

use pyo3::ffi;
use pyo3::prelude::*;

use super::{STATE, State, lock};

/// How long an exit of the process waits.
const AT_EXIT: Duration = Duration::from_secs(5);

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
    let deadline = Instant::now() + grace.min(Duration::from_secs(365 * 24 * 3600));
    let main = {
        let mut state = lock(&STATE);
        match &mut *state {
            State::Running(running) if running.process == std::process::id() => {
                let Some(main) = running.main.take() else {
                    return true;
                };
                *state = State::Finished;
                main
            }
            State::Idle | State::Finished | State::Running(_) => return true,
        }
    };
    // SAFETY: may be called on any thread while an interpreter is there.
    if unsafe { ffi::PyGILState_Check() } != 0 {
        // A Rust function that Python has called: the main thread could not get in otherwise.
        return Python::attach(|py| py.detach(|| main.end(deadline)));
    }
    main.end(deadline)
}
