//! The options of a [`Core`](crate::core::Core): a dictionary of Python's as what the server's builder takes.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oxbridge::Limits;
use oxbridge::access_log::{AccessLog, Format, Sink};
use oxbridge::metrics::Metrics;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::content::Content;
use crate::convert::type_name;
use crate::edge::Edge;
use crate::metrics::borrowed;

/// See the module.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) content: Content,
    pub(crate) edge: Edge,
    pub(crate) limits: Limits,
    pub(crate) threads: usize,
    pub(crate) reactors: usize,
    pub(crate) queue: usize,
    pub(crate) access_log: Option<AccessLogOptions>,
    pub(crate) metrics: Option<Metrics>,
    pub(crate) max_requests: Option<u64>,
}

/// An access log that is not open yet.
#[derive(Clone)]
pub(crate) struct AccessLogOptions {
    format: Format,
    place: Place,
}

#[derive(Clone)]
enum Place {
    /// A duplicate: Python's own descriptor stays its own.
    Fd(Arc<OwnedFd>),
    Path(PathBuf),
}

impl AccessLogOptions {
    /// Opens it.
    pub(crate) fn start(&self) -> PyResult<AccessLog> {
        let sink = match &self.place {
            Place::Fd(fd) => Sink::fd(fd.try_clone()?),
            Place::Path(path) => Sink::path(path)?,
        };
        Ok(AccessLog::new(self.format.clone(), sink)?)
    }
}

/// The options by name; an unknown one is an error that lists the known ones.
pub(crate) fn read_options(options: Option<&Bound<'_, PyDict>>) -> PyResult<Options> {
    const KNOWN: &str = "threads, reactors, queue, max_header_bytes, max_target_bytes, max_headers, max_body, header_timeout, body_timeout, keep_alive_timeout, write_timeout, max_connections, h2_max_streams, buffer_body, write_ahead, access_log, metrics, limit_concurrency, max_requests, compression, static";
    let mut all = Options {
        content: Content::default(),
        edge: Edge::default(),
        limits: Limits::default(),
        threads: 200,
        reactors: 1,
        queue: 1024,
        access_log: None,
        metrics: None,
        max_requests: None,
    };
    let limits = &mut all.limits;
    for (name, value) in options.into_iter().flatten() {
        let name: String = name.extract()?;
        if all.content.read(&name, &value)? || all.edge.read(&name, &value)? {
            continue;
        }
        let count = || count(&name, &value);
        let time = || {
            value
                .extract::<f64>()
                .map_err(|_| wrong(&name, &value, "seconds"))
                .and_then(|v| seconds(&name, v))
        };
        match name.as_str() {
            "threads" => all.threads = count()?,
            "reactors" => all.reactors = count()?,
            "queue" => all.queue = count()?,
            "max_header_bytes" => limits.max_head_bytes = count()?,
            "max_target_bytes" => limits.max_target_bytes = count()?,
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
            "limit_concurrency" => {
                limits.max_concurrency = if value.is_none() {
                    None
                } else {
                    Some(count()?)
                }
            }
            "max_requests" => {
                all.max_requests = if value.is_none() {
                    None
                } else {
                    Some(count()? as u64)
                }
            }
            "access_log" if value.is_none() => all.access_log = None,
            "access_log" => all.access_log = Some(read_access_log(&value)?),
            "metrics" if value.is_none() => all.metrics = None,
            "metrics" => all.metrics = Some(read_metrics(&value)?),
            "h2_max_streams" => limits.h2_max_streams = u32::try_from(count()?).unwrap_or(u32::MAX),
            "buffer_body" => limits.buffer_body = count()?,
            "write_ahead" => limits.write_ahead = count()?,
            _ => {
                return Err(PyTypeError::new_err(format!(
                    "unknown option {name:?}; known are {KNOWN}, {}",
                    Edge::KNOWN
                )));
            }
        }
    }
    Ok(all)
}

/// `{"format": ..., "fd": ...}`, or `"path"` instead of `"fd"`.
fn read_access_log(value: &Bound<'_, PyAny>) -> PyResult<AccessLogOptions> {
    const WANTED: &str = "a dict with \"format\" and either \"fd\" or \"path\"";
    let wrong = || wrong("access_log", value, WANTED);
    let dict = value.cast::<PyDict>().map_err(|_| wrong())?;
    let format = match dict.get_item("format")? {
        Some(format) => format.extract::<String>().map_err(|_| wrong())?,
        None => return Err(wrong()),
    };
    let format = match format.as_str() {
        "common" => Format::common(),
        "combined" => Format::combined(),
        "json" => Format::json(),
        text => Format::parse(text).map_err(|e| PyValueError::new_err(e.to_string()))?,
    };
    let place = match (dict.get_item("fd")?, dict.get_item("path")?) {
        (Some(fd), None) => {
            let fd = fd.extract().map_err(|_| wrong())?;
            Place::Fd(Arc::new(borrowed(&fd)?.try_clone_to_owned()?))
        }
        (None, Some(path)) => Place::Path(path.extract().map_err(|_| wrong())?),
        _ => return Err(wrong()),
    };
    if dict.len() != 2 {
        return Err(wrong());
    }
    Ok(AccessLogOptions { format, place })
}

/// A `Metrics`, or `{"fd": ..., "slot": ...}`.
fn read_metrics(value: &Bound<'_, PyAny>) -> PyResult<Metrics> {
    if let Ok(metrics) = value.cast::<crate::metrics::Metrics>() {
        return Ok(metrics.get().0.clone());
    }
    let wrong = || {
        wrong(
            "metrics",
            value,
            "a Metrics, or a dict with \"fd\" and \"slot\"",
        )
    };
    let dict = value.cast::<PyDict>().map_err(|_| wrong())?;
    match (dict.get_item("fd")?, dict.get_item("slot")?) {
        (Some(fd), Some(slot)) if dict.len() == 2 => crate::metrics::open(
            fd.extract().map_err(|_| wrong())?,
            slot.extract().map_err(|_| wrong())?,
        ),
        _ => Err(wrong()),
    }
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
