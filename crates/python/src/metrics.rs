//! `Metrics`, counters that processes share, and `Admin`, a server that tells of them.

use std::os::fd::{BorrowedFd, IntoRawFd as _, RawFd};
use std::sync::{Arc, Mutex};

use oxbridge::Server;
use oxbridge::admin::{self, Readiness, State};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

use crate::convert::lock;
use crate::core::{read_binds, start_error};
use crate::errors::PatternError;
use crate::options::seconds;

/// Counters of one process, among those of all that share them.
#[pyclass(frozen, module = "oxbridge._oxbridge")]
pub(crate) struct Metrics(pub(crate) oxbridge::metrics::Metrics);

#[pymethods]
impl Metrics {
    #[new]
    fn new() -> Self {
        Metrics(oxbridge::metrics::Metrics::new())
    }

    /// Counters for so many workers, and the descriptor of their memory, which the caller closes.
    #[staticmethod]
    fn create_shared(slots: usize) -> PyResult<(Self, RawFd)> {
        let (metrics, fd) =
            oxbridge::metrics::Metrics::create_shared(slots).map_err(|e| io_error(&e))?;
        Ok((Metrics(metrics), fd.into_raw_fd()))
    }

    /// Counts in a slot of memory that another process has made.
    #[staticmethod]
    fn open(fd: RawFd, slot: usize) -> PyResult<Self> {
        open(fd, slot).map(Metrics)
    }

    #[getter]
    fn slots(&self) -> usize {
        self.0.slots()
    }

    /// All slots together, as Prometheus reads them.
    fn render(&self, py: Python<'_>) -> String {
        py.detach(|| self.0.render())
    }

    /// Clears the slot of a worker that has ended.
    fn retire_slot(&self, slot: usize) -> PyResult<()> {
        self.0.retire_slot(slot).map_err(|e| io_error(&e))
    }

    fn __repr__(&self) -> String {
        format!("<Metrics slots={}>", self.0.slots())
    }
}

/// See [`Metrics::open`].
pub(crate) fn open(fd: RawFd, slot: usize) -> PyResult<oxbridge::metrics::Metrics> {
    let fd = borrowed(&fd)?;
    oxbridge::metrics::Metrics::open(fd, slot).map_err(|e| io_error(&e))
}

/// A descriptor of Python's, for as long as the call takes it.
pub(crate) fn borrowed(fd: &RawFd) -> PyResult<BorrowedFd<'_>> {
    if *fd < 0 {
        return Err(PyValueError::new_err(format!(
            "{fd} is no descriptor; wanted 0 or more"
        )));
    }
    // SAFETY: not -1. The caller of the Python function keeps the descriptor open during the call, as for
    // every function of `os`; if it is closed all the same, the system says so, and no memory is touched
    // through it.
    Ok(unsafe { BorrowedFd::borrow_raw(*fd) })
}

fn io_error(e: &std::io::Error) -> PyErr {
    match (e.raw_os_error(), e.kind()) {
        (Some(errno), _) => PyOSError::new_err((errno, e.to_string())),
        (None, std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData) => {
            PyValueError::new_err(e.to_string())
        }
        (None, _) => PyOSError::new_err(e.to_string()),
    }
}

/// A server with metrics and checks, which runs no Python.
#[pyclass(frozen, module = "oxbridge._oxbridge")]
pub(crate) struct Admin {
    readiness: Arc<Readiness>,
    /// None once it has stopped.
    server: Mutex<Option<Arc<Server>>>,
    addresses: Vec<String>,
}

#[pymethods]
impl Admin {
    /// Binds and serves.
    #[new]
    #[pyo3(signature = (binds, metrics, *, metrics_path="/metrics", health_path="/healthz", ready_path="/readyz"))]
    fn new(
        py: Python<'_>,
        binds: Vec<String>,
        metrics: &Metrics,
        metrics_path: &str,
        health_path: &str,
        ready_path: &str,
    ) -> PyResult<Self> {
        crate::logs::install();
        let readiness = Arc::new(Readiness::new());
        let mut builder = Server::builder();
        builder
            .route(
                &format!("GET {metrics_path}"),
                admin::metrics(metrics.0.clone()),
            )
            .and_then(|b| b.route(&format!("GET {health_path}"), admin::health()))
            .and_then(|b| {
                b.route(
                    &format!("GET {ready_path}"),
                    admin::readiness(readiness.clone()),
                )
            })
            .map_err(|e| PatternError::new_err(e.to_string()))?;
        let mut builder = builder.threads(1);
        for bind in read_binds(&binds)? {
            builder = builder.bind(bind);
        }
        let server = py.detach(|| builder.start()).map_err(start_error)?;
        Ok(Admin {
            readiness,
            addresses: server.addresses().iter().map(ToString::to_string).collect(),
            server: Mutex::new(Some(Arc::new(server))),
        })
    }

    #[getter]
    fn addresses(&self) -> Vec<String> {
        self.addresses.clone()
    }

    /// What readiness checks are answered with: "starting", "ready" or "draining".
    #[getter]
    fn get_state(&self) -> &'static str {
        match self.readiness.state() {
            State::Starting => "starting",
            State::Ready => "ready",
            State::Draining => "draining",
        }
    }

    #[setter]
    fn set_state(&self, state: &str) -> PyResult<()> {
        self.readiness.set(match state {
            "starting" => State::Starting,
            "ready" => State::Ready,
            "draining" => State::Draining,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "state is {state:?}; wanted \"starting\", \"ready\" or \"draining\""
                )));
            }
        });
        Ok(())
    }

    /// Stops, and waits until it has; says whether it has. A second call does nothing.
    fn stop(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let grace = seconds("timeout", timeout)?;
        let server = lock(py, &self.server).take();
        let Some(server) = server else {
            return Ok(true);
        };
        Ok(py.detach(move || server.stop(grace)))
    }
}
