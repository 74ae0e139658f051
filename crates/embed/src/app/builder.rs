//! Describing an application: where it is, how it is called, what it may use.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oxbridge::Limits;
use oxbridge::forwarded::Trust;
use oxbridge::websocket;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::life::Life;
use super::mount::Mount;
use super::{App, AppError};
use crate::interpreter::Interpreter;

/// WSGI (PEP 3333): Django, Flask and the like, on threads.
///
/// ```no_run
/// use oxbridge_embed::Wsgi;
///
/// // sites/shop/wsgi.py has `application`.
/// let shop = Wsgi::import("shop.wsgi:application").path("sites").start()?;
/// # Ok::<(), oxbridge_embed::AppError>(())
/// ```
///
/// Each request has a thread for as long as the application takes. A thread enters the interpreter once
/// for its life.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Wsgi;

/// ASGI 3 and 2: FastAPI, Starlette, Django and the like, on an event loop.
///
/// The loop is asyncio's own, in a thread for the application alone.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Asgi;

impl Wsgi {
    /// The application that `text` names: `module:attribute`, `package.module:attribute.of.that`,
    /// `module:make_app(debug=True)`, `path/of/file.py:app`; after a module alone, `app` or `application`.
    pub fn import(text: impl Into<String>) -> AppBuilder<Wsgi> {
        AppBuilder::new(Source::Import(text.into()))
    }

    /// An application that the program has.
    pub fn from_object(app: Py<PyAny>) -> AppBuilder<Wsgi> {
        AppBuilder::new(Source::Object(app))
    }
}

impl Asgi {
    /// As [`Wsgi::import`].
    pub fn import(text: impl Into<String>) -> AppBuilder<Asgi> {
        AppBuilder::new(Source::Import(text.into()))
    }

    /// As [`Wsgi::from_object`].
    pub fn from_object(app: Py<PyAny>) -> AppBuilder<Asgi> {
        AppBuilder::new(Source::Object(app))
    }
}

/// Whether an ASGI application is told of its start and its end (ASGI, "Lifespan Protocol").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lifespan {
    /// If it understands.
    #[default]
    Auto,
    /// An application that does not is an error.
    On,
    /// Not.
    Off,
}

/// An application that does not run yet: of [`Wsgi`] or [`Asgi`].
///
/// ```
/// use oxbridge_embed::pyo3::prelude::*;
/// use oxbridge_embed::{Interpreter, Wsgi};
/// use http_body_util::{BodyExt as _, Empty};
/// use tower::ServiceExt as _;
///
/// Interpreter::new().start()?;
/// let hello = Python::attach(|py| -> PyResult<Py<PyAny>> {
///     let code = c"
/// def app(environ, start_response):
///     start_response('200 OK', [('Content-Type', 'text/plain')])
///     return [b'Hello from ' + environ['SCRIPT_NAME'].encode()]";
///     let module = PyModule::from_code(py, code, c"hello.py", c"hello")?;
///     Ok(module.getattr("app")?.unbind())
/// })?;
/// let app = Wsgi::from_object(hello).root_path("/old").threads(4).start()?;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// // As axum's `nest_service("/old", app)` hands it in.
/// let request = http::Request::get("http://localhost/").body(Empty::new())?;
/// let answer = app.clone().oneshot(request).await?;
/// assert_eq!(answer.into_body().collect().await?.to_bytes(), "Hello from /old");
/// assert!(app.shutdown(std::time::Duration::from_secs(1)).await);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// # }).unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing happens until it is started"]
pub struct AppBuilder<Kind> {
    source: Source,
    interpreter: Interpreter,
    is_factory: bool,
    root_path: String,
    strips: bool,
    threads: usize,
    queue: usize,
    limits: Limits,
    trust: Trust,
    lifespan: Lifespan,
    websocket: websocket::Options,
    kind: PhantomData<Kind>,
}

enum Source {
    Import(String),
    Object(Py<PyAny>),
}

impl<Kind> AppBuilder<Kind> {
    fn new(source: Source) -> Self {
        AppBuilder {
            source,
            interpreter: Interpreter::new(),
            is_factory: false,
            root_path: String::new(),
            strips: false,
            threads: 200,
            queue: 1024,
            limits: Limits::default(),
            trust: Trust::default(),
            lifespan: Lifespan::default(),
            websocket: websocket::Options::default(),
            kind: PhantomData,
        }
    }

    /// How Python is to be started, if it does not run yet. Default: [`Interpreter::new`].
    pub fn interpreter(mut self, interpreter: Interpreter) -> Self {
        self.interpreter = interpreter;
        self
    }

    /// Puts a directory first in `sys.path`: see [`Interpreter::path`].
    pub fn path(mut self, directory: impl Into<PathBuf>) -> Self {
        self.interpreter = self.interpreter.path(directory);
        self
    }

    /// Whether the object makes the application when it is called without arguments. Default false.
    pub fn factory(mut self, is_factory: bool) -> Self {
        self.is_factory = is_factory;
        self
    }

    /// The path at which the host has the application: `/old` for `nest_service("/old", app)`, percent-decoded.
    /// The application makes its URLs with it: WSGI calls it SCRIPT_NAME, ASGI `root_path`. Default: none.
    ///
    /// The host takes it off the path of requests, as axum's `nest_service` does. Where it does not, as
    /// with axum's `route_service`, say so: [`strip_root_path`](Self::strip_root_path).
    pub fn root_path(mut self, path: impl Into<String>) -> Self {
        self.root_path = path.into();
        self
    }

