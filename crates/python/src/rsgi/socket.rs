//! The protocol object of a WebSocket, and the transport that it becomes.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use oxbridge::Exchange;
use oxbridge::websocket::{Accept, Event, Message, SendError, Utf8Bytes, WebSocket};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::aio::Queue;
use crate::awaitable::{self, Pollable};
use crate::call;
use crate::convert::{bytes_of, lock};
use crate::errors::is_about_client;
use crate::rsgi::{ProtocolClosed, ProtocolError, Rsgi};
use crate::tasks::{self, Answering, Outcome};

/// One WebSocket, as `protocol`.
#[pyclass(frozen, name = "RSGIWebsocketProtocol", module = "oxbridge._oxbridge")]
pub(crate) struct SocketProtocol {
    state: Mutex<State>,
    pub(super) rsgi: Arc<Rsgi>,
    queue: Arc<Queue>,
    /// What the log calls it.
    name: String,
}

enum State {
    Asked(Box<Exchange>),
    Open(WebSocket),
    Closed,
}

impl SocketProtocol {
    pub(super) fn new(
        rsgi: Arc<Rsgi>,
        queue: Arc<Queue>,
        exchange: Exchange,
        name: String,
    ) -> Self {
        SocketProtocol {
            state: Mutex::new(State::Asked(Box::new(exchange))),
            rsgi,
            queue,
            name,
        }
    }

    /// Ends what is still open; says whether the client had no answer at all.
    fn end(&self, py: Python<'_>, code: u16, status: StatusCode) -> bool {
        let state = std::mem::replace(&mut *lock(py, &self.state), State::Closed);
        match state {
            State::Asked(mut exchange) => {
                let gone = exchange.response().is_client_gone();
                exchange.refuse(status);
                !gone
            }
            State::Open(socket) => {
                // Closed already is closed.
                let _ = socket.close(code, "");
                false
            }
            State::Closed => false,
        }
    }

    fn take(&self, py: Python<'_>) -> PyResult<WebSocket> {
        let mut state = lock(py, &self.state);
        let State::Asked(exchange) = std::mem::replace(&mut *state, State::Closed) else {
            return Err(ProtocolError::new_err(
                "the WebSocket has been accepted or refused already",
            ));
        };
        let accept = Accept {
            options: self.rsgi.websocket.clone(),
            ..Accept::default()
        };
        match exchange.accept_websocket(accept) {
            Ok((_, socket)) => {
                *state = State::Open(socket.clone());
                Ok(socket)
            }
            Err((exchange, error)) => {
                exchange.refuse_websocket(&error);
                Err(ProtocolError::new_err(error.to_string()))
            }
        }
    }
}

#[pymethods]
impl SocketProtocol {
    /// Accepts it: the transport, to be awaited.
    fn accept(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let socket = slf.get().take(py)?;
        let transport = Transport {
            socket,
            protocol: slf.clone().unbind(),
        };
        awaitable::ready(py, Py::new(py, transport)?.into_any())
    }

    /// Closes it with a code (1000 by default); before it is accepted, refuses it with an HTTP status
    /// (403 by default).
    #[pyo3(signature = (status=None))]
    fn close(&self, py: Python<'_>, status: Option<u16>) -> PyResult<()> {
        let state = std::mem::replace(&mut *lock(py, &self.state), State::Closed);
        match state {
            State::Asked(exchange) => {
                let refusal = status
                    .filter(|status| (400..600).contains(status))
                    .and_then(|status| StatusCode::from_u16(status).ok())
                    .unwrap_or(StatusCode::FORBIDDEN);
                exchange.refuse(refusal);
                Ok(())
            }
            State::Open(socket) => match socket.close(status.unwrap_or(1000), "") {
                Ok(()) | Err(SendError::Closed) => Ok(()),
                Err(e) => {
                    *lock(py, &self.state) = State::Open(socket);
                    Err(PyValueError::new_err(e.to_string()))
                }
            },
            State::Closed => Ok(()),
        }
    }

    /// Sees to it that the socket ends with its task.
    #[pyo3(name = "ended")]
    fn ended_by(&self, py: Python<'_>, task: &Bound<'_, PyAny>) -> PyResult<()> {
        self.ended(py, task)
    }
}

impl Answering for SocketProtocol {
    fn ended(&self, py: Python<'_>, task: &Bound<'_, PyAny>) -> PyResult<()> {
        self.rsgi.tasks.forget(py, task)?;
        match tasks::outcome(py, task)? {
            Outcome::Returned => {
                if self.end(py, 1000, StatusCode::INTERNAL_SERVER_ERROR) {
                    let fault = "the application returned without an answer";
                    call::report_text(py, &format!("{}: {fault}", self.name));
                }
            }
            Outcome::Raised(error) => self.fail(py, &error),
            Outcome::Cancelled => {
                self.end(py, 1012, StatusCode::SERVICE_UNAVAILABLE);
            }
        }
        Ok(())
    }

    fn fail(&self, py: Python<'_>, error: &PyErr) {
        self.end(py, 1011, StatusCode::INTERNAL_SERVER_ERROR);
        if !is_about_client(py, error) && !error.is_instance_of::<ProtocolClosed>(py) {
            call::report(py, error, &self.name);
        }
    }
}

/// An open WebSocket.
#[pyclass(frozen, name = "RSGIWebsocketTransport", module = "oxbridge._oxbridge")]
struct Transport {
    socket: WebSocket,
    protocol: Py<SocketProtocol>,
}

impl Transport {
    fn wait(&self, py: Python<'_>, what: impl Pollable + 'static) -> PyResult<Py<PyAny>> {
        let protocol = self.protocol.get();
        awaitable::of(py, what, || {
            protocol.rsgi.tasks.waiting(py, &protocol.queue)
        })
    }

    fn send(&self, py: Python<'_>, message: Message) -> PyResult<Py<PyAny>> {
        self.socket.send(message).map_err(closed)?;
        self.wait(py, Room(self.socket.clone()))
    }
}

#[pymethods]
impl Transport {
    /// The next message, to be awaited; its kind is 0 once the client has closed.
    fn receive(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.wait(py, Next(self.socket.clone()))
    }

    fn send_bytes(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let data = Bytes::copy_from_slice(&bytes_of(data)?);
        self.send(py, Message::Binary(data))
    }

    fn send_str(&self, py: Python<'_>, data: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        let data = Utf8Bytes::from(data.to_str()?.to_owned());
        self.send(py, Message::Text(data))
    }
}

/// What `receive` gives.
#[pyclass(
    frozen,
    get_all,
    name = "RSGIWebsocketMessage",
    module = "oxbridge._oxbridge"
)]
struct WebsocketMessage {
    kind: u8,
    data: Py<PyAny>,
}

fn closed(e: SendError) -> PyErr {
    ProtocolClosed::new_err(e.to_string())
}

/// A message that is still to come.
struct Next(WebSocket);

impl Pollable for Next {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        self.0.poll_recv(cx).map(|event| {
            let (kind, data) = match event {
                Event::Closed { .. } => (0, py.None()),
                Event::Binary(bytes) => (1, PyBytes::new(py, &bytes).into_any().unbind()),
                Event::Text(text) => (2, PyString::new(py, text.as_str()).into_any().unbind()),
            };
            Ok(Py::new(py, WebsocketMessage { kind, data })?.into_any())
        })
    }
}

/// Room for another message.
struct Room(WebSocket);

impl Pollable for Room {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        self.0
            .poll_room(cx)
            .map(|room| room.map(|()| py.None()).map_err(closed))
    }
}
