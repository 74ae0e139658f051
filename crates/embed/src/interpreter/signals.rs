//! SIGINT stays the program's.
//!
//! Python's module `signal`, which `asyncio` and `subprocess` import, takes SIGINT for `KeyboardInterrupt` when it is
//! imported and finds nobody else's handler, whatever the interpreter was told about signal handlers.

use std::mem::MaybeUninit;

use pyo3::prelude::*;

/// Has that import happen now, on Python's main thread, and undoes what it does.
pub(super) fn keep(py: Python<'_>) -> PyResult<()> {
    let before = Disposition::of_interrupt();
    let imported = let_go(py);
    // Also what Python would put there instead, which is the default and not what the program had.
    before.restore();
    imported
}

fn let_go(py: Python<'_>) -> PyResult<()> {
    let signal = py.import("signal")?;
    let interrupt = signal.getattr("SIGINT")?;
    let handler = signal.call_method1("getsignal", (&interrupt,))?;
    if handler.is(&signal.getattr("default_int_handler")?) {
        signal.call_method1("signal", (interrupt, signal.getattr("SIG_DFL")?))?;
    }
    Ok(())
}

/// As [`keep`], on another thread of an interpreter that somebody else has initialized: only there Python
/// itself lets go.
pub(super) fn keep_joined(py: Python<'_>) -> PyResult<()> {
    let before = Disposition::of_interrupt();
    let imported = py.import("signal");
    before.restore();
    imported.map(drop)
}

/// What a signal does.
struct Disposition(Option<libc::sigaction>);

impl Disposition {
    fn of_interrupt() -> Self {
        let mut now = MaybeUninit::zeroed();
        // SAFETY: asks only, and writes to the structure if it succeeds.
        let asked = unsafe { libc::sigaction(libc::SIGINT, std::ptr::null(), now.as_mut_ptr()) };
        // SAFETY: the call has filled it in.
        Disposition((asked == 0).then(|| unsafe { now.assume_init() }))
    }

    fn restore(self) {
        if let Some(before) = self.0 {
            // SAFETY: this is what the system said was in force, and the signal is a valid one.
            unsafe { libc::sigaction(libc::SIGINT, &raw const before, std::ptr::null_mut()) };
        }
    }
}
