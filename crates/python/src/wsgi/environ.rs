//! The variables of a request (PEP 3333, "environ Variables"; RFC 3875, section 4.1).

use std::borrow::Cow;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName};
use http::{HeaderValue, Method, Version};
use oxbridge::Request;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::names::{self, Ends, Names};
use crate::wsgi::Input;

/// What the environ of every request is made from.
pub(super) struct Environ {
    /// Copied for each request.
    base: Py<PyDict>,
    /// For requests without a body: it is always at its end.
    no_input: Py<Input>,
    names: Names<PyString>,
    root: Root,
}

/// Where the application is mounted.
pub(super) struct Root {
    /// What SCRIPT_NAME is, percent-decoded.
    path: String,
    /// The same as targets have it, where somebody has taken it off them; else none.
    taken_off: Option<String>,
}

impl Root {
    /// Paths may begin with it, as the client sent them, or a proxy may have taken it off.
    pub(super) fn in_paths(path: &str) -> Self {
        Root {
            path: path.to_owned(),
            taken_off: None,
        }
    }

    /// Somebody takes it off all paths: what still looks like it belongs to the application.
    pub(super) fn taken_off(path: &str) -> Self {
        Root {
            path: path.to_owned(),
            taken_off: Some(utf8_percent_encode(path, OUTSIDE_PATHS).to_string()),
        }
    }

    /// The path below it.
    fn below<'a>(&self, path: &'a [u8]) -> &'a [u8] {
        match path.strip_prefix(self.path.as_bytes()) {
            Some(rest) if self.taken_off.is_none() && (rest.is_empty() || rest[0] == b'/') => rest,
            _ => path,
        }
    }

    /// The target as the client sent it, as far as that is known.
    fn whole<'a>(&self, target: Cow<'a, str>) -> Cow<'a, str> {
        match &self.taken_off {
            Some(root) if !root.is_empty() && target.starts_with('/') => {
                Cow::Owned(format!("{root}{target}"))
            }
            _ => target,
        }
    }
}

/// What has to be escaped in a path (RFC 3986 §3.3).
const OUTSIDE_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

impl Environ {
    pub(super) fn new(py: Python<'_>, base: Py<PyDict>, root: Root) -> PyResult<Self> {
        let places = base.bind(py);
        places.set_item("SCRIPT_NAME", latin1(py, root.path.as_bytes()))?;
        places.set_item("REQUEST_METHOD", "GET")?;
        places.set_item("SERVER_PROTOCOL", "HTTP/1.1")?;
        // Kept here, so that a copy need not grow when they get their values.
        for name in [
            "PATH_INFO",
            "QUERY_STRING",
            "RAW_URI",
            "REQUEST_URI",
            "REMOTE_ADDR",
            "REMOTE_PORT",
            "SERVER_NAME",
            "SERVER_PORT",
            "HTTP_HOST",
            "wsgi.input",
        ] {
            places.set_item(PyString::intern(py, name), py.None())?;
        }
        Ok(Environ {
            base,
            no_input: Py::new(py, Input::empty())?,
            names: Names::cgi(),
            root,
        })
    }

