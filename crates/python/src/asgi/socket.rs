//! `receive` and `send` of one WebSocket.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::StatusCode;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use oxbridge::Exchange;
use oxbridge::websocket::{Accept, Event, Message, SendError, Utf8Bytes, WebSocket};
use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::aio::Queue;
use crate::asgi::{Asgi, headers};
use crate::awaitable::{self, Pollable};
use crate::call;
use crate::convert::lock;
use crate::errors::{ClientGone, is_about_client, write_error};
use crate::send::{send_bytes, write_bytes};
use crate::tasks::{self, Answering, Outcome};

/// One WebSocket as its application sees it, by the bound methods `receive` and `send`.
#[pyclass(frozen, module = "oxbridge._oxbridge")]
pub(crate) struct Socket {
    inner: Mutex<Inner>,
    asgi: Arc<Asgi>,
    queue: Arc<Queue>,
    /// What the log calls it.
    name: String,
}

struct Inner {
    stage: Stage,
    /// `websocket.connect` has been received.
    connected: bool,
    /// A `receive` that began before the socket was accepted.
    waiting: Option<Waker>,
}

enum Stage {
    /// The application has not decided yet.
    Asked(Exchange),
    Open(WebSocket),
    /// It answers with a response instead.
    Refusing(Exchange),
    /// The application has closed it.
    Closed(Option<WebSocket>),
}

impl Socket {
    pub(super) fn new(asgi: Arc<Asgi>, queue: Arc<Queue>, mut exchange: Exchange) -> Self {
        let name = format!("websocket {}", exchange.request().uri());
        exchange.response().set_sniffs(false);
        Socket {
            inner: Mutex::new(Inner {
                stage: Stage::Asked(exchange),
                connected: false,
                waiting: None,
            }),
            asgi,
            queue,
            name,
        }
    }
}

#[pymethods]
impl Socket {
    /// The next event: that the client would connect, a message, or that it has gone.
    fn receive(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let socket = slf.get();
        awaitable::of(py, Next(slf.clone().unbind()), || {
            socket.asgi.tasks.waiting(py, &socket.queue)
        })
    }

    /// Takes an event of the application.
    fn send(slf: &Bound<'_, Self>, event: &Bound<'_, PyDict>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let socket = slf.get();
        let kind = event
            .get_item(intern!(py, "type"))?
            .ok_or_else(|| PyKeyError::new_err("an ASGI event needs a \"type\""))?;
        let kind = kind.cast::<PyString>()?;
        let mut inner = lock(py, &socket.inner);
        match kind.to_str()? {
            "websocket.send" => inner.message(event)?,
            "websocket.accept" => inner.accept(event, &socket.asgi)?,
            "websocket.close" => inner.close(event)?,
            "websocket.http.response.start" => inner.refuse_start(event)?,
            "websocket.http.response.body" => inner.refuse_body(event)?,
            other => {
                return Err(PyRuntimeError::new_err(format!(
                    "unexpected ASGI event {other:?} for a WebSocket"
                )));
            }
        }
        let waiting = inner.waiting.take();
        drop(inner);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
        awaitable::of(py, Room(slf.clone().unbind()), || {
            socket.asgi.tasks.waiting(py, &socket.queue)
        })
    }

    /// Sees to it that the socket ends with its task.
    #[pyo3(name = "ended")]
    fn ended_by(&self, py: Python<'_>, task: &Bound<'_, PyAny>) -> PyResult<()> {
        self.ended(py, task)
    }
}

impl Answering for Socket {
    fn ended(&self, py: Python<'_>, task: &Bound<'_, PyAny>) -> PyResult<()> {
        self.asgi.tasks.forget(py, task)?;
        match tasks::outcome(py, task)? {
            Outcome::Returned => {
                let unanswered = lock(py, &self.inner).end(1000, StatusCode::INTERNAL_SERVER_ERROR);
                if unanswered {
                    let fault = "the application returned without an answer";
                    call::report_text(py, &format!("{}: {fault}", self.name));
                }
            }
            Outcome::Raised(error) => self.fail(py, &error),
            Outcome::Cancelled => {
                lock(py, &self.inner).end(1012, StatusCode::SERVICE_UNAVAILABLE);
            }
        }
        Ok(())
    }

    fn fail(&self, py: Python<'_>, error: &PyErr) {
        lock(py, &self.inner).end(1011, StatusCode::INTERNAL_SERVER_ERROR);
        if !is_about_client(py, error) {
            call::report(py, error, &self.name);
        }
    }
}

