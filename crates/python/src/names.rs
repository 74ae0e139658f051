//! Python objects that requests share: the names of header fields, and what one connection says about
//! itself. Made once, since making strings is most of what a small request costs.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use http::{HeaderName, Method, Version};
use oxbridge::Request;
use oxbridge::listen::{LocalAddr, PeerAddr};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::convert::lock;

/// How many names are kept. Clients choose names, so there is a bound; what comes past it is made anew
/// each time.
const KEPT: usize = 512;

/// The names of header fields in one of the forms that interfaces want.
pub struct Names<T> {
    made: Mutex<HashMap<HeaderName, Py<T>>>,
    make: fn(Python<'_>, &HeaderName) -> Py<T>,
}

impl Names<PyBytes> {
    /// As ASGI has them: lower-case bytes.
    pub(crate) fn asgi() -> Self {
        Names {
            made: Mutex::default(),
            make: |py, name| PyBytes::new(py, name.as_str().as_bytes()).unbind(),
        }
    }
}

impl Names<PyString> {
    /// As CGI has them: `HTTP_ACCEPT_LANGUAGE` (RFC 3875, section 4.1.18).
    pub(crate) fn cgi() -> Self {
        Names {
            made: Mutex::default(),
            make: |py, name| {
                let mut variable = String::from("HTTP_");
                variable.extend(name.as_str().chars().map(|c| match c {
                    '-' => '_',
                    c => c.to_ascii_uppercase(),
                }));
                PyString::new(py, &variable).unbind()
            },
        }
    }

    /// As Go's `net/http` has them: `Accept-Language`.
    pub fn canonical() -> Self {
        Names {
            made: Mutex::default(),
            make: |py, name| {
                let mut starts = true;
                let canonical = name.as_str().chars().map(|c| {
                    let c = if starts { c.to_ascii_uppercase() } else { c };
                    starts = c == '-';
                    c
                });
                PyString::new(py, &canonical.collect::<String>()).unbind()
            },
        }
    }

    /// As RSGI has them: lower-case text.
    pub(crate) fn text() -> Self {
        Names {
            made: Mutex::default(),
            make: |py, name| PyString::new(py, name.as_str()).unbind(),
        }
    }
}

impl<T> std::fmt::Debug for Names<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl<T> Names<T> {
    /// The name as a Python object.
    pub fn get<'py>(&self, py: Python<'py>, name: &HeaderName) -> Bound<'py, T> {
        let mut made = lock(py, &self.made);
        if let Some(object) = made.get(name) {
            return object.bind(py).clone();
        }
        let object = (self.make)(py, name);
        if made.len() < KEPT {
            made.insert(name.clone(), object.clone_ref(py));
        }
        object.into_bound(py)
    }
}

/// A method as a Python string; the usual ones are made once.
pub fn method<'py>(py: Python<'py>, method: &Method) -> Bound<'py, PyString> {
    match method.as_str() {
        "GET" => intern!(py, "GET").clone(),
        "POST" => intern!(py, "POST").clone(),
        "PUT" => intern!(py, "PUT").clone(),
        "HEAD" => intern!(py, "HEAD").clone(),
        "DELETE" => intern!(py, "DELETE").clone(),
        "PATCH" => intern!(py, "PATCH").clone(),
        "OPTIONS" => intern!(py, "OPTIONS").clone(),
        other => PyString::new(py, other),
    }
}

