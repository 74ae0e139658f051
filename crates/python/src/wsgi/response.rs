//! The answer of a WSGI application: `start_response`, `write`, and what it iterates over.

use std::fs::File;
use std::os::fd::{BorrowedFd, RawFd};
use std::path::Path;
use std::sync::Mutex;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue};
use oxbridge::ResponseWriter;
use pyo3::exceptions::{PyAssertionError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::convert::{lock, type_name};
use crate::errors::write_error;
use crate::send::{send_bytes, write_bytes};

/// `start_response` and what follows it, for one request.
#[pyclass(frozen, module = "oxbridge")]
pub(crate) struct WsgiResponse {
    pub(super) inner: Mutex<Inner>,
}

pub(super) struct Inner {
    pub(super) writer: ResponseWriter,
    started: bool,
    /// The application used the `write` callable.
    wrote: bool,
}

impl WsgiResponse {
    pub(super) fn new(writer: ResponseWriter) -> Self {
        WsgiResponse {
            inner: Mutex::new(Inner {
                writer,
                started: false,
                wrote: false,
            }),
        }
    }
}

impl Inner {
    fn must_have_started(&self) -> PyResult<()> {
        if self.started {
            Ok(())
        } else {
            Err(PyAssertionError::new_err(
                "the application gave a body before it called start_response",
            ))
        }
    }

    /// Whether the status has no body, so that what the application gives of one is dropped.
    fn is_bodiless(&self) -> bool {
        matches!(self.writer.status().as_u16(), 204 | 304)
    }

    /// Ends the answer, unless it has ended.
    pub(super) fn finish(&mut self) -> PyResult<()> {
        if !self.started {
            return Err(PyAssertionError::new_err(
                "the application returned without having called start_response",
            ));
        }
        // Waits for nothing: what is left is queued.
        self.writer.end().map_err(write_error)
    }

    /// Sends one block of the body now: the application may take long to give the next one. False if
    /// no more is wanted.
    fn block(&mut self, py: Python<'_>, block: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.must_have_started()?;
        let block = body_bytes(block)?;
        if block.as_bytes().is_empty() || self.is_bodiless() {
            return Ok(true);
        }
        send_bytes(py, &mut self.writer, block)?;
        Ok(!self.writer.is_head())
    }
}

#[pymethods]
impl WsgiResponse {
    /// `start_response(status, headers, exc_info=None)`; returns `write`.
    #[pyo3(signature = (status, headers, exc_info=None, /))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        status: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let (code, reason) = parse_status(status)?;
        let fields = parse_headers(headers)?;
        {
            let mut inner = lock(py, &slf.get().inner);
            match exc_info {
                Some(exc_info) => {
                    if inner.writer.head_sent() {
                        // Too late for another answer: the error goes back where it came from.
                        let (_, value, traceback): (
                            Bound<'_, PyAny>,
                            Bound<'_, PyAny>,
                            Bound<'_, PyAny>,
                        ) = exc_info.extract()?;
                        let raised = value.call_method1("with_traceback", (traceback,))?;
                        return Err(PyErr::from_value(raised));
                    }
                    inner.writer.reset();
                }
                None if inner.started => {
                    return Err(PyAssertionError::new_err(
                        "start_response was called a second time without exc_info",
                    ));
                }
                None => {}
            }
            inner.writer.set_status(code).map_err(write_error)?;
            inner.writer.set_reason(reason).map_err(write_error)?;
            *inner.writer.headers_mut().map_err(write_error)? = fields;
            inner.started = true;
        }
        slf.getattr(pyo3::intern!(py, "write"))
    }

    /// The `write` callable: sends a block now.
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut inner = lock(py, &self.inner);
        inner.wrote = true;
        inner.block(py, data).map(drop)
    }

    /// Sends a block that the application's iterable gave; false if no more is wanted: the answer is to
    /// HEAD, and its head is out.
    fn block(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        lock(py, &self.inner).block(py, data)
    }

    /// Answers with a list or tuple of blocks, all of which are there. False, and nothing happens, for
    /// any other iterable.
    fn take(&self, py: Python<'_>, result: &Bound<'_, PyAny>) -> PyResult<bool> {
        let blocks: Vec<Bound<'_, PyAny>> = if let Ok(list) = result.cast_exact::<PyList>() {
            if list.len() == 1 {
                return self.take_one(py, &list.get_item(0)?).map(|()| true);
            }
            list.iter().collect()
        } else if let Ok(tuple) = result.cast_exact::<PyTuple>() {
            if tuple.len() == 1 {
                return self.take_one(py, &tuple.get_item(0)?).map(|()| true);
            }
            tuple.iter().collect()
        } else {
            return Ok(false);
        };
        let mut inner = lock(py, &self.inner);
        inner.must_have_started()?;
        let mut total = 0;
        for block in &blocks {
            total += body_bytes(block)?.as_bytes().len();
        }
        if !inner.is_bodiless() {
            inner.declare(total)?;
            for block in &blocks {
                write_bytes(py, &mut inner.writer, body_bytes(block)?)?;
            }
        }
        inner.finish()?;
        Ok(true)
    }

    /// Sends `length` bytes of an open file from `offset` on.
    fn send_file(&self, py: Python<'_>, fd: RawFd, offset: u64, length: u64) -> PyResult<()> {
        let mut inner = lock(py, &self.inner);
        inner.must_have_started()?;
        if inner.is_bodiless() {
            return Ok(());
        }
        inner.declare(usize::try_from(length).unwrap_or(usize::MAX))?;
        // SAFETY: the descriptor is the application's and open: it called `fileno` of a file that it
        // holds during this call. It is duplicated here and not kept.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        let file = File::from(borrowed.try_clone_to_owned()?);
        let writer = &mut inner.writer;
        py.detach(|| {
            oxbridge::files::write_part(writer, &file, Path::new("(file)"), offset, length)
        })
        .map_err(|e| crate::errors::file_error(py, e, Path::new("(file)")))
    }

    /// What Content-Length says, if the application set one.
    #[getter]
    fn content_length(&self, py: Python<'_>) -> Option<u64> {
        let inner = lock(py, &self.inner);
        let value = inner.writer.headers().get(CONTENT_LENGTH)?;
        value.to_str().ok()?.parse().ok()
    }

    /// Ends the answer. The iterable may have more to do.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        lock(py, &self.inner).finish()
    }
}

