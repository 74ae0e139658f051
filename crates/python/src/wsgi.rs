//! WSGI (PEP 3333): an exchange as `application(environ, start_response)`.

mod environ;
mod input;
mod response;

use std::sync::Arc;

use oxbridge::Exchange;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::call;
use crate::context;
use crate::convert::lock;

use self::environ::{Environ, Root};
pub(crate) use self::input::Input;
pub(crate) use self::response::WsgiResponse;

/// A WSGI application, and what its requests share.
pub(crate) struct Wsgi {
    /// `handle(environ, response)`: calls the application and sends what it gives, in Python, where
    /// iterating belongs. See `oxbridge/_wsgi.py`.
    handle: Py<PyAny>,
    environ: Environ,
}

impl Wsgi {
    /// Answers one exchange, on a thread that may block.
    pub(crate) fn run(&self, exchange: Exchange) {
        // Without an interpreter the exchange is dropped, which answers 500.
        let _ = Python::try_attach(|py| {
            let (mut writer, mut request) = exchange.into_parts();
            writer.set_sniffs(false);
            let made = self.environ.make(py, &mut request).and_then(|made| {
                let response = Bound::new(py, WsgiResponse::new(writer))?;
                Ok((made, response))
            });
            let ((environ, input), response) = match made {
                Ok(made) => made,
                Err(e) => return call::report(py, &e, "making the environ of a request"),
            };
            let result = context::call(self.handle.bind(py), [environ.as_any(), response.as_any()]);
            let mut inner = lock(py, &response.get().inner);
            if let Err(e) = result.and_then(|_| inner.finish()) {
                let is_fault = call::refuse(py, &mut inner.writer, &e);
                drop(inner);
                if is_fault {
                    call::report(py, &e, &format!("{} {}", request.method(), request.uri()));
                }
            } else {
                drop(inner);
            }
            if let Some(input) = input {
                input.get().forsake(py);
            }
        });
    }
}

/// A WSGI application as the package makes it.
#[pyclass(frozen, module = "oxbridge._oxbridge")]
pub(crate) struct WsgiApp(pub(crate) Arc<Wsgi>);

#[pymethods]
impl WsgiApp {
    /// `handle(environ, response)` calls the application; `base` is what every environ has. Without
    /// `strips_root`, the paths of requests come without `root_path`.
    #[new]
    #[pyo3(signature = (handle, base, root_path="", strips_root=true))]
    fn new(
        py: Python<'_>,
        handle: Py<PyAny>,
        base: Py<PyDict>,
        root_path: &str,
        strips_root: bool,
    ) -> PyResult<Self> {
        let root = if strips_root {
            Root::in_paths(root_path)
        } else {
            Root::taken_off(root_path)
        };
        Ok(WsgiApp(Arc::new(Wsgi {
            handle,
            environ: Environ::new(py, base, root)?,
        })))
    }
}
