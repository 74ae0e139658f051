//! RSGI 1.5, granian's interface: an exchange as `await application(scope, protocol)`, on the loop's
//! thread.

mod headers;
mod http;
mod scope;
mod socket;
mod stream;

use std::sync::Arc;

use oxbridge::Exchange;
use oxbridge::websocket::Options;
use pyo3::create_exception;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySet, PyString};

use crate::aio::Queue;
use crate::call;
use crate::names::Names;
use crate::tasks::{Answering, Tasks};
use crate::websocket::{self, Asked};

use self::http::HttpProtocol;
use self::scope::Scope;
use self::socket::SocketProtocol;

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
    websocket: Options,
}

impl Rsgi {
    /// Starts the application for one exchange.
    pub(crate) fn start(self: &Arc<Self>, py: Python<'_>, exchange: Exchange, queue: &Arc<Queue>) {
        let begun = match websocket::asked(exchange) {
            Asked::Http(exchange) => self.start_http(py, exchange, queue),
            Asked::Websocket(exchange) => self.start_websocket(py, exchange, queue),
            Asked::Answered => Ok(()),
        };
        if let Err(e) = begun {
            // The exchange has been dropped, which answers 500.
            call::report(py, &e, "making the scope of a request");
        }
    }

    fn start_http(
        self: &Arc<Self>,
        py: Python<'_>,
        exchange: Exchange,
        queue: &Arc<Queue>,
    ) -> PyResult<()> {
        let (mut writer, request) = exchange.into_parts();
        writer.set_sniffs(false);
        let protocol = HttpProtocol::new(self.clone(), queue.clone(), writer, request);
        let protocol = Bound::new(py, protocol)?;
        let scope = Scope::http(self.clone(), protocol.clone().unbind());
        self.step(Bound::new(py, scope)?, &protocol);
        Ok(())
    }

    fn start_websocket(
        self: &Arc<Self>,
        py: Python<'_>,
        mut exchange: Exchange,
        queue: &Arc<Queue>,
    ) -> PyResult<()> {
        let request = exchange.request();
        let scope = Scope::websocket(py, self.clone(), request);
        let name = format!("websocket {}", request.uri());
        let protocol = SocketProtocol::new(self.clone(), queue.clone(), exchange, name);
        self.step(Bound::new(py, scope)?, &Bound::new(py, protocol)?);
        Ok(())
    }

    /// Calls the application and steps the coroutine that it gives.
    fn step<T>(&self, scope: Bound<'_, Scope>, protocol: &Bound<'_, T>)
    where
        T: pyo3::PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Answering + Sync,
    {
        let py = protocol.py();
        let application = self.application.bind(py);
        let begun = application
            .call1((scope, protocol))
            .and_then(|coroutine| self.tasks.run(&coroutine, protocol));
        if let Err(e) = begun {
            protocol.get().fail(py, &e);
        }
    }
}

/// An RSGI application as the package makes it.
#[pyclass(frozen, module = "oxbridge._oxbridge")]
pub(crate) struct RsgiApp(pub(crate) Arc<Rsgi>);

#[pymethods]
impl RsgiApp {
    #[new]
    #[pyo3(signature = (application, websockets=None))]
    fn new(application: Py<PyAny>, websockets: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Ok(RsgiApp(Arc::new(Rsgi {
            application,
            names: Names::text(),
            tasks: Tasks::default(),
            websocket: websocket::read_options(websockets)?,
        })))
    }

    /// Tells which loop the application runs on, once.
    fn run_on(
        &self,
        py: Python<'_>,
        start: Py<PyAny>,
        options: Option<Py<PyDict>>,
        create_future: Py<PyAny>,
        alive: Py<PySet>,
    ) -> PyResult<()> {
        self.0
            .tasks
            .run_on(py, start, options, create_future, alive)
    }
}
