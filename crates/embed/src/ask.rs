//! `oxbridge._embed`: what a Python function may ask about the call that it runs for.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::call::Call;
use crate::python;

thread_local! {
    /// The call that runs on this thread.
    static CURRENT: RefCell<Option<Arc<Call>>> = const { RefCell::new(None) };
}

/// Runs `run` for a call, which the function may ask about.
pub(crate) fn during<R>(call: &Arc<Call>, run: impl FnOnce() -> R) -> R {
    let _restored = Restored(CURRENT.replace(Some(call.clone())));
    run()
}

/// Puts back what was there before, also when a panic passes.
struct Restored(Option<Arc<Call>>);

impl Drop for Restored {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

fn current() -> Option<Arc<Call>> {
    CURRENT.with_borrow(Clone::clone)
}

/// The module.
pub(crate) fn module(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    let module = PyModule::new(py, "oxbridge._embed")?;
    module.add_function(wrap_pyfunction!(cancelled, &module)?)?;
    module.add_function(wrap_pyfunction!(wait_cancelled, &module)?)?;
    Ok(module)
}

/// Has Python's own end stop what runs here first: threads that are still in Python when it is finalized would
/// hang in it.
pub(crate) fn stop_at_exit(py: Python<'_>) -> PyResult<()> {
    let stop = wrap_pyfunction!(stop_all, py)?;
    py.import("atexit")?.call_method1("register", (stop,))?;
    Ok(())
}

#[pyfunction]
fn stop_all(py: Python<'_>) {
    py.detach(|| python::stop_all(Instant::now()));
}

/// Tell whether nobody waits for this call's answer any more.
#[pyfunction]
fn cancelled() -> bool {
    current().is_some_and(|call| call.has_left())
}

/// Wait until nobody waits for this call's answer any more; False if that is not so in time.
#[pyfunction]
#[pyo3(signature = (timeout=None))]
fn wait_cancelled(py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<bool>> {
    let timeout = timeout
        .map(|seconds| {
            Duration::try_from_secs_f64(seconds.max(0.0)).map_err(|e| {
                PyValueError::new_err(format!("timeout must be seconds, got {seconds}: {e}"))
            })
        })
        .transpose()?;
    // None: this thread runs no call.
    Ok(current().map(|call| py.detach(|| call.wait_left(timeout))))
}
