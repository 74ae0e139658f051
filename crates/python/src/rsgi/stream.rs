//! The transport of a streamed response.

use std::task::{Context, Poll};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::awaitable::Pollable;
use crate::convert::{bytes_of, lock};
use crate::errors::write_error;
use crate::rsgi::ProtocolClosed;
use crate::rsgi::http::HttpProtocol;
use crate::send::send_bytes;

/// What `response_stream` gives: pieces go out as they come, no faster than the client takes them.
#[pyclass(
    frozen,
    name = "RSGIHTTPStreamTransport",
    module = "oxbridge._oxbridge"
)]
pub(super) struct Transport(Py<HttpProtocol>);

impl Transport {
    pub(super) fn new(protocol: Py<HttpProtocol>) -> Self {
        Transport(protocol)
    }

    fn send(&self, py: Python<'_>, data: &Bound<'_, PyBytes>) -> PyResult<Py<PyAny>> {
        let protocol = self.0.bind(py);
        {
            let mut inner = lock(py, &protocol.get().inner);
            if inner.writer.is_client_gone() {
                return Err(ProtocolClosed::new_err("the client has gone"));
            }
            send_bytes(py, &mut inner.writer, data)?;
        }
        HttpProtocol::wait(py, protocol, Room(self.0.clone_ref(py)))
    }
}

#[pymethods]
impl Transport {
    fn send_bytes(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        match data.cast::<PyBytes>() {
            Ok(data) => self.send(py, data),
            Err(_) => self.send(py, &PyBytes::new(py, &bytes_of(data)?)),
        }
    }

    fn send_str(&self, py: Python<'_>, data: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        self.send(py, &PyBytes::new(py, data.to_str()?.as_bytes()))
    }
}

/// Room for more of the answer.
struct Room(Py<HttpProtocol>);

impl Pollable for Room {
    fn poll(&self, py: Python<'_>, cx: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        lock(py, &self.0.get().inner)
            .writer
            .poll_room(cx)
            .map(|room| room.map(|()| py.None()).map_err(write_error))
    }
}
