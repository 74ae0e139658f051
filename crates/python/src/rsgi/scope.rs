//! The scope of a request: what RSGI says about it, made when it is asked for.

use oxbridge::Request;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::convert::lock;
use crate::names::{self, Ends};
use crate::rsgi::headers::Headers;
use crate::rsgi::http::HttpProtocol;

/// One request, as `scope`.
#[pyclass(frozen, name = "RSGIScope", module = "oxbridge._oxbridge")]
pub(super) struct Scope(Py<HttpProtocol>);

impl Scope {
    pub(super) fn new(protocol: Py<HttpProtocol>) -> Self {
        Scope(protocol)
    }

    fn read<R>(&self, py: Python<'_>, f: impl FnOnce(&Request) -> R) -> R {
        f(&lock(py, &self.0.get().inner).request)
    }
}

#[pymethods]
impl Scope {
    #[getter]
    fn proto<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        intern!(py, "http").clone()
    }

    #[getter]
    fn rsgi_version<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        intern!(py, "1.5").clone()
    }

    #[getter]
    fn http_version<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.read(py, |request| names::version(py, request.version()))
    }

    #[getter]
    fn server(&self, py: Python<'_>) -> String {
        self.read(py, |request| joined(&Ends::local(py, request)))
    }

    #[getter]
    fn client(&self, py: Python<'_>) -> String {
        self.read(py, |request| joined(&Ends::remote(py, request)))
    }

    #[getter]
    fn scheme(&self, py: Python<'_>) -> &'static str {
        self.read(py, Request::scheme)
    }

    #[getter]
    fn method<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.read(py, |request| names::method(py, request.method()))
    }

    #[getter]
    fn path<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.read(py, |request| PyString::new(py, &request.path()))
    }

    #[getter]
    fn query_string<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.read(py, |request| {
            PyString::new(py, request.query().unwrap_or(""))
        })
    }

    /// The host that HTTP/2 names in a field of its own; None in HTTP/1, where it is a header.
    #[getter]
    fn authority(&self, py: Python<'_>) -> Option<String> {
        self.read(py, |request| {
            request.uri().authority().map(ToString::to_string)
        })
    }

    #[getter]
    fn headers(&self, py: Python<'_>) -> Headers {
        Headers::new(self.0.clone_ref(py))
    }
}

fn joined((host, port): &(Bound<'_, PyString>, Bound<'_, PyString>)) -> String {
    let port = port.to_string();
    if port.is_empty() {
        host.to_string()
    } else {
        format!("{host}:{port}")
    }
}
