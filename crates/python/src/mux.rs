//! `Mux`: patterns and the Python functions that answer them.

use std::sync::Mutex;

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::asgi::AsgiApp;
use crate::convert::{lock, type_name};
use crate::errors::PatternError;
use crate::mounted::Application;
use crate::rsgi::RsgiApp;
use crate::wsgi::WsgiApp;

/// How a handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// On a worker thread; it may block.
    Blocking,
    /// Inside the reactor: it promised not to block.
    Inline,
    /// As a coroutine, on the server's asyncio loop.
    Async,
}

/// A handler and its pattern.
pub(crate) struct Route {
    pub(crate) pattern: String,
    pub(crate) function: Py<PyAny>,
    pub(crate) kind: Kind,
    pub(crate) location: String,
}

/// Patterns and their handlers. A server takes those that are there when it starts.
#[pyclass(frozen, subclass, module = "oxbridge")]
pub(crate) struct Mux {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Finds conflicts when a handler is registered, not when the server starts.
    check: oxbridge_mux::Mux<()>,
    routes: Vec<Route>,
    /// What answers whatever no pattern matches.
    application: Option<Application>,
}

impl Mux {
    /// What answers whatever no pattern matches, if anything does.
    pub(crate) fn application(&self, py: Python<'_>) -> Option<Application> {
        lock(py, &self.inner).application.clone()
    }

    fn add(
        &self,
        py: Python<'_>,
        pattern: &str,
        function: Py<PyAny>,
        kind: Kind,
        location: &str,
    ) -> PyResult<()> {
        if !function.bind(py).is_callable() {
            return Err(PyTypeError::new_err(format!(
                "the handler of {pattern:?} is {}; wanted a function of (w, req)",
                type_name(function.bind(py))
            )));
        }
        let mut inner = lock(py, &self.inner);
        inner
            .check
            .register_at(pattern, (), location.to_owned())
            .map_err(|e| PatternError::new_err(e.to_string()))?;
        inner.routes.push(Route {
            pattern: pattern.to_owned(),
            function,
            kind,
            location: location.to_owned(),
        });
        Ok(())
    }

    /// A copy of the routes, as a server takes it.
    pub(crate) fn routes(&self, py: Python<'_>) -> Vec<Route> {
        lock(py, &self.inner)
            .routes
            .iter()
            .map(|route| Route {
                pattern: route.pattern.clone(),
                function: route.function.clone_ref(py),
                kind: route.kind,
                location: route.location.clone(),
            })
            .collect()
    }
}

#[pymethods]
impl Mux {
    #[new]
    fn new() -> Self {
        Mux {
            inner: Mutex::default(),
        }
    }

    /// Registers a plain function.
    #[pyo3(signature = (pattern, r#fn, blocking=true, location="unknown"))]
    fn handle(
        &self,
        py: Python<'_>,
        pattern: &str,
        r#fn: Py<PyAny>,
        blocking: bool,
        location: &str,
    ) -> PyResult<()> {
        self.add(
            py,
            pattern,
            r#fn,
            if blocking {
                Kind::Blocking
            } else {
                Kind::Inline
            },
            location,
        )
    }

    /// Registers a coroutine function.
    #[pyo3(signature = (pattern, r#fn, location="unknown"))]
    fn handle_async(
        &self,
        py: Python<'_>,
        pattern: &str,
        r#fn: Py<PyAny>,
        location: &str,
    ) -> PyResult<()> {
        self.add(py, pattern, r#fn, Kind::Async, location)
    }

    /// Sets the application that answers whatever no pattern matches.
    fn mount(&self, py: Python<'_>, application: &Bound<'_, PyAny>) -> PyResult<()> {
        let application = if let Ok(wsgi) = application.cast::<WsgiApp>() {
            Application::Wsgi(wsgi.get().0.clone())
        } else if let Ok(asgi) = application.cast::<AsgiApp>() {
            Application::Asgi(asgi.get().0.clone())
        } else if let Ok(rsgi) = application.cast::<RsgiApp>() {
            Application::Rsgi(rsgi.get().0.clone())
        } else {
            return Err(PyTypeError::new_err(format!(
                "an application to mount is a WsgiApp, AsgiApp or RsgiApp, not {}",
                type_name(application)
            )));
        };
        lock(py, &self.inner).application = Some(application);
        Ok(())
    }

    /// The patterns, in the order of their registration.
    #[getter]
    fn patterns(&self, py: Python<'_>) -> Vec<String> {
        lock(py, &self.inner)
            .routes
            .iter()
            .map(|route| route.pattern.clone())
            .collect()
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        lock(py, &self.inner).routes.len()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Locked by somebody else means in use, which is not garbage.
        let Ok(inner) = self.inner.try_lock() else {
            return Ok(());
        };
        inner
            .routes
            .iter()
            .try_for_each(|route| visit.call(&route.function))
    }

    fn __clear__(&self) {
        if let Ok(mut inner) = self.inner.try_lock() {
            inner.routes.clear();
        }
    }
}