impl Inner {
    /// Ends what is still open; says whether the client had no answer at all.
    fn end(&mut self, code: u16, status: StatusCode) -> bool {
        match std::mem::replace(&mut self.stage, Stage::Closed(None)) {
            Stage::Asked(mut exchange) => {
                let gone = exchange.response().is_client_gone();
                exchange.refuse(status);
                return !gone;
            }
            Stage::Refusing(exchange) => exchange.refuse(status),
            Stage::Open(socket) => {
                // Closed already is closed.
                let _ = socket.close(code, "");
            }
            Stage::Closed(_) => {}
        }
        false
    }

    /// The next event for the application, if it is there.
    fn poll_event(&mut self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        if !self.connected {
            self.connected = true;
            return Poll::Ready(event_of(py, intern!(py, "websocket.connect"), |_| Ok(())));
        }
        match &mut self.stage {
            Stage::Asked(exchange) | Stage::Refusing(exchange) => {
                if exchange.response().poll_gone(cx).is_ready() {
                    return Poll::Ready(disconnect(py, 1006, ""));
                }
                self.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
            Stage::Closed(None) => Poll::Ready(disconnect(py, 1006, "")),
            Stage::Open(socket) | Stage::Closed(Some(socket)) => {
                socket.poll_recv(cx).map(|event| received(py, event))
            }
        }
    }

    /// Whether there is room for another message.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<PyResult<()>> {
        match &mut self.stage {
            Stage::Open(socket) => socket.poll_room(cx).map(|room| room.map_err(send_error)),
            Stage::Refusing(exchange) => exchange
                .response()
                .poll_room(cx)
                .map(|room| room.map_err(write_error)),
            Stage::Asked(_) | Stage::Closed(_) => Poll::Ready(Ok(())),
        }
    }

    fn unexpected(&self, event: &str) -> PyErr {
        let state = match &self.stage {
            Stage::Asked(_) => "the WebSocket has not been accepted",
            Stage::Open(_) => "the WebSocket has been accepted",
            Stage::Refusing(_) => "a response has been begun",
            Stage::Closed(_) => "the WebSocket is closed",
        };
        PyRuntimeError::new_err(format!("unexpected ASGI event {event:?}: {state}"))
    }

    fn accept(&mut self, event: &Bound<'_, PyDict>, asgi: &Asgi) -> PyResult<()> {
        let py = event.py();
        if !matches!(self.stage, Stage::Asked(_)) {
            return Err(self.unexpected("websocket.accept"));
        }
        let subprotocol: Option<String> = match event.get_item(intern!(py, "subprotocol"))? {
            Some(name) => name.extract()?,
            None => None,
        };
        let mut headers = match event.get_item(intern!(py, "headers"))? {
            Some(fields) if !fields.is_none() => headers::parse(&fields)?,
            _ => http::HeaderMap::new(),
        };
        for name in OURS {
            headers.remove(name);
        }
        let Stage::Asked(mut exchange) = std::mem::replace(&mut self.stage, Stage::Closed(None))
        else {
            return Ok(());
        };
        if exchange.response().is_client_gone() {
            return Err(ClientGone::new_err("the client has gone"));
        }
        let accept = Accept {
            subprotocol,
            headers,
            options: asgi.websocket.clone(),
        };
        match exchange.accept_websocket(accept) {
            Ok((_, socket)) => {
                self.stage = Stage::Open(socket);
                Ok(())
            }
            Err((exchange, error)) => {
                // The application may still refuse in its own way.
                self.stage = Stage::Asked(exchange);
                Err(PyRuntimeError::new_err(error.to_string()))
            }
        }
    }

