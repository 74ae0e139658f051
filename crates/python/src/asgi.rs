//! ASGI 3: an exchange as `await application(scope, receive, send)`, on the loop's thread.

mod headers;
mod http;
mod scope;
mod socket;

use std::sync::Arc;

use oxbridge::Exchange;
use oxbridge::websocket::Options;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySet};

use crate::aio::Queue;
use crate::call;
use crate::tasks::{Answering, Tasks};
use crate::websocket::{self, Asked};

use self::http::Http;
use self::scope::Scopes;
use self::socket::Socket;

/// An ASGI application, and what its requests share.
pub(crate) struct Asgi {
    application: Py<PyAny>,
    scopes: Scopes,
    tasks: Tasks,
    websocket: Options,
}

impl Asgi {
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
        let scope = self.scopes.http(py, &request)?;
        let http = Http::new(self.clone(), queue.clone(), writer, request);
        self.step(&scope, &Bound::new(py, http)?);
        Ok(())
    }

    fn start_websocket(
        self: &Arc<Self>,
        py: Python<'_>,
        mut exchange: Exchange,
        queue: &Arc<Queue>,
    ) -> PyResult<()> {
        let scope = self.scopes.websocket(py, exchange.request())?;
        let socket = Socket::new(self.clone(), queue.clone(), exchange);
        self.step(&scope, &Bound::new(py, socket)?);
        Ok(())
    }

    /// Calls the application and steps the coroutine that it gives.
    fn step<T>(&self, scope: &Bound<'_, PyDict>, exchange: &Bound<'_, T>)
    where
        T: pyo3::PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Answering + Sync,
    {
        let py = scope.py();
        let begun = || {
            let receive = exchange.as_any().getattr(intern!(py, "receive"))?;
            let send = exchange.as_any().getattr(intern!(py, "send"))?;
            let coroutine = self.application.bind(py).call1((scope, receive, send))?;
            self.tasks.run(&coroutine, exchange)
        };
        if let Err(e) = begun() {
            exchange.get().fail(py, &e);
        }
    }
}

/// An ASGI application as the package makes it.
#[pyclass(frozen, module = "oxbridge._oxbridge")]
pub(crate) struct AsgiApp(pub(crate) Arc<Asgi>);

#[pymethods]
impl AsgiApp {
    /// `state` is what lifespan left, of which each request gets a copy, if there is a lifespan.
    #[new]
    #[pyo3(signature = (application, state, root_path="", websockets=None))]
    fn new(
        py: Python<'_>,
        application: Py<PyAny>,
        state: Option<Py<PyDict>>,
        root_path: &str,
        websockets: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        Ok(AsgiApp(Arc::new(Asgi {
            application,
            scopes: Scopes::new(py, state, root_path)?,
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
