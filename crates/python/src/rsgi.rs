//! RSGI 1.5, granian's interface: an exchange as `await application(scope, protocol)`, on the loop's
//! thread.

mod headers;
mod http;
mod scope;
mod stream;

use std::sync::Arc;

use oxbridge::Exchange;
use pyo3::create_exception;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PySet, PyString};

use crate::aio::Queue;
use crate::call;
use crate::names::Names;
use crate::tasks::{Answering, Tasks};

use self::http::HttpProtocol;
use self::scope::Scope;

create_exception!(
    oxbridge,
    ProtocolError,
    PyRuntimeError,
    "An RSGI protocol object was used in a way that its state does not allow."
);
create_exception!(
    oxbridge,
    ProtocolClosed,
    PyRuntimeError,
    "The client of an RSGI protocol object has gone, or its WebSocket is closed."
);

/// An RSGI application, and what its requests share.
pub(crate) struct Rsgi {
    application: Py<PyAny>,
    names: Names<PyString>,
    tasks: Tasks,
}

impl Rsgi {
    /// Starts the application for one exchange.
    pub(crate) fn start(self: &Arc<Self>, py: Python<'_>, exchange: Exchange, queue: &Arc<Queue>) {
        let (mut writer, request) = exchange.into_parts();
        writer.set_sniffs(false);
        let protocol = HttpProtocol::new(self.clone(), queue.clone(), writer, request);
        let protocol = match Bound::new(py, protocol) {
            Ok(protocol) => protocol,
            Err(e) => return call::report(py, &e, "making the protocol of a request"),
        };
        if let Err(e) = self.step(&protocol) {
            protocol.get().fail(py, &e);
        }
    }

    /// Calls the application and steps the coroutine that it gives.
    fn step(&self, protocol: &Bound<'_, HttpProtocol>) -> PyResult<()> {
        let py = protocol.py();
        let scope = Bound::new(py, Scope::new(protocol.clone().unbind()))?;
        let coroutine = self.application.bind(py).call1((scope, protocol))?;
        self.tasks.run(&coroutine, protocol)
    }
}

/// An RSGI application as the package makes it.
#[pyclass(frozen, module = "oxbridge._oxbridge")]
pub(crate) struct RsgiApp(pub(crate) Arc<Rsgi>);

#[pymethods]
impl RsgiApp {
    #[new]
    fn new(application: Py<PyAny>) -> Self {
        RsgiApp(Arc::new(Rsgi {
            application,
            names: Names::text(),
            tasks: Tasks::default(),
        }))
    }

    /// Tells which loop the application runs on, once.
    fn run_on(
        &self,
        py: Python<'_>,
        start: Py<PyAny>,
        create_future: Py<PyAny>,
        alive: Py<PySet>,
    ) -> PyResult<()> {
        self.0.tasks.run_on(py, start, create_future, alive)
    }
}
