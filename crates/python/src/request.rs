//! `Request`: what a client asked for, as a Python handler reads it.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http::header::{CONTENT_TYPE, COOKIE};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::aio::Queue;
use crate::convert::{lock, text_of};
use crate::cookies;
use crate::errors::{BadBody, BodyTooLarge, body_error};
use crate::headers::Headers;
use crate::multipart::Parts;
use crate::tls::TlsInfo;
use crate::values::Values;

/// How long a form may be that is read as a whole.
const FORM: usize = 10 << 20;

/// One request.
#[pyclass(frozen, module = "oxbridge")]
pub(crate) struct Request {
    pub(crate) inner: Mutex<oxbridge::Request>,
    /// Read from the body and not taken yet: what is left of a line or of a piece.
    ahead: Mutex<Bytes>,
    body: PyOnceLock<Py<PyBytes>>,
    form: PyOnceLock<Py<Values>>,
    queue: Option<Arc<Queue>>,
}

impl Request {
    pub(crate) fn new(inner: oxbridge::Request, queue: Option<Arc<Queue>>) -> Self {
        Request {
            inner: Mutex::new(inner),
            ahead: Mutex::new(Bytes::new()),
            body: PyOnceLock::new(),
            form: PyOnceLock::new(),
            queue,
        }
    }

    /// The next piece of the body, empty at its end; leaves the interpreter if it has to wait.
    fn chunk(&self, py: Python<'_>) -> PyResult<Bytes> {
        let ahead = std::mem::take(&mut *lock(py, &self.ahead));
        if !ahead.is_empty() {
            return Ok(ahead);
        }
        let mut request = lock(py, &self.inner);
        let body = request.body_mut();
        let chunk = if body.is_readable() {
            body.chunk_blocking()
        } else {
            py.detach(|| body.chunk_blocking())
        };
        chunk
            .transpose()
            .map(Option::unwrap_or_default)
            .map_err(body_error)
    }

    /// Puts back what a read took too much.
    fn put_back(&self, py: Python<'_>, rest: Bytes) {
        *lock(py, &self.ahead) = rest;
    }

    /// Everything that is left, at most `limit` bytes.
    fn read_rest(&self, py: Python<'_>, limit: usize) -> PyResult<Bytes> {
        let first = self.chunk(py)?;
        let mut all: Option<Vec<u8>> = None;
        loop {
            let length = all.as_ref().map_or(first.len(), Vec::len);
            if length > limit {
                return Err(BodyTooLarge::new_err(format!(
                    "the form is longer than {limit} bytes; read it with multipart() or read()"
                )));
            }
            let chunk = if first.is_empty() {
                Bytes::new()
            } else {
                self.chunk(py)?
            };
            if chunk.is_empty() {
                return Ok(all.map_or(first, Bytes::from));
            }
            all.get_or_insert_with(|| first.to_vec())
                .extend_from_slice(&chunk);
        }
    }

    /// The `boundary` of a multipart body (RFC 2046, section 5.1.1), if it is one.
    fn boundary(&self, py: Python<'_>) -> Option<String> {
        let request = lock(py, &self.inner);
        multer::parse_boundary(request.headers().get(CONTENT_TYPE)?.to_str().ok()?).ok()
    }

    fn is_urlencoded(&self, py: Python<'_>) -> bool {
        let request = lock(py, &self.inner);
        let kind = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("");
        kind.split(';')
            .next()
            .unwrap_or("")
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    }
}

