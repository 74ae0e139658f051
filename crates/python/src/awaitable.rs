//! What coroutines of an application await: answers that are there already, and those that are still to
//! come.
//!
//! An awaitable that is ready costs the coroutine no trip through the event loop. One that is not makes an
//! asyncio future, which is resolved from the loop's thread when the thing it waits for has changed, and
//! then looks again. Both have `send`, `throw` and `close`, so `asyncio.create_task` takes them as it
//! takes coroutines.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::aio::Queue;
use crate::convert::lock;

/// Something that a coroutine may have to wait for. Polled on the event loop's thread.
pub(crate) trait Pollable: Send + Sync {
    /// The value, or an exception, if it is there; else keeps the waker.
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>>;
}

/// How futures of one event loop are made, and woken from the reactor.
pub(crate) struct Waiting {
    pub(crate) queue: Arc<Queue>,
    /// `loop.create_future`.
    pub(crate) create_future: Arc<Py<PyAny>>,
}

/// The awaitable of everything that is done and has no value.
pub(crate) fn nothing(py: Python<'_>) -> PyResult<Py<PyAny>> {
    static NOTHING: PyOnceLock<Py<Nothing>> = PyOnceLock::new();
    let nothing = NOTHING.get_or_try_init(py, || Py::new(py, Nothing))?;
    Ok(nothing.clone_ref(py).into_any())
}

/// The awaitable of a value that is there.
pub(crate) fn ready(py: Python<'_>, value: Py<PyAny>) -> PyResult<Py<PyAny>> {
    Ok(Py::new(py, Awaitable(Mutex::new(State::Ready(value))))?.into_any())
}

/// The awaitable of something that has failed.
pub(crate) fn failed(py: Python<'_>, error: PyErr) -> PyResult<Py<PyAny>> {
    Ok(Py::new(py, Awaitable(Mutex::new(State::Failed(error))))?.into_any())
}

/// The awaitable of something that is still to come.
pub(crate) fn pending(
    py: Python<'_>,
    what: Box<dyn Pollable>,
    waiting: Waiting,
) -> PyResult<Py<PyAny>> {
    let state = State::Pending(what, waiting);
    Ok(Py::new(py, Awaitable(Mutex::new(state)))?.into_any())
}

/// The awaitable of something that may be there already.
pub(crate) fn of(
    py: Python<'_>,
    what: impl Pollable + 'static,
    waiting: impl FnOnce() -> PyResult<Waiting>,
) -> PyResult<Py<PyAny>> {
    match what.poll(py, &mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => {
            let value = value?;
            if value.is_none(py) {
                nothing(py)
            } else {
                ready(py, value)
            }
        }
        Poll::Pending => pending(py, Box::new(what), waiting()?),
    }
}

/// Done from the start, any number of times.
#[pyclass(frozen, module = "oxbridge._oxbridge")]
struct Nothing;

#[pymethods]
impl Nothing {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self) -> Option<Py<PyAny>> {
        None
    }

    fn send(&self, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Err(PyStopIteration::new_err(()))
    }

    #[pyo3(signature = (error, value=None, traceback=None))]
    fn throw(
        &self,
        error: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        raise(error, value, traceback)
    }

    fn close(&self) {}
}

/// Done once, with a value or an exception.
#[pyclass(frozen, module = "oxbridge._oxbridge")]
struct Awaitable(Mutex<State>);

enum State {
    Ready(Py<PyAny>),
    Failed(PyErr),
    /// Not there when it was last polled.
    Pending(Box<dyn Pollable>, Waiting),
    /// Waiting for a future, of which this is the iterator.
    Waiting(Box<dyn Pollable>, Waiting, Py<PyAny>),
    Done,
}

impl Awaitable {
    /// A step: what is to be yielded to the event loop, or the value as StopIteration.
    fn step(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let mut state = std::mem::replace(&mut *lock(py, &self.0), State::Done);
        loop {
            match state {
                State::Ready(value) => return finish(py, value),
                State::Failed(error) => return Err(error),
                State::Pending(what, waiting) => {
                    let future = waiting.create_future.call0(py)?;
                    let waker = waiting.queue.future_waker(future.clone_ref(py));
                    if let Poll::Ready(result) = what.poll(py, &mut Context::from_waker(&waker)) {
                        return finish(py, result?);
                    }
                    let iterator = future.call_method0(py, intern!(py, "__await__"))?;
                    state = State::Waiting(what, waiting, iterator);
                }
                State::Waiting(what, waiting, iterator) => {
                    match iterator.call_method0(py, intern!(py, "__next__")) {
                        Ok(yielded) => {
                            *lock(py, &self.0) = State::Waiting(what, waiting, iterator);
                            return Ok(Some(yielded));
                        }
                        Err(e) if e.is_instance_of::<PyStopIteration>(py) => {
                            state = State::Pending(what, waiting);
                        }
                        Err(e) => return Err(e),
                    }
                }
                State::Done => {
                    return Err(PyRuntimeError::new_err(
                        "cannot await again what has been awaited already",
                    ));
                }
            }
        }
    }
}

fn finish(py: Python<'_>, value: Py<PyAny>) -> PyResult<Option<Py<PyAny>>> {
    if value.is_none(py) {
        return Ok(None);
    }
    Err(PyStopIteration::new_err((value,)))
}

/// Raises what `throw` was given: an exception, or its type with what it is made from.
fn raise(
    error: Bound<'_, PyAny>,
    value: Option<Bound<'_, PyAny>>,
    traceback: Option<Bound<'_, PyAny>>,
) -> PyResult<()> {
    let error = match value.filter(|value| !value.is_none()) {
        Some(value) if value.is_instance_of::<PyBaseException>() => value,
        Some(value) => error.call1((value,))?,
        None if error.is_instance_of::<PyType>() => error.call0()?,
        None => error,
    };
    if let Some(traceback) = traceback.filter(|traceback| !traceback.is_none()) {
        error.setattr(intern!(error.py(), "__traceback__"), traceback)?;
    }
    Err(PyErr::from_value(error))
}

#[pymethods]
impl Awaitable {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.step(py)
    }

    fn send(&self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        match self.step(py)? {
            Some(yielded) => Ok(yielded),
            None => Err(PyStopIteration::new_err(())),
        }
    }

    /// Ends the wait; nothing that it waited for is lost.
    #[pyo3(signature = (error, value=None, traceback=None))]
    fn throw(
        &self,
        py: Python<'_>,
        error: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.close(py);
        raise(error, value, traceback)
    }

    fn close(&self, py: Python<'_>) {
        let state = std::mem::replace(&mut *lock(py, &self.0), State::Done);
        drop(state);
    }
}