    /// The environ of a request, whose body goes into it; and what has the body, if there is one.
    pub(super) fn make<'py>(
        &self,
        py: Python<'py>,
        request: &mut Request,
    ) -> PyResult<(Bound<'py, PyDict>, Option<Bound<'py, Input>>)> {
        let environ = self.base.bind(py).copy()?;
        let set =
            |name: &Bound<'py, PyString>, value: Bound<'py, PyAny>| environ.set_item(name, value);
        if request.method() != Method::GET {
            let method = names::method(py, request.method()).into_any();
            set(intern!(py, "REQUEST_METHOD"), method)?;
        }
        let path: Cow<'_, [u8]> = percent_decode_str(request.uri().path()).into();
        let path = self.root.below(&path);
        set(intern!(py, "PATH_INFO"), latin1(py, path).into_any())?;
        let query = request.query().unwrap_or("");
        set(
            intern!(py, "QUERY_STRING"),
            latin1(py, query.as_bytes()).into_any(),
        )?;
        let target = self.root.whole(request.target());
        let target = latin1(py, target.as_bytes()).into_any();
        set(intern!(py, "RAW_URI"), target.clone())?;
        set(intern!(py, "REQUEST_URI"), target)?;
        match request.version() {
            Version::HTTP_11 => {}
            version => {
                let protocol = match version {
                    Version::HTTP_2 => intern!(py, "HTTP/2"),
                    _ => intern!(py, "HTTP/1.0"),
                };
                set(intern!(py, "SERVER_PROTOCOL"), protocol.clone().into_any())?;
            }
        }
        if request.scheme() == "https" {
            let https = intern!(py, "https").clone().into_any();
            set(intern!(py, "wsgi.url_scheme"), https)?;
            set(intern!(py, "HTTPS"), intern!(py, "on").clone().into_any())?;
        }
        let (host, port) = Ends::remote(py, request);
        set(intern!(py, "REMOTE_ADDR"), host.into_any())?;
        set(intern!(py, "REMOTE_PORT"), port.into_any())?;
        let (name, port) = Ends::local(py, request);
        set(intern!(py, "SERVER_NAME"), name.into_any())?;
        set(intern!(py, "SERVER_PORT"), port.into_any())?;
        self.set_headers(py, &environ, request)?;
        let input = self.set_input(py, &environ, request)?;
        Ok((environ, input))
    }

    fn set_headers(
        &self,
        py: Python<'_>,
        environ: &Bound<'_, PyDict>,
        request: &Request,
    ) -> PyResult<()> {
        let headers = request.headers();
        for name in headers.keys() {
            if is_ambiguous(name) {
                continue;
            }
            let value = joined(py, headers, name);
            if name == CONTENT_TYPE {
                environ.set_item(intern!(py, "CONTENT_TYPE"), value)?;
            } else if name == CONTENT_LENGTH {
                environ.set_item(intern!(py, "CONTENT_LENGTH"), value)?;
            } else {
                environ.set_item(self.names.get(py, name), value)?;
            }
        }
        if !headers.contains_key(HOST) {
            let name = intern!(py, "HTTP_HOST");
            // HTTP/2 says it in a field of its own (RFC 9113 §8.3.1); HTTP/1.0 need not.
            match request.host() {
                "" => environ.del_item(name)?,
                host => environ.set_item(name, latin1(py, host.as_bytes()))?,
            }
        }
        Ok(())
    }

    fn set_input<'py>(
        &self,
        py: Python<'py>,
        environ: &Bound<'_, PyDict>,
        request: &mut Request,
    ) -> PyResult<Option<Bound<'py, Input>>> {
        let remaining = request.body().remaining();
        let is_complete = request.body().is_complete();
        if is_complete && remaining == Some(0) {
            environ.set_item(intern!(py, "wsgi.input"), &self.no_input)?;
            return Ok(None);
        }
        if is_complete && !request.headers().contains_key(CONTENT_LENGTH) {
            // It came in chunks and is all here: now its length is known, which is what frameworks look
            // for.
            let length = remaining.unwrap_or(0).to_string();
            environ.set_item(intern!(py, "CONTENT_LENGTH"), length)?;
            environ.del_item(intern!(py, "HTTP_TRANSFER_ENCODING")).ok();
        }
        let input = Bound::new(py, Input::new(request.body_mut().take()))?;
        environ.set_item(intern!(py, "wsgi.input"), &input)?;
        Ok(Some(input))
    }
}

/// Whether a field must not become a variable. `X_User` would be the same variable as `X-User`, which a
/// proxy may have made sure of; and `Proxy` would be the setting HTTP_PROXY of programs that run as CGI
/// scripts do (CVE-2016-5385).
fn is_ambiguous(name: &HeaderName) -> bool {
    name.as_str().contains('_') || name.as_str() == "proxy"
}

/// Every value of a field as one (RFC 9110 §5.3); cookies have a separator of their own (RFC 9113
/// §8.2.3).
fn joined<'py>(py: Python<'py>, headers: &HeaderMap, name: &HeaderName) -> Bound<'py, PyString> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map_or(&b""[..], HeaderValue::as_bytes);
    let Some(second) = values.next() else {
        return latin1(py, first);
    };
    let separator: &[u8] = if name == COOKIE { b"; " } else { b"," };
    let mut all = first.to_vec();
    for value in std::iter::once(second).chain(values) {
        all.extend_from_slice(separator);
        all.extend_from_slice(value.as_bytes());
    }
    latin1(py, &all)
}

/// Bytes as PEP 3333 has them: one character for each.
pub(crate) fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => PyString::new(py, text),
        _ => {
            // SAFETY: attached (`py`); the pointer is good for as many bytes as the length says, which fits,
            // since no slice is longer than isize::MAX. The call returns a new string, or null with an
            // exception set, which without memory is the end in any case.
            unsafe {
                let made = ffi::PyUnicode_DecodeLatin1(
                    bytes.as_ptr().cast(),
                    bytes.len() as ffi::Py_ssize_t,
                    std::ptr::null(),
                );
                Bound::from_owned_ptr(py, made).cast_into_unchecked()
            }
        }
    }
}
