//! `Core`: a server under the Python class `Server`.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use oxbridge::access_log::AccessLog;
use oxbridge::listen::{Bind, ParseBindError};
use oxbridge::{InProcess, Server, StartError};
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::aio::{Delivery, Queue};
use crate::call::{self, Interpreter};
use crate::convert::lock;
use crate::mux::Mux;
use crate::options::{Options, read_options, seconds};
use crate::routes;
use crate::tls::{Tls, tls_error};
use crate::turns::Turns;

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
    on_max_requests: Option<Py<PyAny>>,
    /// While the server runs, if it writes one.
    access_log: OnceLock<AccessLog>,
    queue: Arc<Queue>,
    /// An event loop takes its turns, and has coroutine handlers started by this.
    driver: Option<Py<PyAny>>,
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

#[pymethods]
impl Core {
    #[new]
    #[pyo3(signature = (mux, binds, tls=None, options=None, on_max_requests=None, *, driver=None))]
    fn new(
        mux: Py<Mux>,
        binds: Vec<String>,
        tls: Option<Py<Tls>>,
        options: Option<&Bound<'_, PyDict>>,
        on_max_requests: Option<Py<PyAny>>,
        driver: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let binds = read_binds(&binds)?;
        let queue = if driver.is_some() {
            Queue::of_turns()
        } else {
            Queue::new().map_err(|e| PyOSError::new_err(e.to_string()))?
        };
        Ok(Core {
            mux,
            binds,
            tls,
            options: read_options(options)?,
            on_max_requests,
            access_log: OnceLock::new(),
            queue,
            driver,
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
        let driver = self.driver.as_ref();
        routes::register(py, &mut builder, self.mux.get(), &self.queue, driver)?;
        let Options {
            content,
            limits,
            threads,
            reactors,
            queue,
            access_log,
            metrics,
            max_requests,
            edge,
        } = self.options.clone();
        let mut builder = edge
            .apply(content.apply(builder)?)
            .limits(limits)
            .threads(threads)
            .reactors(reactors)
            .queue(queue)
            .driven(self.driver.is_some())
            .host(Arc::new(Interpreter));
        for bind in &self.binds {
            builder = builder.bind(bind.clone());
        }
        if let Some(access_log) = access_log {
            let log = access_log.start()?;
            // Set once: a server that has been started is not started again, unless it could not bind.
            let log = self.access_log.get_or_init(|| log);
            builder = builder.access_log(log.clone());
        }
        if let Some(metrics) = metrics {
            builder = builder.metrics(metrics);
        }
        if let (Some(most), Some(callback)) = (max_requests, &self.on_max_requests) {
            let callback = callback.clone_ref(py);
            builder = builder.max_requests(most, move || call_apart(callback));
        }
        if let Some(tls) = &self.tls {
            builder = builder.tls(tls.get().build()?);
        }
        let server = Arc::new(py.detach(|| builder.start()).map_err(start_error)?);
        self.queue.serve(&server);
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

    /// Opens the access log's file again, by its path.
    fn reopen_access_log(&self, py: Python<'_>) -> PyResult<()> {
        match self.access_log.get() {
            Some(log) => py.detach(|| log.reopen()).map_err(Into::into),
            None => Ok(()),
        }
    }

    /// How many lines of the access log were lost.
    #[getter]
    fn access_log_dropped(&self) -> u64 {
        self.access_log.get().map_or(0, AccessLog::dropped)
    }

    /// The descriptor that is readable while exchanges of async handlers wait; None for a server whose
    /// turns a loop takes.
    fn async_fd(&self) -> Option<i32> {
        self.queue.fd()
    }

    /// Has a function called once, soon, as a handler is: on a thread of the server's, or in a turn.
    fn run_soon(&self, py: Python<'_>, function: Py<PyAny>) {
        if let Some(server) = self.running(py) {
            server.runner().run(Box::new(move || {
                let _ = Python::try_attach(|py| {
                    if let Err(e) = function.call0(py) {
                        call::report(py, &e, "calling a function of the server's");
                    }
                });
            }));
        }
    }

    /// Makes the calling thread the one that takes the turns of a driven server. Turns end when `fd`
    /// becomes readable too.
    fn turns(&self, py: Python<'_>, fd: i32) -> PyResult<Turns> {
        let server = self
            .running(py)
            .ok_or_else(|| PyRuntimeError::new_err("the server does not run"))?;
        // SAFETY: the selector whose descriptor it is calls this and is open; the server keeps a
        // duplicate.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        server
            .watch(Some(fd))
            .map_err(|e| PyRuntimeError::new_err(e.to_string()))??;
        Turns::new(server, self.queue.clone())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.mux)?;
        visit.call(&self.on_max_requests)?;
        visit.call(&self.driver)?;
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

/// The entrance to the server of a `Core`, for the program around the interpreter. None if it does not run.
///
/// # Errors
/// It is no `Core`.
pub fn in_process(core: &Bound<'_, PyAny>) -> PyResult<Option<InProcess>> {
    let core = core.cast::<Core>()?;
    let server = core.get().running(core.py());
    Ok(server.map(|server| server.in_process()))
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

/// Where to listen.
pub(crate) fn read_binds(binds: &[String]) -> PyResult<Vec<Bind>> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|e: ParseBindError| PyValueError::new_err(e.to_string()))
    };
    binds.iter().map(parse).collect()
}

/// Calls `function()` on a thread of its own: whoever asks for it must not wait for the interpreter. Once in
/// the life of a server.
fn call_apart(function: Py<PyAny>) {
    let call = move || {
        // Without an interpreter there is nobody to tell.
        let _ = Python::try_attach(|py| {
            if let Err(e) = function.call0(py) {
                call::report(py, &e, "on_max_requests");
            }
        });
    };
    if let Err(e) = std::thread::Builder::new()
        .name("oxbridge-max-requests".into())
        .spawn(call)
    {
        tracing::error!("cannot tell that max_requests is reached: {e}");
    }
}

pub(crate) fn start_error(e: StartError) -> PyErr {
    match e.raw_os_error() {
        Some(errno) => PyOSError::new_err((errno, e.to_string())),
        None if e.field().is_some() => PyValueError::new_err(e.to_string()),
        None => PyOSError::new_err(e.to_string()),
    }
}