#[pymethods]
impl Request {
    #[getter]
    fn method<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        match lock(py, &self.inner).method().as_str() {
            // The usual ones are made once.
            "GET" => intern!(py, "GET").clone(),
            "POST" => intern!(py, "POST").clone(),
            other => PyString::new(py, other),
        }
    }

    #[getter]
    fn url(&self, py: Python<'_>) -> String {
        lock(py, &self.inner).target().into_owned()
    }

    #[getter]
    fn path(&self, py: Python<'_>) -> String {
        lock(py, &self.inner).path().into_owned()
    }

    #[getter]
    fn raw_path(&self, py: Python<'_>) -> String {
        lock(py, &self.inner).uri().path().to_owned()
    }

    #[getter]
    fn host(&self, py: Python<'_>) -> String {
        lock(py, &self.inner).host().to_owned()
    }

    #[getter]
    fn scheme(&self, py: Python<'_>) -> &'static str {
        lock(py, &self.inner).scheme()
    }

    #[getter]
    fn proto(&self, py: Python<'_>) -> &'static str {
        match lock(py, &self.inner).version() {
            http::Version::HTTP_10 => "HTTP/1.0",
            http::Version::HTTP_2 => "HTTP/2.0",
            _ => "HTTP/1.1",
        }
    }

    #[getter]
    fn headers(slf: Bound<'_, Self>) -> Headers {
        Headers::of_request(slf.unbind())
    }

    #[getter]
    fn content_length(&self, py: Python<'_>) -> Option<u64> {
        lock(py, &self.inner).content_length()
    }

    #[getter]
    fn pattern(&self, py: Python<'_>) -> String {
        lock(py, &self.inner).pattern().to_string()
    }

    #[getter]
    fn remote_addr(&self, py: Python<'_>) -> String {
        lock(py, &self.inner).client().to_string()
    }

    #[getter]
    fn local_addr(&self, py: Python<'_>) -> String {
        lock(py, &self.inner).local().to_string()
    }

    #[getter]
    fn tls(&self, py: Python<'_>) -> Option<TlsInfo> {
        lock(py, &self.inner).tls().map(TlsInfo::new)
    }

    /// What the wildcard stands for, percent-decoded; "" if the pattern has none of that name.
    fn path_value(&self, py: Python<'_>, name: &str) -> String {
        lock(py, &self.inner)
            .path_value(name)
            .unwrap_or("")
            .to_owned()
    }

    #[getter]
    fn query(&self, py: Python<'_>) -> PyResult<Values> {
        let request = lock(py, &self.inner);
        Values::parse(request.query().unwrap_or("").as_bytes()).map(Values::new)
    }

    #[getter]
    fn cookies<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let request = lock(py, &self.inner);
        let dict = PyDict::new(py);
        for field in request.headers().get_all(COOKIE) {
            for (name, value) in cookies::parse(&text_of(field)) {
                // The first of a name is the one with the longest path (RFC 6265, section 5.4).
                if !dict.contains(name)? {
                    dict.set_item(name, value)?;
                }
            }
        }
        Ok(dict)
    }

    #[getter]
    fn trailers(&self, py: Python<'_>) -> Headers {
        Headers::fixed(
            lock(py, &self.inner)
                .body()
                .trailers()
                .cloned()
                .unwrap_or_default(),
        )
    }

    /// The whole body. Kept, so that it can be asked for again.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        if let Some(body) = self.body.get(py) {
            return Ok(body.bind(py).clone());
        }
        let rest = self.read_rest(py, usize::MAX)?;
        let body = PyBytes::new(py, &rest).unbind();
        Ok(self.body.get_or_init(py, || body).bind(py).clone())
    }

    /// At most `n` bytes of what is left of the body, b"" at its end; without `n` all of it.
    #[pyo3(signature = (n=-1))]
    fn read<'py>(&self, py: Python<'py>, n: isize) -> PyResult<Bound<'py, PyBytes>> {
        let Ok(n) = usize::try_from(n) else {
            return Ok(PyBytes::new(py, &self.read_rest(py, usize::MAX)?));
        };
        if n == 0 {
            return Ok(PyBytes::new(py, b""));
        }
        let mut chunk = self.chunk(py)?;
        let bytes = PyBytes::new(py, &chunk[..n.min(chunk.len())]);
        chunk.advance(n.min(chunk.len()));
        self.put_back(py, chunk);
        Ok(bytes)
    }

    /// The next line of the body with its "\n", b"" at its end.
    fn readline<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let mut line = Vec::new();
        loop {
            let mut chunk = self.chunk(py)?;
            match chunk.iter().position(|&b| b == b'\n') {
                Some(end) => {
                    line.extend_from_slice(&chunk[..=end]);
                    chunk.advance(end + 1);
                    self.put_back(py, chunk);
                    break;
                }
                None if chunk.is_empty() => break,
                None => line.extend_from_slice(&chunk),
            }
        }
        Ok(PyBytes::new(py, &line))
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let chunk = self.chunk(py)?;
        Ok((!chunk.is_empty()).then(|| PyBytes::new(py, &chunk)))
    }

    /// The body as JSON.
    fn json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let body = self.body(py)?;
        py.import(intern!(py, "json"))?
            .call_method1(intern!(py, "loads"), (body,))
            .map_err(|e| {
                if e.is_instance_of::<PyValueError>(py) {
                    BadBody::new_err(format!("the body is no JSON: {}", e.value(py)))
                } else {
                    e
                }
            })
    }

    /// The fields of the query and of a form in the body.
    #[getter]
    fn form<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, Values>> {
        let (py, this) = (slf.py(), slf.get());
        if let Some(form) = this.form.get(py) {
            return Ok(form.bind(py).clone());
        }
        let mut pairs = Vec::new();
        if this.is_urlencoded(py) {
            pairs = Values::parse(&this.read_rest(py, FORM)?)?;
        } else if this.boundary(py).is_some() {
            pairs = slf.get().multipart_in(&slf)?.text_fields(py, FORM)?;
        }
        pairs.extend(Values::parse(
            lock(py, &this.inner).query().unwrap_or("").as_bytes(),
        )?);
        let form = Py::new(py, Values::new(pairs))?;
        Ok(this.form.get_or_init(py, || form).bind(py).clone())
    }

    /// The parts of a multipart body, one after the other.
    fn multipart(slf: Bound<'_, Self>) -> PyResult<Parts> {
        slf.get().multipart_in(&slf)
    }

    /// Bytes if some can be read now, b"" at the end; None if not: then `callback` is called from the
    /// loop's thread when it is worth another try.
    #[pyo3(signature = (callback, n=-1))]
    fn poll_read<'py>(
        &self,
        py: Python<'py>,
        callback: Py<PyAny>,
        n: isize,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let Some(queue) = &self.queue else {
            return Err(PyRuntimeError::new_err(
                "aread is for async handlers; this one is a plain function: use read",
            ));
        };
        let mut chunk = std::mem::take(&mut *lock(py, &self.ahead));
        if chunk.is_empty() {
            let waker = queue.waker(callback);
            let polled = lock(py, &self.inner)
                .body_mut()
                .poll_chunk(&mut Context::from_waker(&waker));
            chunk = match polled {
                Poll::Pending => return Ok(None),
                Poll::Ready(chunk) => chunk.transpose().map_err(body_error)?.unwrap_or_default(),
            };
        }
        let n = usize::try_from(n).unwrap_or(usize::MAX).min(chunk.len());
        let bytes = PyBytes::new(py, &chunk[..n]);
        chunk.advance(n);
        self.put_back(py, chunk);
        Ok(Some(bytes))
    }

    /// Reads as a coroutine; see `read`.
    #[pyo3(signature = (n=-1))]
    fn aread(slf: Bound<'_, Self>, n: isize) -> PyResult<Bound<'_, PyAny>> {
        let py = slf.py();
        py.import(intern!(py, "oxbridge.aio"))?
            .call_method1(intern!(py, "aread"), (slf, n))
    }

    fn __aiter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        let py = slf.py();
        let chunks = py
            .import(intern!(py, "oxbridge.aio"))?
            .call_method1(intern!(py, "achunks"), (slf,))?;
        chunks.call_method0(intern!(py, "__aiter__"))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let request = lock(py, &self.inner);
        format!("<Request {} {}>", request.method(), request.uri())
    }
}

impl Request {
    fn multipart_in(&self, slf: &Bound<'_, Self>) -> PyResult<Parts> {
        let py = slf.py();
        let boundary = self.boundary(py).ok_or_else(|| {
            let kind = lock(py, &self.inner)
                .headers()
                .get(CONTENT_TYPE)
                .map(|v| text_of(v).into_owned());
            BadBody::new_err(format!(
                "the body is no multipart form: its Content-Type is {}",
                kind.as_deref().unwrap_or("missing")
            ))
        })?;
        let body = lock(py, &self.inner).body_mut().take();
        Ok(Parts::new(body, boundary))
    }
}
