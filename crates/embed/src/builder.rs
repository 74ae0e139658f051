//! Which function, and how it is called.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use oxbridge::Server;
use pyo3::prelude::*;

use crate::calls::Calls;
use crate::claim::Claim;
use crate::engine::Engine;
use crate::error::Error;
use crate::exception;
use crate::function::{Function, Name, Routes, call_init};
use crate::interpreter::Interpreter;
use crate::python::{Body, Python as Embedded};
use crate::reload::Reloader;

/// A Python function that is not in use yet; see [`Python`](crate::Python).
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    interpreter: Interpreter,
    paths: Vec<PathBuf>,
    init: Option<Name>,
    request: Option<Name>,
    body: Body,
    threads: usize,
    tasks: usize,
    queue: usize,
    timeout: Option<Duration>,
    reloads: bool,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Builder {
            interpreter: Interpreter::new(),
            paths: Vec::new(),
            init: None,
            request: None,
            body: Body::Text,
            threads: 200,
            tasks: 1000,
            queue: 1024,
            timeout: Some(Duration::from_secs(30)),
            reloads: false,
        }
    }

    /// Calls this function of this module once, at the start, without arguments. It returns routes for the
    /// program, `{"route": ["method", …]}`, or any other `dict[str, list[str]]`: see
    /// [`Python::routes`](crate::Python::routes). Default: none.
    pub fn init(mut self, module: impl Into<String>, function: impl Into<String>) -> Self {
        self.init = Some(name(module, function));
        self
    }

    /// The function that answers requests, and its module. There is no default.
    pub fn request(mut self, module: impl Into<String>, function: impl Into<String>) -> Self {
        self.request = Some(name(module, function));
        self
    }

    /// What a request's body is in Python. Default [`Body::Text`].
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// How many calls of a plain function may run at the same time, each on a thread. The threads are made
    /// when they are needed. Default 200; 0 counts as 1.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// How many calls of a coroutine function may run at the same time, all on one thread. Default 1000; 0
    /// counts as 1.
    pub fn tasks(mut self, tasks: usize) -> Self {
        self.tasks = tasks.max(1);
        self
    }

    /// How many calls may wait until others have ended; past it they are [`Error::Busy`]. Default 1024; 0
    /// counts as 1.
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue.max(1);
        self
    }

    /// How long a call may take, waiting included, before it is [`Error::Timeout`]. Python goes on with it:
    /// it holds its thread until it returns, and is counted as [abandoned](crate::Load::abandoned). Default 30
    /// seconds; `None` waits for ever.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// As [`Interpreter::venv`].
    pub fn venv(mut self, directory: impl Into<PathBuf>) -> Self {
        self.interpreter = self.interpreter.venv(directory);
        self
    }

    /// As [`Interpreter::path`].
    pub fn path(mut self, directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        self.paths.push(directory.clone());
        self.interpreter = self.interpreter.path(directory);
        self
    }

    /// As [`Interpreter::argv`].
    pub fn argv<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.interpreter = self.interpreter.argv(arguments);
        self
    }

    /// As [`Interpreter::isolated`].
    pub fn isolated(mut self, is_isolated: bool) -> Self {
        self.interpreter = self.interpreter.isolated(is_isolated);
        self
    }

    /// Whether files are looked at before calls, a few times a second, and modules that have changed are
    /// imported anew, as by [`Python::reload`](crate::Python::reload). What then cannot be imported is
    /// logged (Python's logger `oxbridge`), and the old function goes on. For development. Default false.
    pub fn reload(mut self, reloads: bool) -> Self {
        self.reloads = reloads;
        self
    }

    /// Starts Python, imports the modules, calls the function for the start, and starts the threads. Waits for
    /// all that.
    ///
    /// # Errors
    /// [`Error`]: no function named, an interpreter that does not start, a module that cannot be imported, a
    /// function that is missing, is none, raises, or returns something else, one of the two functions in use
    /// already.
    pub fn start(self) -> Result<Embedded, Error> {
        let Some(name) = self.request.clone() else {
            return Err(Error::Setting(
                "the function that answers requests is not named: Builder::request",
            ));
        };
        let names: Vec<_> = [Some(name.clone()), self.init.clone()]
            .into_iter()
            .flatten()
            .collect();
        let claim = Claim::new(names)?;
        self.interpreter.clone().start()?;
        let (engine, routes) =
            Python::try_attach(|py| self.prepare(py, name)).unwrap_or(Err(Error::Stopped))?;
        match self.start_threads(&engine) {
            Ok((server, clock)) => Ok(Embedded::new(engine, server, clock, routes, claim)),
            Err(e) => {
                engine.close();
                Err(Error::Threads(e))
            }
        }
    }

    fn start_threads(
        &self,
        engine: &Arc<Engine>,
    ) -> Result<(Server, Option<JoinHandle<()>>), String> {
        let server = Server::builder()
            .host(Arc::new(oxbridge_python::Interpreter))
            .threads(self.threads)
            .start()
            .map_err(|e| e.to_string())?;
        let clock = self.timeout.map(|_| clock(engine.clone())).transpose();
        Ok((server, clock.map_err(|e| e.to_string())?))
    }

    /// What needs Python.
    fn prepare(&self, py: Python<'_>, name: Name) -> Result<(Arc<Engine>, Routes), Error> {
        let raised = exception::of(py);
        // In the order of the original: the start first, as it may define what answers.
        let routes = match &self.init {
            Some(init) => call_init(py, init)?,
            None => Routes::new(),
        };
        let function = Function::new(&name.find(py)?).map_err(&raised)?;
        let named = [Some(&name), self.init.as_ref()]
            .into_iter()
            .flatten()
            .map(|name| name.module.clone())
            .collect();
        let reloader = Reloader::new(py, name, named, &self.paths, self.reloads);
        let engine = Engine::new(
            Calls::new(self.queue, self.timeout),
            function,
            self.body,
            self.tasks,
            Some(reloader.map_err(&raised)?),
        );
        if engine.function.get().is_coroutine {
            engine.need_loop(py).map_err(&raised)?;
        }
        Ok((engine, routes))
    }
}

/// Starts the thread that ends calls whose time is over.
fn clock(engine: Arc<Engine>) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("oxbridge-clock".to_owned())
        .spawn(move || engine.watch())
}

fn name(module: impl Into<String>, function: impl Into<String>) -> Name {
    Name {
        module: module.into(),
        function: function.into(),
    }
}
