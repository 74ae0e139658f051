//! Waiting in coroutines: on the event loop that they run on, which is told through a socket.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::aio::Queue;
use crate::awaitable::{self, Pollable, Waiting};
use crate::convert::lock;

/// The wake-ups of one event loop: see `oxbridge.cache._loops`.
#[pyclass(frozen, name = "CacheWakeups", module = "oxbridge._oxbridge")]
pub(crate) struct Wakeups(Arc<Queue>);

#[pymethods]
impl Wakeups {
    #[new]
    fn new() -> PyResult<Wakeups> {
        let queue = Queue::new().map_err(|e| PyOSError::new_err(e.to_string()))?;
        Ok(Wakeups(queue))
    }

    /// What the loop watches.
    fn fileno(&self) -> i32 {
        // A queue with a socket: it has a descriptor.
        self.0.fd().unwrap_or(-1)
    }

    /// Wakes the coroutines whose waits are over. On the loop's thread.
    fn wake(&self, py: Python<'_>) -> PyResult<()> {
        self.0.take_exchanges(py).map(drop)
    }
}

/// What coroutines on one event loop wait with: its wake-ups, and its `create_future`.
pub(crate) type LoopParts = (Py<Wakeups>, Py<PyAny>);

/// What a future's output becomes.
type Finish<T> = Box<dyn Fn(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + Sync>;

/// A future, as coroutines await it.
struct Awaited<T> {
    future: Mutex<Pin<Box<dyn Future<Output = T> + Send>>>,
    finish: Finish<T>,
}

impl<T> Pollable for Awaited<T> {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let polled = lock(py, &self.future).as_mut().poll(cx);
        polled.map(|output| (self.finish)(py, output))
    }
}

/// An awaitable of a future's output. `loops.waiting(…)` gives the running loop's wake-ups and its
/// `create_future`; it is asked only if there is something to wait for.
pub(crate) fn awaitable<T: 'static>(
    py: Python<'_>,
    future: impl Future<Output = T> + Send + 'static,
    finish: impl Fn(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + Sync + 'static,
    waiting: impl FnOnce() -> PyResult<LoopParts>,
) -> PyResult<Py<PyAny>> {
    let awaited = Awaited {
        future: Mutex::new(Box::pin(future)),
        finish: Box::new(finish),
    };
    match awaited.poll(py, &mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => done(py, outcome),
        Poll::Pending => {
            let (wakeups, create_future) = waiting()?;
            let waiting = Waiting {
                queue: wakeups.get().0.clone(),
                create_future: Arc::new(create_future),
            };
            awaitable::pending(py, Box::new(awaited), waiting)
        }
    }
}

/// An awaitable of what is there already. An exception is raised when it is awaited, as a coroutine's is.
pub(crate) fn done(py: Python<'_>, outcome: PyResult<Py<PyAny>>) -> PyResult<Py<PyAny>> {
    match outcome {
        Ok(value) if value.is_none(py) => awaitable::nothing(py),
        Ok(value) => awaitable::ready(py, value),
        Err(error) => awaitable::failed(py, error),
    }
}
