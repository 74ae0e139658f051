//! The event loop that an application runs on, and the tasks that run on it.

use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PySet};

use crate::aio::Queue;
use crate::awaitable::Waiting;

/// See the module. Empty until the application is told which loop it runs on.
#[derive(Default)]
pub(crate) struct Tasks(Cell);

/// As `PyOnceLock`, which has no default of its own.
struct Cell(PyOnceLock<Running>);

impl Default for Cell {
    fn default() -> Self {
        Cell(PyOnceLock::new())
    }
}

struct Running {
    /// `start(coroutine, **options)` gives a task, stepped at once where the interpreter can.
    start: Py<PyAny>,
    options: Option<Py<PyDict>>,
    create_future: Arc<Py<PyAny>>,
    /// Tasks that wait for something: the loop itself holds them weakly.
    alive: Py<PySet>,
}

/// One exchange that a task answers.
pub(crate) trait Answering {
    /// Sees to it that the exchange ends with its task.
    fn ended(&self, py: Python<'_>, task: &Bound<'_, PyAny>) -> PyResult<()>;

    /// The application raised an exception.
    fn fail(&self, py: Python<'_>, error: &PyErr);
}

impl Tasks {
    /// Tells which loop it is, once.
    pub(crate) fn run_on(
        &self,
        py: Python<'_>,
        start: Py<PyAny>,
        options: Option<Py<PyDict>>,
        create_future: Py<PyAny>,
        alive: Py<PySet>,
    ) -> PyResult<()> {
        let running = Running {
            start,
            options,
            create_future: Arc::new(create_future),
            alive,
        };
        self.0
            .0
            .set(py, running)
            .map_err(|_| PyRuntimeError::new_err("the application runs on an event loop already"))
    }

    fn running(&self, py: Python<'_>) -> PyResult<&Running> {
        self.0
            .0
            .get(py)
            .ok_or_else(|| PyRuntimeError::new_err("the application has no event loop yet"))
    }

    /// Futures of the loop, woken through `queue`.
    pub(crate) fn waiting(&self, py: Python<'_>, queue: &Arc<Queue>) -> PyResult<Waiting> {
        Ok(Waiting {
            queue: queue.clone(),
            create_future: self.running(py)?.create_future.clone(),
        })
    }

    /// Runs a coroutine that answers an exchange, whose method `ended` is called with the task at its
    /// end.
    pub(crate) fn run<T>(
        &self,
        coroutine: &Bound<'_, PyAny>,
        exchange: &Bound<'_, T>,
    ) -> PyResult<()>
    where
        T: pyo3::PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Answering + Sync,
    {
        let py = coroutine.py();
        let running = self.running(py)?;
        let options = running.options.as_ref().map(|options| options.bind(py));
        let task = running.start.bind(py).call((coroutine,), options)?;
        if task.call_method0(intern!(py, "done"))?.is_truthy()? {
            return exchange.get().ended(py, &task);
        }
        running.alive.bind(py).add(&task)?;
        let ended = exchange.as_any().getattr(intern!(py, "ended"))?;
        task.call_method1(intern!(py, "add_done_callback"), (ended,))?;
        Ok(())
    }

    /// Forgets a task that has ended.
    pub(crate) fn forget(&self, py: Python<'_>, task: &Bound<'_, PyAny>) -> PyResult<()> {
        self.running(py)?.alive.bind(py).discard(task).map(drop)
    }
}

/// How a task came to its end.
pub(crate) enum Outcome {
    Returned,
    Cancelled,
    Raised(PyErr),
}

/// How a task that is done came to its end.
pub(crate) fn outcome(py: Python<'_>, task: &Bound<'_, PyAny>) -> PyResult<Outcome> {
    if task.call_method0(intern!(py, "cancelled"))?.is_truthy()? {
        return Ok(Outcome::Cancelled);
    }
    let error = task.call_method0(intern!(py, "exception"))?;
    Ok(if error.is_none() {
        Outcome::Returned
    } else {
        Outcome::Raised(PyErr::from_value(error))
    })
}