/// The version as ASGI and RSGI have it: `1.0`, `1.1` or `2`.
pub(crate) fn version(py: Python<'_>, version: Version) -> Bound<'_, PyString> {
    match version {
        Version::HTTP_2 => intern!(py, "2").clone(),
        Version::HTTP_10 => intern!(py, "1.0").clone(),
        _ => intern!(py, "1.1").clone(),
    }
}

/// What the requests of one connection share.
pub(crate) struct Ends {
    client: PyOnceLock<Py<PyAny>>,
    server: PyOnceLock<Py<PyAny>>,
    remote: PyOnceLock<Pair>,
    local: PyOnceLock<Pair>,
}

/// An address and a port as text.
type Pair = (Py<PyString>, Py<PyString>);

impl Ends {
    /// Those of the request's connection.
    pub(crate) fn of(request: &Request) -> Option<&Self> {
        request.keep_for_connection(|| Ends {
            client: PyOnceLock::new(),
            server: PyOnceLock::new(),
            remote: PyOnceLock::new(),
            local: PyOnceLock::new(),
        })
    }

    /// Those of the request's connection, unless a proxy speaks for its client: then each request may have
    /// another one.
    fn of_client(request: &Request) -> Option<&Self> {
        if std::ptr::eq(request.client(), request.peer()) {
            Ends::of(request)
        } else {
            None
        }
    }

    /// `(host, port)` of the client, or None where it has no address.
    pub(crate) fn client<'py>(py: Python<'py>, request: &Request) -> PyResult<Bound<'py, PyAny>> {
        let make = || client_pair(py, request.client());
        match Ends::of_client(request) {
            Some(ends) => Ok(ends.client.get_or_try_init(py, make)?.bind(py).clone()),
            None => Ok(make()?.into_bound(py)),
        }
    }

    /// `(host, port)` that the connection was accepted on; `(path, None)` for a Unix socket. Where
    /// nobody knows, what the client asked for: some frameworks make URLs with it.
    pub(crate) fn server<'py>(py: Python<'py>, request: &Request) -> PyResult<Bound<'py, PyAny>> {
        let make = || server_pair(py, request);
        match Ends::of(request) {
            Some(ends) => Ok(ends.server.get_or_try_init(py, make)?.bind(py).clone()),
            None => Ok(make()?.into_bound(py)),
        }
    }

    /// Address and port of the client as text, both empty where it has none.
    pub(crate) fn remote<'py>(
        py: Python<'py>,
        request: &Request,
    ) -> (Bound<'py, PyString>, Bound<'py, PyString>) {
        let make = || pair(py, request.client().tcp(), "");
        match Ends::of_client(request) {
            Some(ends) => bind(py, ends.remote.get_or_init(py, make)),
            None => bind(py, &make()),
        }
    }

    /// Address and port that the connection was accepted on, as text; the path and nothing for a Unix
    /// socket. Where nobody knows them, what the client asked for: the variables that are made of them
    /// must not be empty (RFC 3875, section 4.1.14).
    pub(crate) fn local<'py>(
        py: Python<'py>,
        request: &Request,
    ) -> (Bound<'py, PyString>, Bound<'py, PyString>) {
        let make = || match request.local() {
            LocalAddr::Tcp(address) => pair(py, Some(*address), ""),
            LocalAddr::Unix(_) => pair(py, None, path_of(&request.local().to_string())),
            LocalAddr::Unknown => {
                let (name, port) = asked_for(request);
                (
                    PyString::new(py, name).unbind(),
                    PyString::new(py, &port.to_string()).unbind(),
                )
            }
        };
        match Ends::of(request) {
            Some(ends) => bind(py, ends.local.get_or_init(py, make)),
            None => bind(py, &make()),
        }
    }
}

/// Host and port that a client asked for.
fn asked_for(request: &Request) -> (&str, u16) {
    let host = request.host();
    // Of an IPv6 address, the colons within the brackets are no port's.
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => (host, ""),
    };
    let usual = if request.scheme() == "https" { 443 } else { 80 };
    let name = if name.is_empty() { "localhost" } else { name };
    (name, port.parse().unwrap_or(usual))
}

fn bind<'py>(py: Python<'py>, pair: &Pair) -> (Bound<'py, PyString>, Bound<'py, PyString>) {
    (pair.0.bind(py).clone(), pair.1.bind(py).clone())
}

fn pair(py: Python<'_>, address: Option<SocketAddr>, instead: &str) -> Pair {
    match address {
        Some(address) => (
            PyString::new(py, &address.ip().to_canonical().to_string()).unbind(),
            PyString::new(py, &address.port().to_string()).unbind(),
        ),
        None => (
            PyString::new(py, instead).unbind(),
            intern!(py, "").clone().unbind(),
        ),
    }
}

/// `/run/app.sock` of `unix:/run/app.sock`.
fn path_of(address: &str) -> &str {
    address.strip_prefix("unix:").unwrap_or(address)
}

fn client_pair(py: Python<'_>, peer: &PeerAddr) -> PyResult<Py<PyAny>> {
    match peer.tcp() {
        Some(address) => {
            // An IPv4 client of an IPv6 socket is an IPv4 client.
            let host = address.ip().to_canonical().to_string();
            Ok((host, address.port())
                .into_pyobject(py)?
                .into_any()
                .unbind())
        }
        None => Ok(py.None()),
    }
}

fn server_pair(py: Python<'_>, request: &Request) -> PyResult<Py<PyAny>> {
    let local = request.local();
    match local {
        LocalAddr::Tcp(address) => {
            let host = address.ip().to_canonical().to_string();
            Ok((host, address.port())
                .into_pyobject(py)?
                .into_any()
                .unbind())
        }
        LocalAddr::Unix(_) => {
            let path = PyString::new(py, path_of(&local.to_string()));
            Ok(
                PyTuple::new(py, [path.into_any(), py.None().into_bound(py)])?
                    .into_any()
                    .unbind(),
            )
        }
        LocalAddr::Unknown => Ok(asked_for(request).into_pyobject(py)?.into_any().unbind()),
    }
}
