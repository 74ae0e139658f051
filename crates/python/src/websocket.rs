//! What ASGI and RSGI share of WebSockets: their options, and who is asked whether to take one.

use std::time::Duration;

use http::header::UPGRADE;
use oxbridge::Exchange;
use oxbridge::websocket::{Accept, Options};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What a request is, for an application that takes WebSockets.
pub(crate) enum Asked {
    Http(Exchange),
    Websocket(Exchange),
    /// It asked for a WebSocket in a way that cannot be granted, and has been told so.
    Answered,
}

/// Tells WebSockets from other requests.
pub(crate) fn asked(mut exchange: Exchange) -> Asked {
    let request = exchange.request();
    if request.is_websocket() {
        return Asked::Websocket(exchange);
    }
    let wants = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    if !request.headers().get(UPGRADE).is_some_and(wants) {
        return Asked::Http(exchange);
    }
    match exchange.accept_websocket(Accept::default()) {
        // Not reached: it is none.
        Ok((_, socket)) => drop(socket),
        Err((exchange, error)) => exchange.refuse_websocket(&error),
    }
    Asked::Answered
}

/// The options of an application's WebSockets, by the names `max_size` and `max_queue` (bytes),
/// `ping_interval` and `ping_timeout` (seconds, or None) and `per_message_deflate`.
pub(crate) fn read_options(given: Option<&Bound<'_, PyDict>>) -> PyResult<Options> {
    let mut options = Options::default();
    for (name, value) in given.into_iter().flatten() {
        let name: String = name.extract()?;
        match name.as_str() {
            "max_size" => options.max_message = value.extract()?,
            "max_queue" => options.read_ahead = value.extract()?,
            "ping_interval" => options.ping_interval = time(&value)?,
            "ping_timeout" => options.ping_timeout = time(&value)?,
            "per_message_deflate" => options.deflate = value.is_truthy()?,
            _ => {
                return Err(PyTypeError::new_err(format!(
                    "unknown option {name:?} of WebSockets"
                )));
            }
        }
    }
    Ok(options)
}

/// Seconds; None, and 0, mean never.
fn time(value: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    let seconds: Option<f64> = value.extract()?;
    match seconds {
        None => Ok(None),
        Some(seconds) => {
            let time = crate::options::seconds("a time of WebSockets", seconds)?;
            Ok((!time.is_zero()).then_some(time))
        }
    }
}