impl WsgiResponse {
    /// The usual answer: one block.
    fn take_one(&self, py: Python<'_>, block: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut inner = lock(py, &self.inner);
        inner.must_have_started()?;
        let block = body_bytes(block)?;
        if !inner.is_bodiless() {
            inner.declare(block.as_bytes().len())?;
            write_bytes(py, &mut inner.writer, block)?;
        }
        inner.finish()
    }
}

impl Inner {
    /// Says how long the body is, where the application did not: all of it is known. A short one gets
    /// its length from the writer.
    fn declare(&mut self, length: usize) -> PyResult<()> {
        const SHORT: usize = 16 << 10;
        if self.wrote || length < SHORT || self.writer.head_sent() {
            return Ok(());
        }
        let headers = self.writer.headers_mut().map_err(write_error)?;
        headers
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| HeaderValue::from(length));
        Ok(())
    }
}

fn body_bytes<'a, 'py>(block: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    block.cast::<PyBytes>().map_err(|_| {
        PyTypeError::new_err(format!(
            "the application gave a block of {}; WSGI wants bytes",
            type_name(block)
        ))
    })
}

/// `"404 Not Found"` as code and reason.
fn parse_status(status: &Bound<'_, PyAny>) -> PyResult<(u16, Bytes)> {
    let text = status.cast::<PyString>().map_err(|_| {
        PyTypeError::new_err(format!(
            "the status is {}; WSGI wants str, such as \"200 OK\"",
            type_name(status)
        ))
    })?;
    let text = text.to_str()?;
    let (code, reason) = text.split_once(' ').unwrap_or((text, ""));
    let wrong = || {
        PyValueError::new_err(format!(
            "the status is {text:?}; WSGI wants three digits, a space and a reason, such as \"200 OK\""
        ))
    };
    if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u16 = code.parse().map_err(|_| wrong())?;
    if number < 200 {
        return Err(PyValueError::new_err(format!(
            "the status is {text:?}, which answers nothing yet; WSGI wants a final one, from 200 on"
        )));
    }
    if reason
        .chars()
        .any(|c| c.is_control() || u32::from(c) > 0xFF)
    {
        return Err(wrong());
    }
    let reason: Vec<u8> = if reason.is_ascii() {
        reason.as_bytes().to_vec()
    } else {
        reason
            .chars()
            .filter_map(|c| u8::try_from(c).ok())
            .collect()
    };
    Ok((number, Bytes::from(reason)))
}

/// A list of `(name, value)` as header fields. Those that are about the connection are left out: it is
/// the server's (PEP 3333, "Other HTTP Features").
fn parse_headers(headers: &Bound<'_, PyAny>) -> PyResult<HeaderMap> {
    let list = headers.cast::<PyList>().map_err(|_| {
        PyTypeError::new_err(format!(
            "the headers are {}; WSGI wants a list of (name, value)",
            type_name(headers)
        ))
    })?;
    let mut fields = HeaderMap::with_capacity(list.len() + SPARE);
    for pair in list.iter() {
        let (name, value): (Bound<'_, PyString>, Bound<'_, PyString>) =
            pair.extract().map_err(|_| {
                PyTypeError::new_err(format!(
                    "a header is {}; WSGI wants a tuple of two str",
                    pair.repr()
                        .map_or_else(|_| type_name(&pair), |shown| shown.to_string())
                ))
            })?;
        let name = crate::convert::header_name(name.to_str()?)?;
        if is_hop_by_hop(&name) {
            continue;
        }
        let value = crate::convert::header_value(&name, value.as_any())?;
        fields.append(name, value);
    }
    Ok(fields)
}

/// Room for the fields that the server adds.
const SPARE: usize = 3;

fn is_hop_by_hop(name: &HeaderName) -> bool {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ]
    .contains(name)
}
