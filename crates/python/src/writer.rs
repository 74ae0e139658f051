//! `ResponseWriter`: what a Python handler writes its answer to.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::header::{CONTENT_TYPE, LOCATION, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use oxbridge::{Exchange, ResponseWriter};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::aio::Queue;
use crate::convert::{bytes_of, lock};
use crate::cookies;
use crate::errors::write_error;
use crate::headers::Headers;
use crate::request::Request;

/// The largest file that a handler which cannot wait may serve.
const AT_ONCE: u64 = 1 << 20;

/// The answer to one request.
#[pyclass(frozen, name = "ResponseWriter", module = "oxbridge")]
pub(crate) struct Writer {
    pub(crate) inner: Mutex<ResponseWriter>,
    /// Where an async handler's wake-ups go.
    queue: Option<Arc<Queue>>,
    /// The request that it answers, for what depends on it: ranges of files.
    request: Py<Request>,
}

impl Writer {
    pub(crate) fn new(
        inner: ResponseWriter,
        request: Py<Request>,
        queue: Option<Arc<Queue>>,
    ) -> Self {
        Writer {
            inner: Mutex::new(inner),
            request,
            queue,
        }
    }

    /// The arguments of a coroutine function: what it waits for wakes its loop through `queue`.
    pub(crate) fn for_loop(
        py: Python<'_>,
        exchange: Exchange,
        queue: &Arc<Queue>,
    ) -> PyResult<(Py<Writer>, Py<Request>)> {
        let (response, request) = exchange.into_parts();
        let request = Py::new(py, Request::new(request, Some(queue.clone())))?;
        let writer = Writer::new(response, request.clone_ref(py), Some(queue.clone()));
        Ok((Py::new(py, writer)?, request))
    }

    /// Writes, and leaves the interpreter first if that might wait.
    fn write_bytes(&self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        let mut writer = lock(py, &self.inner);
        if writer.fits(data.len()) {
            return writer.write(data).map_err(write_error);
        }
        let writer = &mut *writer;
        py.detach(|| writer.write(data)).map_err(write_error)
    }
}

