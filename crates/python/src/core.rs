//! `Core`: a server under the Python class `Server`.

use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use oxbridge::listen::Bind;
use oxbridge::{Exchange, Limits, Server, StartError};
use pyo3::exceptions::{PyOSError, PyOverflowError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::aio::{Delivery, Item, Queue};
use crate::call::{self, Interpreter};
use crate::convert::{lock, type_name};
use crate::edge::Edge;
use crate::errors::PatternError;
use crate::mux::{Kind, Mux};
use crate::tls::{Tls, tls_error};

/// Every server that runs, for the interpreter's exit.
/// With the process that started it: a fork copies the list, but neither threads nor sockets to call its
/// own.
static RUNNING: Mutex<Vec<(u32, Weak<Server>)>> = Mutex::new(Vec::new());

/// A server: what the package's `Server` is made of.
#[pyclass(frozen, module = "oxbridge._oxbridge")]
pub(crate) struct Core {
    mux: Py<Mux>,
    binds: Vec<Bind>,
    tls: Option<Py<Tls>>,
    options: Options,
    queue: Arc<Queue>,
    server: Mutex<State>,
    /// Where it listens, or did: known from the start on.
    place: OnceLock<Place>,
}

struct Place {
    addresses: Vec<String>,
    url: Option<String>,
}

/// A server starts once.
enum State {
    New,
    Running(Arc<Server>),
    /// The server is dropped by then, with its descriptors and its hold on the handlers.
    Ended,
}

#[derive(Clone)]
struct Options {
    limits: Limits,
    threads: usize,
    queue: usize,
    edge: Edge,
}

#[pymethods]
impl Core {
    #[new]
    #[pyo3(signature = (mux, binds, tls=None, options=None))]
    fn new(
        mux: Py<Mux>,
        binds: Vec<String>,
        tls: Option<Py<Tls>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let binds = binds
            .iter()
            .map(|text| {
                text.parse().map_err(|e: oxbridge::listen::ParseBindError| {
                    PyValueError::new_err(e.to_string())
                })
            })
            .collect::<PyResult<_>>()?;
        let queue = Queue::new().map_err(|e| PyOSError::new_err(e.to_string()))?;
        Ok(Core {
            mux,
            binds,
            tls,
            options: read_options(options)?,
            queue,
            server: Mutex::new(State::New),
            place: OnceLock::new(),
        })
    }

    /// Binds and starts the threads.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        crate::logs::install();
        let mut slot = lock(py, &self.server);
        if !matches!(*slot, State::New) {
            return Err(PyRuntimeError::new_err(
                "the server has been started already",
            ));
        }
        let mut builder = Server::builder();
        for route in self.mux.get().routes(py) {
            let function = route.function;
            match route.kind {
                Kind::Blocking => builder.blocking_exchange(
                    &route.pattern,
                    move |ex: Exchange| call::run(&function, ex),
                    route.location,
                ),
                Kind::Inline => builder.inline_exchange(
                    &route.pattern,
                    move |ex: Exchange| call::run(&function, ex),
                    route.location,
                ),
                Kind::Async => {
                    let (queue, function) = (self.queue.clone(), Arc::new(function));
                    let deliver = move |ex: Exchange| {
                        queue.put(Item::Exchange(function.clone(), Box::new(ex)))
                    };
                    builder.inline_exchange(&route.pattern, deliver, route.location)
                }
            }
            .map_err(|e| PatternError::new_err(e.to_string()))?;
        }
        let Options {
            limits,
            threads,
            queue,
            edge,
        } = self.options.clone();
        let mut builder = edge
            .apply(builder)
            .limits(limits)
            .threads(threads)
            .queue(queue)
            .host(Arc::new(Interpreter));
        for bind in &self.binds {
            builder = builder.bind(bind.clone());
        }
        if let Some(tls) = &self.tls {
            builder = builder.tls(tls.get().build()?);
        }
        let server = Arc::new(py.detach(|| builder.start()).map_err(start_error)?);
        let mut running = lock(py, &RUNNING);
        running.retain(|(_, server)| server.strong_count() > 0);
        running.push((std::process::id(), Arc::downgrade(&server)));
        // Set once: a server that has been started is not started again.
        let _ = self.place.set(Place {
            addresses: server.addresses().iter().map(ToString::to_string).collect(),
            url: server.url(),
        });
        *slot = State::Running(server);
        Ok(())
    }

    /// Starts to stop; see the Rust crate's `Server::begin_stop`.
    #[pyo3(signature = (timeout))]
    fn begin_stop(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        let grace = seconds("timeout", timeout)?;
        if let Some(server) = self.running(py) {
            py.detach(|| server.begin_stop(grace));
        }
        Ok(())
    }

    /// Waits until the server has stopped, at most `timeout` seconds; says whether it has.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let deadline = timeout
            .map(|t| seconds("timeout", t))
            .transpose()?
            .map(|t| Instant::now() + t);
        let Some(server) = self.running(py) else {
            return Ok(true);
        };
        let ended = py.detach(|| server.wait_until(deadline));
        if ended {
            let state = std::mem::replace(&mut *lock(py, &self.server), State::Ended);
            py.detach(|| drop((state, server)));
        }
        Ok(ended)
    }

    #[getter]
    fn addresses(&self) -> Vec<String> {
        self.place
            .get()
            .map_or_else(Vec::new, |place| place.addresses.clone())
    }

    #[getter]
    fn url(&self) -> Option<String> {
        self.place.get()?.url.clone()
    }

    #[getter]
    fn connections(&self, py: Python<'_>) -> usize {
        self.running(py).map_or(0, |server| server.connections())
    }

    #[getter]
    fn live_exchanges(&self, py: Python<'_>) -> usize {
        self.running(py).map_or(0, |server| server.exchanges())
    }

    /// Reads certificates and key again.
    fn reload_tls(&self, py: Python<'_>) -> PyResult<()> {
        match self.running(py) {
            Some(server) => py.detach(|| server.reload_tls()).map_err(tls_error),
            None => Ok(()),
        }
    }

    /// The descriptor that is readable while exchanges of async handlers wait.
    fn async_fd(&self) -> i32 {
        self.queue.fd()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.mux)?;
        self.tls.iter().try_for_each(|tls| visit.call(tls))
    }

    /// The exchanges of async handlers that wait, as `(function, w, req)`.
    fn take_async(&self, py: Python<'_>) -> PyResult<Vec<Delivery>> {
        self.queue.take_exchanges(py)
    }
}

