//! The scope of a request: what ASGI says about it before its body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HOST;
use http::{Method, Version};
use oxbridge::Request;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::names::{self, Ends, Names};

/// The version of the HTTP and WebSocket parts of the specification that scopes follow.
const SPEC_VERSION: &str = "2.5";

/// What the scopes of all requests are made from.
pub(super) struct Scopes {
    /// Copied for each request: mutable parts are copied too, so that no request sees what another did.
    http: Py<PyDict>,
    websocket: Py<PyDict>,
    asgi: Py<PyDict>,
    extensions: Py<PyDict>,
    state: Option<Py<PyDict>>,
    names: Names<PyBytes>,
    root_path: String,
}

impl Scopes {
    pub(super) fn new(
        py: Python<'_>,
        state: Option<Py<PyDict>>,
        root_path: &str,
    ) -> PyResult<Self> {
        let asgi = PyDict::new(py);
        asgi.set_item("version", "3.0")?;
        asgi.set_item("spec_version", SPEC_VERSION)?;
        let extensions = PyDict::new(py);
        for name in [
            "http.response.trailers",
            "http.response.early_hint",
            "http.response.pathsend",
        ] {
            extensions.set_item(name, PyDict::new(py))?;
        }
        let http = PyDict::new(py);
        http.set_item("type", "http")?;
        http.set_item("scheme", "http")?;
        http.set_item("root_path", root_path)?;
        http.set_item("http_version", names::version(py, Version::HTTP_11))?;
        // Their places are kept here, so that a copy need not grow when they get their values.
        for name in [
            "asgi",
            "server",
            "client",
            "path",
            "raw_path",
            "query_string",
            "headers",
            "extensions",
        ] {
            http.set_item(PyString::intern(py, name), py.None())?;
        }
        if state.is_some() {
            http.set_item(intern!(py, "state"), py.None())?;
        }
        let websocket = http.copy()?;
        websocket.set_item("type", "websocket")?;
        websocket.set_item("scheme", "ws")?;
        websocket.set_item("subprotocols", py.None())?;
        http.set_item("method", "GET")?;
        Ok(Scopes {
            http: http.unbind(),
            websocket: websocket.unbind(),
            asgi: asgi.unbind(),
            extensions: extensions.unbind(),
            state,
            names: Names::asgi(),
            root_path: root_path.to_owned(),
        })
    }

    /// The scope of an HTTP request.
    pub(super) fn http<'py>(
        &self,
        py: Python<'py>,
        request: &Request,
    ) -> PyResult<Bound<'py, PyDict>> {
        let scope = self.http.bind(py).copy()?;
        if request.method() != Method::GET {
            scope.set_item(intern!(py, "method"), names::method(py, request.method()))?;
        }
        if request.scheme() == "https" {
            scope.set_item(intern!(py, "scheme"), intern!(py, "https"))?;
        }
        self.fill(py, &scope, request)?;
        let extensions = self.extensions.bind(py).copy()?;
        add_tls(&extensions, request)?;
        scope.set_item(intern!(py, "extensions"), extensions)?;
        Ok(scope)
    }

    /// The scope of a WebSocket.
    pub(super) fn websocket<'py>(
        &self,
        py: Python<'py>,
        request: &Request,
    ) -> PyResult<Bound<'py, PyDict>> {
        let scope = self.websocket.bind(py).copy()?;
        if request.scheme() == "https" {
            scope.set_item(intern!(py, "scheme"), intern!(py, "wss"))?;
        }
        self.fill(py, &scope, request)?;
        scope.set_item(intern!(py, "subprotocols"), request.websocket_protocols())?;
        let extensions = PyDict::new(py);
        extensions.set_item(intern!(py, "websocket.http.response"), PyDict::new(py))?;
        add_tls(&extensions, request)?;
        scope.set_item(intern!(py, "extensions"), extensions)?;
        Ok(scope)
    }

    /// What scopes of all kinds have.
    fn fill(&self, py: Python<'_>, scope: &Bound<'_, PyDict>, request: &Request) -> PyResult<()> {
        scope.set_item(intern!(py, "asgi"), self.asgi.bind(py).copy()?)?;
        if request.version() != Version::HTTP_11 {
            let version = names::version(py, request.version());
            scope.set_item(intern!(py, "http_version"), version)?;
        }
        scope.set_item(intern!(py, "server"), Ends::server(py, request)?)?;
        scope.set_item(intern!(py, "client"), Ends::client(py, request)?)?;
        self.set_path(py, scope, request)?;
        let query = request.query().unwrap_or("").as_bytes();
        scope.set_item(intern!(py, "query_string"), PyBytes::new(py, query))?;
        scope.set_item(intern!(py, "headers"), self.headers(py, request)?)?;
        match &self.state {
            Some(state) => scope.set_item(intern!(py, "state"), state.bind(py).copy()?),
            None => Ok(()),
        }
    }

    /// `path` and `raw_path`, both below `root_path`, as ASGI has them.
    fn set_path(
        &self,
        py: Python<'_>,
        scope: &Bound<'_, PyDict>,
        request: &Request,
    ) -> PyResult<()> {
        let (raw, path) = (request.uri().path(), request.path());
        if self.root_path.is_empty() {
            scope.set_item(intern!(py, "path"), PyString::new(py, &path))?;
            return scope.set_item(intern!(py, "raw_path"), PyBytes::new(py, raw.as_bytes()));
        }
        let below = |path: &str| -> String { format!("{}{path}", self.root_path) };
        scope.set_item(intern!(py, "path"), below(&path))?;
        scope.set_item(
            intern!(py, "raw_path"),
            PyBytes::new(py, below(raw).as_bytes()),
        )
    }

    fn headers<'py>(&self, py: Python<'py>, request: &Request) -> PyResult<Bound<'py, PyList>> {
        let headers = request.headers();
        let list = PyList::empty(py);
        if !headers.contains_key(HOST) && !request.host().is_empty() {
            // HTTP/2 says it in a field of its own, which ASGI wants first and under its usual name.
            let host = PyBytes::new(py, request.host().as_bytes());
            list.append((self.names.get(py, &HOST), host))?;
        }
        for (name, value) in headers {
            let pair = [self.names.get(py, name), PyBytes::new(py, value.as_bytes())];
            list.append(PyTuple::new(py, pair)?)?;
        }
        Ok(list)
    }
}

/// For a connection in TLS, its facts.
fn add_tls(extensions: &Bound<'_, PyDict>, request: &Request) -> PyResult<()> {
    let Some(tls) = request.tls() else {
        return Ok(());
    };
    let py = extensions.py();
    let facts = PyDict::new(py);
    facts.set_item("server_cert", py.None())?;
    let chain: Vec<String> = tls.client_cert.iter().map(|der| pem(der)).collect();
    facts.set_item("client_cert_chain", chain)?;
    facts.set_item("client_cert_name", py.None())?;
    facts.set_item("client_cert_error", py.None())?;
    facts.set_item("tls_version", tls.version_code)?;
    facts.set_item("cipher_suite", tls.cipher_code)?;
    extensions.set_item("tls", facts)
}

/// A certificate in the form that the TLS extension has it: PEM (RFC 7468).
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    // Base64 is ASCII, so every place is a boundary of characters.
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem + "-----END CERTIFICATE-----\n"
}