    /// Whether requests come with [`root_path`](Self::root_path) in their path, so that it has to be taken
    /// off here. What is not below it is answered 404. Default false.
    pub fn strip_root_path(mut self, strips: bool) -> Self {
        self.strips = strips;
        self
    }

    /// Bounds on requests. Those on heads over a socket and on connections are the host's. Default:
    /// [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whose word about clients is believed: see [`oxbridge::forwarded`]. Default: nobody's.
    pub fn trust_forwarded(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }
}

impl AppBuilder<Wsgi> {
    /// How many requests are handled at the same time. Default 200.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// How many requests may wait for a thread; past it clients get 503. Default 1024.
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// Imports the application and starts its threads. Blocks, and runs Python code: not in a task of an
    /// async runtime.
    ///
    /// # Errors
    /// [`AppError`].
    pub fn start(self) -> Result<App, AppError> {
        self.begin("wsgi", "OnThreads")
    }
}

impl AppBuilder<Asgi> {
    /// Whether the application is told of its start and its end. Default: if it understands.
    pub fn lifespan(mut self, lifespan: Lifespan) -> Self {
        self.lifespan = lifespan;
        self
    }

    /// Bounds on its WebSockets: `max_message`, the pings and `deflate` are taken. Default:
    /// [`websocket::Options::default`].
    pub fn websocket(mut self, options: websocket::Options) -> Self {
        self.websocket = options;
        self
    }

    /// How many requests may wait for the event loop; past it clients get 503. Default 1024.
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// Imports the application, starts its loop, and waits until it has started. Blocks, and runs Python code:
    /// not in a task of an async runtime.
    ///
    /// # Errors
    /// [`AppError`]; among them the application's own refusal.
    pub fn start(self) -> Result<App, AppError> {
        self.begin("asgi", "OnLoop")
    }
}

impl<Kind> AppBuilder<Kind> {
    fn begin(self, kind: &str, class: &str) -> Result<App, AppError> {
        let root = self.root_path.as_str();
        if !root.is_empty() && (!root.starts_with('/') || root.ends_with('/')) {
            return Err(AppError::Setting(format!(
                "root_path is {root:?}; wanted a path that begins with a slash and does not end with one"
            )));
        }
        self.interpreter.clone().start()?;
        // They go to the program's own subscriber of `tracing`, which it may set after this.
        oxbridge_python::leave_logging();
        let started =
            Python::attach(|py| self.run(py, kind, class).map_err(|e| AppError::of(py, &e)));
        let (life, entrance) = started?;
        Ok(App {
            life: Arc::new(life),
            entrance,
            mount: if self.strips {
                Mount::Whole(self.root_path.into())
            } else {
                Mount::Below
            },
        })
    }

    fn run(
        &self,
        py: Python<'_>,
        kind: &str,
        class: &str,
    ) -> PyResult<(Life, oxbridge::InProcess)> {
        let embedded = py.import("oxbridge._embedded")?;
        let factory = PyDict::new(py);
        factory.set_item("factory", self.is_factory)?;
        let app = match &self.source {
            Source::Import(text) => embedded.call_method("load", (text, kind), Some(&factory))?,
            Source::Object(app) => embedded.call_method("take", (app, kind), Some(&factory))?,
        };
        let settings = embedded
            .getattr("DefaultSettings")?
            .call((), Some(&self.settings(py)?))?;
        let running = embedded
            .getattr(class)?
            .call1((app, settings, self.options(py)?))?;
        let entrance = oxbridge_python::in_process(&running.getattr("core")?)?;
        let life = Life::new(running.unbind());
        match entrance {
            Some(entrance) => Ok((life, entrance)),
            // It was stopped in the same moment.
            None => Err(pyo3::exceptions::PyRuntimeError::new_err(
                "the application has ended already",
            )),
        }
    }

    /// What the application is told.
    fn settings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let settings = PyDict::new(py);
        settings.set_item("root_path", &self.root_path)?;
        let lifespan = match self.lifespan {
            Lifespan::Auto => "auto",
            Lifespan::On => "on",
            Lifespan::Off => "off",
        };
        settings.set_item("lifespan", lifespan)?;
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let websocket = &self.websocket;
        settings.set_item("ws_max_size", websocket.max_message)?;
        settings.set_item("ws_ping_interval", seconds(websocket.ping_interval))?;
        settings.set_item("ws_ping_timeout", seconds(websocket.ping_timeout))?;
        settings.set_item("ws_per_message_deflate", websocket.deflate)?;
        Ok(settings)
    }

    /// What its server may use.
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let limits = &self.limits;
        let options = PyDict::new(py);
        options.set_item("threads", self.threads)?;
        options.set_item("queue", self.queue)?;
        options.set_item("max_header_bytes", limits.max_head_bytes)?;
        options.set_item("max_target_bytes", limits.max_target_bytes)?;
        options.set_item("max_headers", limits.max_headers)?;
        options.set_item("max_body", limits.max_body)?;
        options.set_item("buffer_body", limits.buffer_body)?;
        options.set_item("write_ahead", limits.write_ahead)?;
        options.set_item("body_timeout", limits.body_timeout.as_secs_f64())?;
        options.set_item("write_timeout", limits.write_timeout.as_secs_f64())?;
        options.set_item("limit_concurrency", limits.max_concurrency)?;
        if self.trust != Trust::default() {
            options.set_item("forwarded_allow_ips", self.trust.to_string())?;
        }
        Ok(options)
    }
}

impl<Kind> fmt::Debug for AppBuilder<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("AppBuilder");
        if let Source::Import(text) = &self.source {
            shown.field("import", text);
        }
        shown
            .field("root_path", &self.root_path)
            .finish_non_exhaustive()
    }
}
