//! The protocol object of an HTTP request: its body, and the ways to answer it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, StatusCode};
use oxbridge::{Request, ResponseWriter};
use pyo3::exceptions::{PyStopAsyncIteration, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::aio::Queue;
use crate::awaitable::{self, Pollable};
use crate::call;
use crate::convert::{bytes_of, lock};
use crate::errors::{body_error, is_about_client, write_error};
use crate::rsgi::stream::Transport;
use crate::rsgi::{ProtocolError, Rsgi, headers};
use crate::send::write_bytes;
use crate::tasks::{self, Answering, Outcome};

/// One request, as `protocol`.
#[pyclass(frozen, name = "RSGIHTTPProtocol", module = "oxbridge._oxbridge")]
pub(crate) struct HttpProtocol {
    pub(super) inner: Mutex<Inner>,
    pub(super) rsgi: Arc<Rsgi>,
    pub(super) queue: Arc<Queue>,
}

pub(super) struct Inner {
    pub(super) request: Request,
    pub(super) writer: ResponseWriter,
    answer: Answer,
    /// What `await protocol()` has of the body so far.
    whole: Vec<u8>,
}

/// What the application has made of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    None,
    /// It ends with the application.
    Streamed,
    Whole,
}

impl HttpProtocol {
    pub(super) fn new(
        rsgi: Arc<Rsgi>,
        queue: Arc<Queue>,
        writer: ResponseWriter,
        request: Request,
    ) -> Self {
        HttpProtocol {
            inner: Mutex::new(Inner {
                request,
                writer,
                answer: Answer::None,
                whole: Vec::new(),
            }),
            rsgi,
            queue,
        }
    }

    /// The awaitable of something that may be there already.
    pub(super) fn wait(
        py: Python<'_>,
        slf: &Bound<'_, Self>,
        what: impl Pollable + 'static,
    ) -> PyResult<Py<PyAny>> {
        let protocol = slf.get();
        awaitable::of(py, what, || {
            protocol.rsgi.tasks.waiting(py, &protocol.queue)
        })
    }

    /// The application returned: a stream is at its end, and there must be an answer.
    fn returned(&self, py: Python<'_>) {
        let mut inner = lock(py, &self.inner);
        let fault = match inner.answer {
            Answer::Whole => None,
            Answer::Streamed => inner.writer.end().err().map(|e| e.to_string()),
            Answer::None => {
                inner.writer.refuse(StatusCode::INTERNAL_SERVER_ERROR);
                Some("the application returned without having answered".to_owned())
            }
        };
        let (left, what) = (inner.writer.is_client_gone(), inner.describe());
        drop(inner);
        if let Some(fault) = fault
            && !left
        {
            call::report_text(py, &format!("{what}: {fault}"));
        }
    }
}

impl Inner {
    fn describe(&self) -> String {
        format!("{} {}", self.request.method(), self.request.uri())
    }

    fn begin(
        &mut self,
        status: u16,
        fields: &Bound<'_, PyAny>,
        answer: Answer,
    ) -> PyResult<&mut ResponseWriter> {
        if self.answer != Answer::None {
            return Err(ProtocolError::new_err(
                "the request has been answered already",
            ));
        }
        let fields = headers::parse(fields)?;
        self.writer.set_status(status).map_err(write_error)?;
        *self.writer.headers_mut().map_err(write_error)? = fields;
        self.answer = answer;
        Ok(&mut self.writer)
    }

    fn send_file(&mut self, path: &Path, range: Option<(u64, u64)>) -> PyResult<()> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let (start, end) = match range {
            Some((start, end)) => (start, end.min(size)),
            None => (0, size),
        };
        let length = end.saturating_sub(start);
        let fields = self.writer.headers_mut().map_err(write_error)?;
        fields
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| HeaderValue::from(length));
        oxbridge::files::write_part(&mut self.writer, &file, path, start, length)
            .map_err(|e| Python::attach(|py| crate::errors::file_error(py, e, path)))?;
        self.writer.end().map_err(write_error)
    }
}

impl Answering for HttpProtocol {
    fn ended(&self, py: Python<'_>, task: &Bound<'_, PyAny>) -> PyResult<()> {
        self.rsgi.tasks.forget(py, task)?;
        match tasks::outcome(py, task)? {
            Outcome::Returned => self.returned(py),
            Outcome::Raised(error) => self.fail(py, &error),
            Outcome::Cancelled => lock(py, &self.inner)
                .writer
                .refuse(StatusCode::SERVICE_UNAVAILABLE),
        }
        Ok(())
    }

    fn fail(&self, py: Python<'_>, error: &PyErr) {
        let mut inner = lock(py, &self.inner);
        let left = inner.writer.is_client_gone() && is_about_client(py, error);
        let is_fault = call::refuse(py, &mut inner.writer, error);
        let what = inner.describe();
        drop(inner);
        if is_fault && !left {
            call::report(py, error, &what);
        }
    }
}

