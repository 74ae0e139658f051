//! Calling a handler: in a `contextvars.Context` of its own, and so that the interpreter's end does not
//! take the process down.
//!
//! A worker thread serves many requests. What one handler sets in its context must not be there for the
//! next, as it would not be with a thread for each request. So a thread works in a context that is empty
//! at first, as a new thread's is, and leaves it for a new one when a handler has put something in.

use std::cell::RefCell;

use pyo3::ffi;
use pyo3::prelude::*;

thread_local! {
    /// The empty context that this thread is in, if it is a worker thread.
    static CURRENT: RefCell<Option<Entered>> = const { RefCell::new(None) };
}

/// Runs `work`, the whole life of a worker thread, with an empty context always at hand.
pub(crate) fn with_context(py: Python<'_>, work: impl FnOnce()) {
    // Without memory for a context, each call makes its own, or reports that it cannot.
    CURRENT.set(Entered::new(py).ok());
    work();
    drop(CURRENT.take());
}

/// Calls `function(*arguments)` in an empty context, on a thread whose life is that of a worker
/// ([`Interpreter`](crate::Interpreter)), or on any other.
///
/// # Errors
/// What the function raises.
pub fn call<'py, const N: usize>(
    function: &Bound<'py, PyAny>,
    arguments: [&Bound<'py, PyAny>; N],
) -> PyResult<Bound<'py, PyAny>> {
    let py = function.py();
    if CURRENT.with_borrow(Option::is_none) {
        // Not a worker thread: the watchdog, which attaches for each call.
        let _entered = Entered::new(py)?;
        return vectorcall(function, arguments);
    }
    let result = vectorcall(function, arguments);
    if CURRENT.with_borrow(|current| {
        current
            .as_ref()
            .is_some_and(|entered| !entered.is_empty(py))
    }) {
        // Left before the new one is entered.
        drop(CURRENT.take());
        CURRENT.set(Entered::new(py).ok());
    }
    result
}

/// A context that this thread has entered; left when it is dropped.
struct Entered(Py<PyAny>);

impl Entered {
    fn new(py: Python<'_>) -> PyResult<Self> {
        // SAFETY: attached (`py`); the call returns a new reference, or null with an exception set.
        let context = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_New())? };
        // SAFETY: attached, and `context` is a context object that nothing has entered.
        if unsafe { ffi::PyContext_Enter(context.as_ptr()) } != 0 {
            return Err(PyErr::fetch(py));
        }
        Ok(Entered(context.unbind()))
    }

    fn is_empty(&self, py: Python<'_>) -> bool {
        // A context is a mapping, so this does not fail; a failure costs a new context.
        self.0.bind(py).len().is_ok_and(|length| length == 0)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Without an interpreter there is no context to leave.
        let _ = Python::try_attach(|py| {
            // SAFETY: attached; the context is the current one of this thread, because `new` entered it
            // and whatever the handlers entered they have left.
            if unsafe { ffi::PyContext_Exit(self.0.as_ptr()) } != 0 {
                // Only a handler that left a context entered by means of its own gets here.
                PyErr::fetch(py).write_unraisable(py, Some(self.0.bind(py)));
            }
        });
    }
}

/// Calls `function(*arguments)` on a thread that Python did not start.
///
/// CPython before 3.14 ends a thread that asks for the interpreter while that is finalized by
/// `pthread_exit`, which unwinds the thread's stack with an exception that is not Rust's: the first
/// `catch_unwind` on the way would abort the process. So that unwinding stops here, and the thread waits
/// for the end of the process, which is what CPython itself does from 3.14 on.
pub(crate) fn vectorcall<'py, const N: usize>(
    function: &Bound<'py, PyAny>,
    arguments: [&Bound<'py, PyAny>; N],
) -> PyResult<Bound<'py, PyAny>> {
    let pointers = arguments.map(Bound::as_ptr);
    // Hidden from the optimizer, which would see in `pyo3::ffi` that the function does not unwind.
    let call: *const () = std::hint::black_box(ffi::PyObject_VectorcallDict as *const ());
    // SAFETY: the pointer is that function, whose C signature this is; "C-unwind" differs from "C" in
    // nothing but that an unwinding through the call is defined.
    let call = unsafe { std::mem::transmute::<*const (), VectorcallDict>(call) };
    let hang = Hang;
    // SAFETY: attached, since a `Bound` is there; the callable and the arguments are live objects for the
    // whole call, `pointers` has as many as the count says, and there are no keywords. A forced unwinding
    // through this frame runs `hang`'s drop and ends there.
    let result = unsafe {
        call(
            function.as_ptr(),
            pointers.as_ptr(),
            pointers.len(),
            std::ptr::null_mut(),
        )
    };
    // Before the exception is looked at: PyO3 goes on with a panic of Rust's that came through Python.
    std::mem::forget(hang);
    // SAFETY: attached; the result is a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(function.py(), result) }
}

type VectorcallDict = unsafe extern "C-unwind" fn(
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    nargsf: usize,
    kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject;

/// Dropped only by an unwinding that is not Rust's.
struct Hang;

impl Drop for Hang {
    fn drop(&mut self) {
        loop {
            std::thread::park();
        }
    }
}