    fn message(&mut self, event: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = event.py();
        let Stage::Open(socket) = &self.stage else {
            return Err(self.unexpected("websocket.send"));
        };
        let present = |name| -> PyResult<Option<Bound<'_, PyAny>>> {
            Ok(event.get_item(name)?.filter(|value| !value.is_none()))
        };
        let message = if let Some(bytes) = present(intern!(py, "bytes"))? {
            let bytes = match bytes.cast::<PyBytes>() {
                Ok(bytes) => Bytes::copy_from_slice(bytes.as_bytes()),
                Err(_) if bytes.is_instance_of::<PyString>() => {
                    return Err(PyTypeError::new_err(
                        "the \"bytes\" of \"websocket.send\" are str; \"text\" is for those",
                    ));
                }
                Err(_) => Bytes::copy_from_slice(&crate::convert::bytes_of(&bytes)?),
            };
            Message::Binary(bytes)
        } else if let Some(text) = present(intern!(py, "text"))? {
            let text = text.cast::<PyString>()?.to_str()?;
            Message::Text(Utf8Bytes::from(text.to_owned()))
        } else {
            return Err(PyTypeError::new_err(
                "\"websocket.send\" needs \"bytes\" or \"text\"",
            ));
        };
        socket.send(message).map_err(send_error)
    }

    fn close(&mut self, event: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = event.py();
        let code: u16 = match event.get_item(intern!(py, "code"))? {
            Some(code) if !code.is_none() => code.extract()?,
            _ => 1000,
        };
        let reason: String = match event.get_item(intern!(py, "reason"))? {
            Some(reason) if !reason.is_none() => reason.extract()?,
            _ => String::new(),
        };
        match std::mem::replace(&mut self.stage, Stage::Closed(None)) {
            Stage::Asked(exchange) => {
                exchange.refuse(StatusCode::FORBIDDEN);
                Ok(())
            }
            Stage::Open(socket) => match socket.close(code, &reason) {
                Ok(()) => {
                    self.stage = Stage::Closed(Some(socket));
                    Ok(())
                }
                Err(e) => {
                    self.stage = Stage::Open(socket);
                    Err(send_error(e))
                }
            },
            stage => {
                self.stage = stage;
                Err(self.unexpected("websocket.close"))
            }
        }
    }

    fn refuse_start(&mut self, event: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = event.py();
        let Stage::Asked(exchange) = &mut self.stage else {
            return Err(self.unexpected("websocket.http.response.start"));
        };
        let status = event.get_item(intern!(py, "status"))?.ok_or_else(|| {
            PyKeyError::new_err("\"websocket.http.response.start\" needs a \"status\"")
        })?;
        let writer = exchange.response();
        writer.set_status(status.extract()?).map_err(write_error)?;
        if let Some(fields) = event.get_item(intern!(py, "headers"))? {
            *writer.headers_mut().map_err(write_error)? = headers::parse(&fields)?;
        }
        if let Stage::Asked(exchange) = std::mem::replace(&mut self.stage, Stage::Closed(None)) {
            self.stage = Stage::Refusing(exchange);
        }
        Ok(())
    }

    fn refuse_body(&mut self, event: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = event.py();
        let Stage::Refusing(exchange) = &mut self.stage else {
            return Err(self.unexpected("websocket.http.response.body"));
        };
        let more = match event.get_item(intern!(py, "more_body"))? {
            Some(more) => more.is_truthy()?,
            None => false,
        };
        if let Some(body) = event.get_item(intern!(py, "body"))? {
            let body = body.cast::<PyBytes>()?;
            if more {
                send_bytes(py, exchange.response(), body)?;
            } else {
                write_bytes(py, exchange.response(), body)?;
            }
        }
        if !more
            && let Stage::Refusing(exchange) =
                std::mem::replace(&mut self.stage, Stage::Closed(None))
        {
            exchange.end().map_err(write_error)?;
        }
        Ok(())
    }
}

/// The handshake's own fields, which the server writes whatever an application says of them.
const OURS: [HeaderName; 8] = [
    CONNECTION,
    CONTENT_LENGTH,
    SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING,
    UPGRADE,
];

fn send_error(e: SendError) -> PyErr {
    match e {
        SendError::Closed => ClientGone::new_err("the WebSocket is closed"),
        e => PyRuntimeError::new_err(e.to_string()),
    }
}

fn event_of(
    py: Python<'_>,
    kind: &Bound<'_, PyString>,
    fill: impl FnOnce(&Bound<'_, PyDict>) -> PyResult<()>,
) -> PyResult<Py<PyAny>> {
    let event = PyDict::new(py);
    event.set_item(intern!(py, "type"), kind)?;
    fill(&event)?;
    Ok(event.into_any().unbind())
}

fn received(py: Python<'_>, event: Event) -> PyResult<Py<PyAny>> {
    let kind = intern!(py, "websocket.receive");
    match event {
        Event::Text(text) => event_of(py, kind, |event| {
            event.set_item(intern!(py, "text"), text.as_str())
        }),
        Event::Binary(bytes) => event_of(py, kind, |event| {
            event.set_item(intern!(py, "bytes"), PyBytes::new(py, &bytes))
        }),
        Event::Closed { code, reason } => disconnect(py, code, &reason),
    }
}

fn disconnect(py: Python<'_>, code: u16, reason: &str) -> PyResult<Py<PyAny>> {
    event_of(py, intern!(py, "websocket.disconnect"), |event| {
        event.set_item(intern!(py, "code"), code)?;
        event.set_item(intern!(py, "reason"), reason)
    })
}

/// An event that is still to come.
struct Next(Py<Socket>);

impl Pollable for Next {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        lock(py, &self.0.get().inner).poll_event(py, cx)
    }
}

/// Room for another message.
struct Room(Py<Socket>);

impl Pollable for Room {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        lock(py, &self.0.get().inner)
            .poll_room(cx)
            .map(|room| room.map(|()| py.None()))
    }
}