#[pymethods]
impl HttpProtocol {
    /// The whole body, to be awaited.
    fn __call__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::wait(slf.py(), slf, Whole(slf.clone().unbind()))
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// The next piece of the body, to be awaited.
    fn __anext__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        // What has been polled already would raise its end at once, where an awaitable is wanted.
        let waiting = slf.get().rsgi.tasks.waiting(slf.py(), &slf.get().queue)?;
        awaitable::pending(slf.py(), Box::new(Piece(slf.clone().unbind())), waiting)
    }

    /// Awaited, returns when the client has gone.
    fn client_disconnect(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::wait(slf.py(), slf, Gone(slf.clone().unbind()))
    }

    fn response_empty(
        &self,
        py: Python<'_>,
        status: u16,
        headers: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let mut inner = lock(py, &self.inner);
        inner
            .begin(status, headers, Answer::Whole)?
            .end()
            .map_err(write_error)
    }

    fn response_str(
        &self,
        py: Python<'_>,
        status: u16,
        headers: &Bound<'_, PyAny>,
        body: &Bound<'_, PyString>,
    ) -> PyResult<()> {
        let mut inner = lock(py, &self.inner);
        let writer = inner.begin(status, headers, Answer::Whole)?;
        writer
            .write(body.to_str()?.as_bytes())
            .map_err(write_error)?;
        writer.end().map_err(write_error)
    }

    fn response_bytes(
        &self,
        py: Python<'_>,
        status: u16,
        headers: &Bound<'_, PyAny>,
        body: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let mut inner = lock(py, &self.inner);
        let writer = inner.begin(status, headers, Answer::Whole)?;
        match body.cast::<PyBytes>() {
            Ok(body) => write_bytes(py, writer, body)?,
            Err(_) => writer.write(&bytes_of(body)?).map_err(write_error)?,
        }
        writer.end().map_err(write_error)
    }

    fn response_file(
        &self,
        py: Python<'_>,
        status: u16,
        headers: &Bound<'_, PyAny>,
        file: PathBuf,
    ) -> PyResult<()> {
        let mut inner = lock(py, &self.inner);
        inner.begin(status, headers, Answer::Whole)?;
        inner.send_file(&file, None)
    }

    /// Bytes of a file, from `start` up to, not including, `end`.
    fn response_file_range(
        &self,
        py: Python<'_>,
        status: u16,
        headers: &Bound<'_, PyAny>,
        file: PathBuf,
        start: u64,
        end: u64,
    ) -> PyResult<()> {
        if end < start {
            return Err(PyValueError::new_err(format!(
                "a range of a file from {start} to {end}"
            )));
        }
        let mut inner = lock(py, &self.inner);
        inner.begin(status, headers, Answer::Whole)?;
        inner.send_file(&file, Some((start, end)))
    }

    /// Starts a response that is written piece by piece, until the application returns.
    fn response_stream(
        slf: &Bound<'_, Self>,
        status: u16,
        headers: &Bound<'_, PyAny>,
    ) -> PyResult<Transport> {
        let py = slf.py();
        let mut inner = lock(py, &slf.get().inner);
        inner.begin(status, headers, Answer::Streamed)?;
        Ok(Transport::new(slf.clone().unbind()))
    }

    /// Sees to it that the exchange ends with its task.
    #[pyo3(name = "ended")]
    fn ended_by(&self, py: Python<'_>, task: &Bound<'_, PyAny>) -> PyResult<()> {
        self.ended(py, task)
    }
}

/// The whole body.
struct Whole(Py<HttpProtocol>);

impl Pollable for Whole {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let mut inner = lock(py, &self.0.get().inner);
        let inner = &mut *inner;
        loop {
            let body = inner.request.body_mut();
            let chunk = match body.poll_chunk(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Err(e))) => return Poll::Ready(Err(body_error(e))),
                Poll::Ready(Some(Ok(chunk))) => chunk,
                Poll::Ready(None) => Bytes::new(),
            };
            if inner.whole.is_empty() && body.is_complete() {
                return Poll::Ready(Ok(PyBytes::new(py, &chunk).into_any().unbind()));
            }
            inner.whole.extend_from_slice(&chunk);
            if body.is_complete() {
                let whole = std::mem::take(&mut inner.whole);
                return Poll::Ready(Ok(PyBytes::new(py, &whole).into_any().unbind()));
            }
        }
    }
}

/// The next piece of the body.
struct Piece(Py<HttpProtocol>);

impl Pollable for Piece {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let mut inner = lock(py, &self.0.get().inner);
        inner
            .request
            .body_mut()
            .poll_chunk(cx)
            .map(|chunk| match chunk {
                None => Err(PyStopAsyncIteration::new_err(())),
                Some(Ok(chunk)) => Ok(PyBytes::new(py, &chunk).into_any().unbind()),
                Some(Err(e)) => Err(body_error(e)),
            })
    }
}

/// The end of the client.
struct Gone(Py<HttpProtocol>);

impl Pollable for Gone {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let mut inner = lock(py, &self.0.get().inner);
        inner.writer.poll_gone(cx).map(|()| Ok(py.None()))
    }
}