#[pymethods]
impl Writer {
    /// Writes a piece of the body; all of it, or an error says why none. Returns the number of bytes.
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        // The two usual cases without the detour over `Cow`.
        if let Ok(text) = data.cast::<PyString>() {
            let bytes = text.to_str()?.as_bytes();
            return self.write_bytes(py, bytes).map(|()| bytes.len());
        }
        if let Ok(bytes) = data.cast::<PyBytes>() {
            return self
                .write_bytes(py, bytes.as_bytes())
                .map(|()| bytes.as_bytes().len());
        }
        let bytes = bytes_of(data)?;
        self.write_bytes(py, &bytes).map(|()| bytes.len())
    }

    /// Sets the status of the answer; see `ResponseWriter.set_status` of the Rust crate.
    fn set_status(&self, py: Python<'_>, code: u16) -> PyResult<()> {
        lock(py, &self.inner).set_status(code).map_err(write_error)
    }

    /// Go's name for `set_status`.
    fn write_header(&self, py: Python<'_>, code: u16) -> PyResult<()> {
        self.set_status(py, code)
    }

    #[getter]
    fn status(&self, py: Python<'_>) -> u16 {
        lock(py, &self.inner).status().as_u16()
    }

    #[getter]
    fn written(&self, py: Python<'_>) -> u64 {
        lock(py, &self.inner).written()
    }

    #[getter]
    fn client_gone(&self, py: Python<'_>) -> bool {
        lock(py, &self.inner).is_client_gone()
    }

    #[getter]
    fn header(slf: Bound<'_, Self>) -> Headers {
        Headers::of_response(slf.unbind())
    }

    #[getter]
    fn trailer(slf: Bound<'_, Self>) -> Headers {
        Headers::of_trailers(slf.unbind())
    }

    /// Sends what has been written so far, now.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let mut writer = lock(py, &self.inner);
        let writer = &mut *writer;
        py.detach(|| writer.flush()).map_err(write_error)
    }

    /// Adds a `Set-Cookie` field (RFC 6265, section 4.1).
    #[pyo3(signature = (name, value, *, path=Some("/"), domain=None, max_age=None, expires=None, secure=false, http_only=false, same_site=None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the attributes of a cookie, by keyword"
    )]
    fn set_cookie(
        &self,
        py: Python<'_>,
        name: &str,
        value: &str,
        path: Option<&str>,
        domain: Option<&str>,
        max_age: Option<i64>,
        expires: Option<&Bound<'_, PyAny>>,
        secure: bool,
        http_only: bool,
        same_site: Option<&str>,
    ) -> PyResult<()> {
        let expires = expires.map(cookies::timestamp).transpose()?;
        let attributes = cookies::Attributes {
            path,
            domain,
            max_age,
            expires,
            secure,
            http_only,
            same_site,
        };
        let cookie = cookies::format(name, value, &attributes).map_err(PyValueError::new_err)?;
        let value =
            HeaderValue::from_str(&cookie).map_err(|e| PyValueError::new_err(e.to_string()))?;
        lock(py, &self.inner)
            .headers_mut()
            .map_err(write_error)?
            .append(SET_COOKIE, value);
        Ok(())
    }

    /// Answers with a redirect. A relative location is meant relative to the request's path, as browsers
    /// read it (RFC 9110, section 10.2.2).
    #[pyo3(signature = (url, code=302))]
    fn redirect(&self, py: Python<'_>, url: &str, code: u16) -> PyResult<()> {
        if !(300..400).contains(&code) {
            return Err(PyValueError::new_err(format!(
                "a redirect has a status from 300 to 399, not {code}"
            )));
        }
        let escaped: String = url
            .chars()
            .map(|c| {
                if c.is_ascii_graphic() {
                    c.to_string()
                } else {
                    c.to_string().bytes().map(|b| format!("%{b:02X}")).collect()
                }
            })
            .collect();
        let location =
            HeaderValue::from_str(&escaped).map_err(|e| PyValueError::new_err(e.to_string()))?;
        let mut writer = lock(py, &self.inner);
        writer
            .headers_mut()
            .map_err(write_error)?
            .insert(LOCATION, location);
        writer.set_status(code).map_err(write_error)
    }

    /// Answers with a short text and a status that says what went wrong.
    #[pyo3(signature = (message, code))]
    fn error(&self, py: Python<'_>, message: &str, code: u16) -> PyResult<()> {
        let mut writer = lock(py, &self.inner);
        let headers = writer.headers_mut().map_err(write_error)?;
        headers.remove(http::header::CONTENT_LENGTH);
        headers.remove(http::header::CONTENT_ENCODING);
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(
            "x-content-type-options",
            HeaderValue::from_static("nosniff"),
        );
        writer.set_status(code).map_err(write_error)?;
        drop(writer);
        self.write_bytes(py, format!("{message}\n").as_bytes())
    }

    /// Answers with `obj` as JSON.
    #[pyo3(signature = (obj, code=None))]
    fn json(&self, py: Python<'_>, obj: &Bound<'_, PyAny>, code: Option<u16>) -> PyResult<()> {
        // First, so that what cannot be encoded changes nothing.
        let text = py
            .import(intern!(py, "json"))?
            .call_method1(intern!(py, "dumps"), (obj,))?;
        let text = text.cast::<PyString>()?.to_str()?;
        {
            let mut writer = lock(py, &self.inner);
            if let Some(code) = code {
                writer.set_status(code).map_err(write_error)?;
            }
            let headers = writer.headers_mut().map_err(write_error)?;
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        self.write_bytes(py, text.as_bytes())
    }

    /// Answers with a file: type by name, ranges, conditional requests.
    fn serve_file(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let mut writer = lock(py, &self.inner);
        let request = lock(py, &self.request.get().inner);
        let (writer, request) = (&mut *writer, &*request);
        if !writer.may_wait() {
            // Nobody to wait for means that all of it would be queued.
            let length = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            if length > AT_ONCE {
                return Err(PyRuntimeError::new_err(format!(
                    "the file has {length} bytes; coroutine handlers and those with blocking=False serve up to {AT_ONCE}: use a plain function"
                )));
            }
        }
        py.detach(|| oxbridge::serve_file(writer, request, &path))
            .map_err(|e| crate::errors::file_error(py, e, &path))
    }

    /// Ends an async handler's answer.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        lock(py, &self.inner).end().map_err(write_error)
    }

    /// Gives an async handler's answer up.
    fn fail(&self, py: Python<'_>, status: u16) {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        lock(py, &self.inner).refuse(status);
    }

    /// True if there is room for a write now; else `callback` is called from the loop's thread when
    /// there is some, or when the client has gone.
    fn poll_room(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<bool> {
        let Some(queue) = &self.queue else {
            return Err(PyRuntimeError::new_err(
                "awrite and aflush are for async handlers; this one is a plain function: use write and flush",
            ));
        };
        let waker = queue.waker(callback);
        match lock(py, &self.inner).poll_room(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => result.map(|()| true).map_err(write_error),
            Poll::Pending => Ok(false),
        }
    }

    /// Writes, and waits for room as a coroutine.
    fn awrite<'py>(slf: Bound<'py, Self>, data: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        py.import(intern!(py, "oxbridge.aio"))?
            .call_method1(intern!(py, "awrite"), (slf, data))
    }

    /// Flushes, and waits for room as a coroutine.
    fn aflush(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        let py = slf.py();
        py.import(intern!(py, "oxbridge.aio"))?
            .call_method1(intern!(py, "aflush"), (slf,))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let writer = lock(py, &self.inner);
        format!(
            "<ResponseWriter {} {} bytes>",
            writer.status().as_u16(),
            writer.written()
        )
    }
}
