//! `receive` and `send` of one HTTP exchange.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::header::{CONTENT_LENGTH, LINK};
use http::{HeaderValue, StatusCode};
use oxbridge::{Request, ResponseWriter, WriteError};
use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::aio::Queue;
use crate::asgi::{Asgi, headers};
use crate::awaitable::{self, Pollable};
use crate::call;
use crate::convert::{lock, type_name};
use crate::errors::{ClientGone, is_about_client, write_error};
use crate::send::{send_bytes, write_bytes};
use crate::tasks::{self, Answering, Outcome};

/// One exchange as its application sees it, by the bound methods `receive` and `send`.
#[pyclass(frozen, module = "oxbridge._oxbridge")]
pub(crate) struct Http {
    inner: Mutex<Inner>,
    /// Calls of `receive` that wait.
    listening: AtomicUsize,
    asgi: Arc<Asgi>,
    queue: Arc<Queue>,
}

struct Inner {
    writer: ResponseWriter,
    request: Request,
    stage: Stage,
    /// The whole body has been received.
    received: bool,
    /// Trailers follow the body.
    trailers: bool,
}

/// What the application is to send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Start,
    Body,
    Trailers,
    Complete,
}

impl Http {
    pub(super) fn new(
        asgi: Arc<Asgi>,
        queue: Arc<Queue>,
        writer: ResponseWriter,
        request: Request,
    ) -> Self {
        Http {
            inner: Mutex::new(Inner {
                writer,
                request,
                stage: Stage::Start,
                received: false,
                trailers: false,
            }),
            listening: AtomicUsize::new(0),
            asgi,
            queue,
        }
    }
}

#[pymethods]
impl Http {
    /// The next event: a piece of the body, or that the client has gone.
    fn receive(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let http = slf.get();
        awaitable::of(
            py,
            Event(slf.clone().unbind(), AtomicBool::new(false)),
            || http.asgi.tasks.waiting(py, &http.queue),
        )
    }

    /// Takes an event of the application.
    fn send(slf: &Bound<'_, Self>, event: &Bound<'_, PyDict>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let http = slf.get();
        let kind = event
            .get_item(intern!(py, "type"))?
            .ok_or_else(|| PyKeyError::new_err("an ASGI event needs a \"type\""))?;
        let kind = kind.cast::<PyString>()?;
        let mut inner = lock(py, &http.inner);
        let taken = match kind.to_str()? {
            "http.response.start" => inner.start(event),
            "http.response.body" => inner.body(event),
            "http.response.trailers" => inner.trailers(event),
            "http.response.pathsend" => inner.path(event),
            "http.response.early_hint" => inner.early_hint(event),
            other => {
                return Err(PyRuntimeError::new_err(format!(
                    "unexpected ASGI event {other:?} for an HTTP request"
                )));
            }
        };
        match taken {
            Ok(()) => {}
            Err(e) if e.is_instance_of::<ClientGone>(py) && http.is_listening() => {
                drop(inner);
                let waiting = http.asgi.tasks.waiting(py, &http.queue)?;
                return awaitable::pending(py, Box::new(Passed::default()), waiting);
            }
            Err(e) => return Err(e),
        }
        if inner.stage == Stage::Complete {
            return awaitable::nothing(py);
        }
        drop(inner);
        awaitable::of(py, Room(slf.clone().unbind()), || {
            http.asgi.tasks.waiting(py, &http.queue)
        })
    }

    /// Sees to it that the exchange ends with its task.
    #[pyo3(name = "ended")]
    fn ended_by(&self, py: Python<'_>, task: &Bound<'_, PyAny>) -> PyResult<()> {
        self.ended(py, task)
    }
}

impl Http {
    /// Whether the application waits in `receive`: it is told there that its client has gone, and ends the
    /// request properly. An exception out of `send` would be a failure to it, as it is to Django.
    fn is_listening(&self) -> bool {
        self.listening.load(Relaxed) != 0
    }
}

impl Answering for Http {
    fn ended(&self, py: Python<'_>, task: &Bound<'_, PyAny>) -> PyResult<()> {
        self.asgi.tasks.forget(py, task)?;
        match tasks::outcome(py, task)? {
            Outcome::Returned => self.check_complete(py),
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
        inner.writer.refuse(StatusCode::INTERNAL_SERVER_ERROR);
        let what = inner.describe();
        drop(inner);
        if !left {
            call::report(py, error, &what);
        }
    }
}

impl Http {
    /// The application returned: the answer should be whole.
    fn check_complete(&self, py: Python<'_>) {
        let mut inner = lock(py, &self.inner);
        if inner.stage == Stage::Complete {
            return;
        }
        let left = inner.writer.is_client_gone();
        let fault = if inner.stage == Stage::Start {
            "the application returned without having answered"
        } else {
            "the application returned before its answer was complete"
        };
        inner.writer.refuse(StatusCode::INTERNAL_SERVER_ERROR);
        let what = inner.describe();
        drop(inner);
        if !left {
            call::report_text(py, &format!("{what}: {fault}"));
        }
    }
}

impl Inner {
    fn describe(&self) -> String {
        format!("{} {}", self.request.method(), self.request.uri())
    }

