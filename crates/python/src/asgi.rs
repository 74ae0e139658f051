//! ASGI 3: an exchange as `await application(scope, receive, send)`, on the loop's thread.

mod headers;
mod http;
mod scope;

use std::sync::Arc;

use oxbridge::Exchange;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySet};

use crate::aio::Queue;
use crate::call;
use crate::tasks::Tasks;

use self::http::Http;
use self::scope::Scopes;

/// An ASGI application, and what its requests share.
pub(crate) struct Asgi {
    application: Py<PyAny>,
    scopes: Scopes,
    tasks: Tasks,
}

impl Asgi {
    /// Starts the application for one exchange.
    pub(crate) fn start(self: &Arc<Self>, py: Python<'_>, exchange: Exchange, queue: &Arc<Queue>) {
        let (mut writer, request) = exchange.into_parts();
        writer.set_sniffs(false);
        let begun = self.scopes.http(py, &request).and_then(|scope| {
            let http = Http::new(self.clone(), queue.clone(), writer, request);
            Ok((scope, Bound::new(py, http)?))
        });
        let (scope, http) = match begun {
            Ok(begun) => begun,
            Err(e) => return call::report(py, &e, "making the scope of a request"),
        };
        if let Err(e) = self.step(&scope, &http) {
            http.get().fail(py, &e);
        }
    }

    /// Calls the application and steps the coroutine that it gives.
    fn step(&self, scope: &Bound<'_, PyDict>, exchange: &Bound<'_, Http>) -> PyResult<()> {
        let py = scope.py();
        let receive = exchange.getattr(intern!(py, "receive"))?;
        let send = exchange.getattr(intern!(py, "send"))?;
        let coroutine = self.application.bind(py).call1((scope, receive, send))?;
        self.tasks.run(&coroutine, exchange)
    }
}

/// An ASGI application as the package makes it.
#[pyclass(frozen, module = "oxbridge._oxbridge")]
pub(crate) struct AsgiApp(pub(crate) Arc<Asgi>);

#[pymethods]
impl AsgiApp {
    /// `state` is what lifespan left, of which each request gets a copy.
    #[new]
    #[pyo3(signature = (application, state, root_path=""))]
    fn new(
        py: Python<'_>,
        application: Py<PyAny>,
        state: Py<PyDict>,
        root_path: &str,
    ) -> PyResult<Self> {
        Ok(AsgiApp(Arc::new(Asgi {
            application,
            scopes: Scopes::new(py, state, root_path)?,
            tasks: Tasks::default(),
        })))
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
