//! The scope of a request: what RSGI says about it, made when it is asked for.

use std::sync::Arc;

use http::HeaderMap;
use oxbridge::Request;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::convert::lock;
use crate::names::{self, Ends};
use crate::rsgi::Rsgi;
use crate::rsgi::headers::Headers;
use crate::rsgi::http::HttpProtocol;

/// One request or WebSocket, as `scope`.
#[pyclass(frozen, name = "RSGIScope", module = "oxbridge._oxbridge")]
pub(super) struct Scope {
    rsgi: Arc<Rsgi>,
    source: Source,
}

/// Where the answers are.
enum Source {
    /// With the request, which the protocol object has.
    Http(Py<HttpProtocol>),
    /// Copied from the handshake, whose exchange becomes the socket.
    Websocket(Box<Handshake>),
}

struct Handshake {
    http_version: Py<PyString>,
    server: String,
    client: String,
    scheme: &'static str,
    method: Py<PyString>,
    path: String,
    query_string: String,
    authority: Option<String>,
    headers: Arc<HeaderMap>,
}

impl Scope {
    pub(super) fn http(rsgi: Arc<Rsgi>, protocol: Py<HttpProtocol>) -> Self {
        Scope {
            rsgi,
            source: Source::Http(protocol),
        }
    }

    pub(super) fn websocket(py: Python<'_>, rsgi: Arc<Rsgi>, request: &Request) -> Self {
        let handshake = Handshake {
            http_version: names::version(py, request.version()).unbind(),
            server: server(py, request),
            client: client(py, request),
            scheme: request.scheme(),
            method: names::method(py, request.method()).unbind(),
            path: request.path().into_owned(),
            query_string: request.query().unwrap_or("").to_owned(),
            authority: authority(request),
            headers: Arc::new(request.headers().clone()),
        };
        Scope {
            rsgi,
            source: Source::Websocket(Box::new(handshake)),
        }
    }

    /// What either source says.
    fn read<R>(
        &self,
        py: Python<'_>,
        http: impl FnOnce(&Request) -> R,
        websocket: impl FnOnce(&Handshake) -> R,
    ) -> R {
        match &self.source {
            Source::Http(protocol) => http(&lock(py, &protocol.get().inner).request),
            Source::Websocket(handshake) => websocket(handshake),
        }
    }
}

#[pymethods]
impl Scope {
    #[getter]
    fn proto<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        match self.source {
            Source::Http(_) => intern!(py, "http").clone(),
            Source::Websocket(_) => intern!(py, "ws").clone(),
        }
    }

    #[getter]
    fn rsgi_version<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        intern!(py, "1.5").clone()
    }

    #[getter]
    fn http_version(&self, py: Python<'_>) -> Py<PyString> {
        self.read(
            py,
            |request| names::version(py, request.version()).unbind(),
            |handshake| handshake.http_version.clone_ref(py),
        )
    }

    #[getter]
    fn server(&self, py: Python<'_>) -> String {
        self.read(
            py,
            |request| server(py, request),
            |handshake| handshake.server.clone(),
        )
    }

    #[getter]
    fn client(&self, py: Python<'_>) -> String {
        self.read(
            py,
            |request| client(py, request),
            |handshake| handshake.client.clone(),
        )
    }

    #[getter]
    fn scheme(&self, py: Python<'_>) -> &'static str {
        self.read(py, Request::scheme, |handshake| handshake.scheme)
    }

    #[getter]
    fn method(&self, py: Python<'_>) -> Py<PyString> {
        self.read(
            py,
            |request| names::method(py, request.method()).unbind(),
            |handshake| handshake.method.clone_ref(py),
        )
    }

    #[getter]
    fn path(&self, py: Python<'_>) -> Py<PyString> {
        self.read(
            py,
            |request| PyString::new(py, &request.path()).unbind(),
            |handshake| PyString::new(py, &handshake.path).unbind(),
        )
    }

    #[getter]
    fn query_string(&self, py: Python<'_>) -> Py<PyString> {
        self.read(
            py,
            |request| PyString::new(py, request.query().unwrap_or("")).unbind(),
            |handshake| PyString::new(py, &handshake.query_string).unbind(),
        )
    }

    /// The host that HTTP/2 names in a field of its own; None in HTTP/1, where it is a header.
    #[getter]
    fn authority(&self, py: Python<'_>) -> Option<String> {
        self.read(py, authority, |handshake| handshake.authority.clone())
    }

    #[getter]
    fn headers(&self, py: Python<'_>) -> Headers {
        let rsgi = self.rsgi.clone();
        match &self.source {
            Source::Http(protocol) => Headers::of(rsgi, protocol.clone_ref(py)),
            Source::Websocket(handshake) => Headers::fixed(rsgi, handshake.headers.clone()),
        }
    }
}

fn server(py: Python<'_>, request: &Request) -> String {
    joined(&Ends::local(py, request))
}

fn client(py: Python<'_>, request: &Request) -> String {
    joined(&Ends::remote(py, request))
}

fn authority(request: &Request) -> Option<String> {
    request.uri().authority().map(ToString::to_string)
}

fn joined((host, port): &(Bound<'_, PyString>, Bound<'_, PyString>)) -> String {
    let (host, port) = (host.to_string(), port.to_string());
    match (port.is_empty(), host.contains(':')) {
        (true, _) => host,
        (false, true) => format!("[{host}]:{port}"),
        (false, false) => format!("{host}:{port}"),
    }
}