impl Core {
    fn running(&self, py: Python<'_>) -> Option<Arc<Server>> {
        match &*lock(py, &self.server) {
            State::Running(server) => Some(server.clone()),
            State::New | State::Ended => None,
        }
    }
}

/// Stops every server, for the interpreter's exit: gives handlers a moment, then cuts.
#[pyfunction]
pub(crate) fn stop_all(py: Python<'_>) {
    let here = std::process::id();
    let running: Vec<_> = lock(py, &RUNNING)
        .drain(..)
        .filter_map(|(process, server)| {
            if process == here {
                return server.upgrade();
            }
            // Another process's: dropping the last reference would stop it there.
            std::mem::forget(server);
            None
        })
        .collect();
    if running.is_empty() {
        return;
    }
    py.detach(|| {
        for server in &running {
            server.begin_stop(Duration::ZERO);
        }
        for server in running {
            server.stop(Duration::ZERO);
        }
    });
}

fn start_error(e: StartError) -> PyErr {
    match e.raw_os_error() {
        Some(errno) => PyOSError::new_err((errno, e.to_string())),
        None if e.field().is_some() => PyValueError::new_err(e.to_string()),
        None => PyOSError::new_err(e.to_string()),
    }
}

fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    // A century is as good as for ever, and does not overflow a clock.
    if value.is_nan() || value < 0.0 {
        return Err(PyValueError::new_err(format!(
            "{name} is {value}; wanted seconds, 0 or more"
        )));
    }
    Duration::try_from_secs_f64(value.min(3.2e9))
        .map_err(|e| PyOverflowError::new_err(e.to_string()))
}

/// The options by name; an unknown one is an error that lists the known ones.
fn read_options(options: Option<&Bound<'_, PyDict>>) -> PyResult<Options> {
    const KNOWN: &str = "threads, queue, max_header_bytes, max_headers, max_body, header_timeout, body_timeout, keep_alive_timeout, write_timeout, max_connections, h2_max_streams, buffer_body, write_ahead";
    let mut all = Options {
        limits: Limits::default(),
        threads: 200,
        queue: 1024,
        edge: Edge::default(),
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
            _ if all.edge.read(&name, &value)? => {}
            _ => {
                let edge = Edge::KNOWN;
                return Err(PyTypeError::new_err(format!(
                    "unknown option {name:?}; known are {KNOWN}, {edge}"
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