    /// The next event for the application, if it is there.
    fn poll_event(&mut self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        if self.received {
            if self.stage != Stage::Complete
                && !self.writer.is_client_gone()
                && self.writer.poll_gone(cx).is_pending()
            {
                return Poll::Pending;
            }
            return Poll::Ready(disconnect(py));
        }
        let body = self.request.body_mut();
        match body.poll_chunk(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(bytes))) => {
                self.received = body.is_complete();
                Poll::Ready(request_event(py, &bytes, !self.received))
            }
            Poll::Ready(None) => {
                self.received = true;
                Poll::Ready(request_event(py, b"", false))
            }
            Poll::Ready(Some(Err(e))) => {
                self.received = true;
                if self.stage == Stage::Start {
                    // The body is at fault, so the answer is the server's own.
                    self.writer.refuse(e.status());
                    self.stage = Stage::Complete;
                } else {
                    self.writer.abort();
                }
                Poll::Ready(disconnect(py))
            }
        }
    }

    fn expect(&self, stage: Stage, event: &str) -> PyResult<()> {
        if self.stage == stage {
            return Ok(());
        }
        if self.writer.is_client_gone() {
            return Err(ClientGone::new_err("the client has gone"));
        }
        let wanted = match self.stage {
            Stage::Start => "\"http.response.start\"",
            Stage::Body => "\"http.response.body\"",
            Stage::Trailers => "\"http.response.trailers\"",
            Stage::Complete => "nothing: the answer is complete",
        };
        Err(PyRuntimeError::new_err(format!(
            "unexpected ASGI event {event:?}; expected was {wanted}"
        )))
    }

    fn start(&mut self, event: &Bound<'_, PyDict>) -> PyResult<()> {
        self.expect(Stage::Start, "http.response.start")?;
        let py = event.py();
        let status = event
            .get_item(intern!(py, "status"))?
            .ok_or_else(|| PyKeyError::new_err("\"http.response.start\" needs a \"status\""))?;
        self.writer
            .set_status(status.extract()?)
            .map_err(write_error)?;
        if let Some(fields) = event.get_item(intern!(py, "headers"))? {
            *self.writer.headers_mut().map_err(write_error)? = headers::parse(&fields)?;
        }
        self.trailers = truth(event, intern!(py, "trailers"))?;
        self.stage = Stage::Body;
        Ok(())
    }

    fn body(&mut self, event: &Bound<'_, PyDict>) -> PyResult<()> {
        self.expect(Stage::Body, "http.response.body")?;
        let py = event.py();
        let more = truth(event, intern!(py, "more_body"))?;
        let bodiless = matches!(self.writer.status().as_u16(), 204 | 304);
        match event.get_item(intern!(py, "body"))? {
            Some(_) if bodiless => {}
            Some(body) => {
                let body = bytes(py, body)?;
                if more {
                    send_bytes(py, &mut self.writer, &body)?;
                } else {
                    write_bytes(py, &mut self.writer, &body)?;
                }
            }
            None if more => self.writer.flush().map_err(write_error)?,
            None => {}
        }
        if more { Ok(()) } else { self.end_body() }
    }

    fn end_body(&mut self) -> PyResult<()> {
        if self.trailers {
            self.stage = Stage::Trailers;
            return Ok(());
        }
        self.stage = Stage::Complete;
        self.writer.end().map_err(write_error)
    }

    fn trailers(&mut self, event: &Bound<'_, PyDict>) -> PyResult<()> {
        self.expect(Stage::Trailers, "http.response.trailers")?;
        let py = event.py();
        if let Some(fields) = event.get_item(intern!(py, "headers"))? {
            let fields = headers::parse(&fields)?;
            let trailers = self.writer.trailers_mut().map_err(write_error)?;
            // A map gives the name once, and None for its further values.
            let mut last = None;
            for (name, value) in fields {
                last = name.or(last);
                if let Some(name) = &last {
                    trailers.append(name.clone(), value);
                }
            }
        }
        if truth(event, intern!(py, "more_trailers"))? {
            return Ok(());
        }
        self.stage = Stage::Complete;
        self.writer.end().map_err(write_error)
    }

    fn path(&mut self, event: &Bound<'_, PyDict>) -> PyResult<()> {
        self.expect(Stage::Body, "http.response.pathsend")?;
        let py = event.py();
        let path: PathBuf = event
            .get_item(intern!(py, "path"))?
            .ok_or_else(|| PyKeyError::new_err("\"http.response.pathsend\" needs a \"path\""))?
            .extract()?;
        let file = File::open(&path)?;
        let length = file.metadata()?.len();
        let headers = self.writer.headers_mut().map_err(write_error)?;
        headers
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| HeaderValue::from(length));
        self.send_file(py, &file, &path, length)?;
        self.end_body()
    }

    fn send_file(&mut self, py: Python<'_>, file: &File, path: &Path, length: u64) -> PyResult<()> {
        oxbridge::files::write_part(&mut self.writer, file, path, 0, length)
            .map_err(|e| crate::errors::file_error(py, e, path))
    }

    fn early_hint(&mut self, event: &Bound<'_, PyDict>) -> PyResult<()> {
        self.expect(Stage::Start, "http.response.early_hint")?;
        let py = event.py();
        let Some(links) = event.get_item(intern!(py, "links"))? else {
            return Ok(());
        };
        let fields = self.writer.headers_mut().map_err(write_error)?;
        for link in links.try_iter()? {
            let link = bytes(py, link?)?;
            let value = HeaderValue::from_bytes(link.as_bytes()).map_err(|_| {
                PyTypeError::new_err("a link of an early hint has a control character")
            })?;
            fields.append(LINK, value);
        }
        let informed = self.writer.set_status(103).map_err(write_error);
        self.writer.headers_mut().map_err(write_error)?.clear();
        informed
    }
}

