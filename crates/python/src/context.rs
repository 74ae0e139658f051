//! Calling a handler: in a `contextvars.Context` of its own, and so that the interpreter's end does not
//! take the process down.
//!
//! A worker thread serves many requests. What one handler sets must not be there for the next one, as it
//! would not be with a thread for each request; so each call runs in an empty context of its own, which
//! is also what a new thread starts with.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

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

/// Calls `function(*arguments)` on a thread that Python did not start.
///
/// CPython before 3.14 ends a thread that asks for the interpreter while that is finalized by
/// `pthread_exit`, which unwinds the thread's stack with an exception that is not Rust's: the first
/// `catch_unwind` on the way would abort the process. So that unwinding stops here, and the thread waits
/// for the end of the process, which is what CPython itself does from 3.14 on.
pub(crate) fn call<'py>(
    function: &Bound<'py, PyAny>,
    arguments: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    let hang = Hang;
    // SAFETY: attached, since a `Bound` is there; both arguments are live objects, and the second is a
    // tuple; the result is a new reference, or null with an exception set. The function is declared
    // "C-unwind", so that a forced unwinding through this frame is defined; it runs `hang`'s drop.
    let result = unsafe {
        let result = PyObject_CallObject(function.as_ptr(), arguments.as_ptr());
        Bound::from_owned_ptr_or_err(function.py(), result)
    };
    std::mem::forget(hang);
    result
}

unsafe extern "C-unwind" {
    /// As in `pyo3::ffi`, which declares it "C": through that a thread could not be unwound.
    fn PyObject_CallObject(
        callable: *mut ffi::PyObject,
        args: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject;
}

/// Dropped only by an unwinding that is not Rust's.
struct Hang;

impl Drop for Hang {
    fn drop(&mut self) {
        loop {
            std::thread::park();
        }
    }
}
