//! The options of a [`Core`](crate::core::Core): a dictionary of Python's as what the server's builder takes.

use std::time::Duration;

use oxbridge::Limits;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::type_name;

/// See the module.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) limits: Limits,
    pub(crate) threads: usize,
    pub(crate) queue: usize,
}

/// The options by name; an unknown one is an error that lists the known ones.
pub(crate) fn read_options(options: Option<&Bound<'_, PyDict>>) -> PyResult<Options> {
    const KNOWN: &str = "threads, queue, max_header_bytes, max_headers, max_body, header_timeout, body_timeout, keep_alive_timeout, write_timeout, max_connections, h2_max_streams, buffer_body, write_ahead";
    let mut all = Options {
        limits: Limits::default(),
        threads: 200,
        queue: 1024,
    };
    let limits = &mut all.limits;
    for (name, value) in options.into_iter().flatten() {
        let name: String = name.extract()?;
        let count = || count(&name, &value);
        let time = || {
            value
                .extract::<f64>()
                .map_err(|_| wrong(&name, &value, "seconds"))
                .and_then(|v| seconds(&name, v))
        };
        match name.as_str() {
            "threads" => all.threads = count()?,
            "queue" => all.queue = count()?,
            "max_header_bytes" => limits.max_head_bytes = count()?,
            "max_headers" => limits.max_headers = count()?,
            "max_body" => {
                limits.max_body = if value.is_none() {
                    None
                } else {
                    Some(count()? as u64)
                }
            }
            "header_timeout" => limits.header_timeout = time()?,
            "body_timeout" => limits.body_timeout = time()?,
            "keep_alive_timeout" => limits.keep_alive_timeout = time()?,
            "write_timeout" => limits.write_timeout = time()?,
            "max_connections" => {
                limits.max_connections = if value.is_none() {
                    None
                } else {
                    Some(count()?)
                }
            }
            "h2_max_streams" => limits.h2_max_streams = u32::try_from(count()?).unwrap_or(u32::MAX),
            "buffer_body" => limits.buffer_body = count()?,
            "write_ahead" => limits.write_ahead = count()?,
            _ => {
                return Err(PyTypeError::new_err(format!(
                    "unknown option {name:?}; known are {KNOWN}"
                )));
            }
        }
    }
    Ok(all)
}

fn count(name: &str, value: &Bound<'_, PyAny>) -> PyResult<usize> {
    value
        .extract::<usize>()
        .map_err(|_| wrong(name, value, "a whole number, 0 or more"))
}

fn wrong(name: &str, value: &Bound<'_, PyAny>, wanted: &str) -> PyErr {
    let shown = value
        .repr()
        .map_or_else(|_| "?".to_owned(), |r| r.to_string());
    PyTypeError::new_err(format!(
        "{name} is {shown} ({}); wanted {wanted}",
        type_name(value)
    ))
}

/// A time in seconds.
pub(crate) fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    // A century is as good as for ever, and does not overflow a clock.
    if value.is_nan() || value < 0.0 {
        return Err(PyValueError::new_err(format!(
            "{name} is {value}; wanted seconds, 0 or more"
        )));
    }
    Duration::try_from_secs_f64(value.min(3.2e9))
        .map_err(|e| PyOverflowError::new_err(e.to_string()))
}