/// Whether an optional flag of an event is set.
fn truth(event: &Bound<'_, PyDict>, name: &Bound<'_, PyString>) -> PyResult<bool> {
    match event.get_item(name)? {
        Some(value) => value.is_truthy(),
        None => Ok(false),
    }
}

/// A value that should be bytes. Other buffers, which uvicorn takes too, are copied.
fn bytes<'py>(py: Python<'py>, value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    match value.cast_into::<PyBytes>() {
        Ok(bytes) => Ok(bytes),
        Err(e) => {
            let value = e.into_inner();
            if value.is_instance_of::<PyString>() {
                return Err(PyTypeError::new_err(format!(
                    "a body is {}; ASGI wants bytes",
                    type_name(&value)
                )));
            }
            Ok(PyBytes::new(py, &crate::convert::bytes_of(&value)?))
        }
    }
}

fn request_event(py: Python<'_>, body: &[u8], more: bool) -> PyResult<Py<PyAny>> {
    let event = PyDict::new(py);
    event.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
    event.set_item(intern!(py, "body"), PyBytes::new(py, body))?;
    event.set_item(intern!(py, "more_body"), more)?;
    Ok(event.into_any().unbind())
}

fn disconnect(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let event = PyDict::new(py);
    event.set_item(intern!(py, "type"), intern!(py, "http.disconnect"))?;
    Ok(event.into_any().unbind())
}

/// An event that is still to come.
struct Event(Py<Http>, AtomicBool);

impl Pollable for Event {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let polled = lock(py, &self.0.get().inner).poll_event(py, cx);
        if polled.is_pending() && !self.1.swap(true, Relaxed) {
            self.0.get().listening.fetch_add(1, Relaxed);
        }
        polled
    }
}

impl Drop for Event {
    /// Delivered, or cancelled.
    fn drop(&mut self) {
        if *self.1.get_mut() {
            self.0.get().listening.fetch_sub(1, Relaxed);
        }
    }
}

/// Room for more of the answer, which a slow client makes by and by.
struct Room(Py<Http>);

impl Pollable for Room {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let http = self.0.get();
        match lock(py, &http.inner).writer.poll_room(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(WriteError::ClientGone)) if http.is_listening() => {
                Poll::Ready(Ok(py.None()))
            }
            Poll::Ready(room) => Poll::Ready(room.map(|()| py.None()).map_err(write_error)),
        }
    }
}

/// A `send` to a client that has gone, while a `receive` is about to say so: it does nothing, and lets the
/// loop run once.
#[derive(Default)]
struct Passed(AtomicBool);

impl Pollable for Passed {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        if self.0.swap(true, Relaxed) {
            return Poll::Ready(Ok(py.None()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
