//! An event loop's thread that takes the turns of a server: asyncio's selector is the reactor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oxbridge::{AtTheWheel, Server, TurnError, Turned};
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::aio::Queue;

/// The turns of one server, taken by the thread that made this.
#[pyclass(unsendable, module = "oxbridge._oxbridge")]
pub(crate) struct Turns {
    server: Arc<Server>,
    queue: Arc<Queue>,
    /// What the thread answers outside of turns leaves with the next one.
    _seat: AtTheWheel,
}

impl Turns {
    pub(crate) fn new(server: Arc<Server>, queue: Arc<Queue>) -> PyResult<Self> {
        let seat = server.sit().map_err(turn_error)?;
        Ok(Turns {
            server,
            queue,
            _seat: seat,
        })
    }
}

#[pymethods]
impl Turns {
    /// Drives the server until the loop has something to do: a callback that is ready, a new timer, its
    /// own descriptors (True), or the end of `timeout` seconds (None waits without a bound).
    ///
    /// Requests are handled meanwhile, one batch after the other, without a trip through the loop for as
    /// long as their handlers leave nothing in it.
    fn take(
        &self,
        py: Python<'_>,
        event_loop: &Bound<'_, PyAny>,
        ready: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<bool> {
        let timers = timers_of(event_loop)?;
        let deadline = match timeout {
            Some(seconds) if seconds > 0.0 => Duration::try_from_secs_f64(seconds)
                .ok()
                .and_then(|wait| Instant::now().checked_add(wait)),
            _ => None,
        };
        let mut wait = match (timeout, deadline) {
            (Some(seconds), _) if seconds <= 0.0 => Some(Duration::ZERO),
            (_, Some(_)) => timeout.map(Duration::from_secs_f64),
            _ => None,
        };
        loop {
            if self.queue.is_due() {
                self.queue.take_exchanges(py)?;
            }
            if ready.len()? != 0 {
                wait = Some(Duration::ZERO);
            }
            let server = &self.server;
            let turned = py.detach(|| server.turn_io(wait)).map_err(turn_error)?;
            py.check_signals()?;
            if turned.handled != 0 {
                self.server.run_ready().map_err(turn_error)?;
            }
            if self.queue.is_due() {
                self.queue.take_exchanges(py)?;
            }
            if self.is_due(&turned, event_loop, ready, timers)? || wait == Some(Duration::ZERO) {
                return Ok(turned.readable);
            }
            if let Some(deadline) = deadline {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(false);
                }
                wait = Some(left);
            }
        }
    }

    /// Whether the server has come to the end of its stop.
    fn stopped(&self) -> PyResult<bool> {
        Ok(self.server.wait_until(Some(Instant::now())))
    }
}

impl Turns {
    /// Whether the loop has something to do.
    fn is_due(
        &self,
        turned: &Turned,
        event_loop: &Bound<'_, PyAny>,
        ready: &Bound<'_, PyAny>,
        timers: usize,
    ) -> PyResult<bool> {
        Ok(turned.readable
            || turned.stopped
            || ready.len()? != 0
            || timers_of(event_loop)? != timers)
    }
}

/// How many timers the loop has: a new one may be due before the time that the loop asked to wait for.
fn timers_of(event_loop: &Bound<'_, PyAny>) -> PyResult<usize> {
    event_loop
        .getattr(intern!(event_loop.py(), "_scheduled"))?
        .len()
}

fn turn_error(e: TurnError) -> PyErr {
    PyRuntimeError::new_err(e.to_string())
}
