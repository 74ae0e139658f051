//! A `contextvars.Context` for each call of a handler.
//!
//! A worker thread serves many requests. What one handler sets must not be there for the next one, as it
//! would not be with a thread for each request; so each call runs in an empty context of its own, which
//! is also what a new thread starts with.

use pyo3::ffi;
use pyo3::prelude::*;

/// Runs `call` in a new, empty context.
pub(crate) fn isolated<'py, R>(py: Python<'py>, call: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    // SAFETY: the interpreter is attached (`py`); the call returns a new reference, or null with an
    // exception set, which is what `from_owned_ptr_or_err` takes.
    let context = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_New())? };
    // SAFETY: attached, and `context` is a context object that nothing has entered.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    let _entered = Entered(&context);
    call()
}

/// Leaves the context when it is dropped, also when the call panics.
struct Entered<'a, 'py>(&'a Bound<'py, PyAny>);

impl Drop for Entered<'_, '_> {
    fn drop(&mut self) {
        // SAFETY: attached, since a `Bound` is there; the context is the current one of this thread,
        // because `isolated` entered it and whatever the call entered it has left.
        if unsafe { ffi::PyContext_Exit(self.0.as_ptr()) } != 0 {
            // Only a handler that left a context entered by means of its own gets here.
            PyErr::fetch(self.0.py()).write_unraisable(self.0.py(), Some(self.0));
        }
    }
}
