//! What the library holds for the whole process: the patterns, and the servers that run.

use std::cell::Cell;
use std::ffi::c_int;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oxbridge::mux::Mux;
use oxbridge::{Builder, Exchange, Limits, Server};

use crate::exports::{EOF, FuncPtr};
use crate::{address, call, log};

static LIBRARY: LazyLock<Library> = LazyLock::new(Library::default);

#[derive(Default)]
struct Library {
    state: Mutex<State>,
    /// Signalled by each shutdown.
    stopping: Condvar,
}

#[derive(Default)]
struct State {
    /// In the order of registration. The patterns stay, as Go's do, when the servers stop.
    routes: Vec<Route>,
    /// The patterns of `routes`, which finds conflicts also while nothing runs.
    mux: Mux<()>,
    /// One for each `ListenAndServe` that has not returned.
    running: Vec<Arc<Server>>,
    /// How often `Shutdown` has been called.
    shutdowns: u64,
}

struct Route {
    pattern: String,
    handler: FuncPtr,
    /// Where it was registered, for the message about a conflict. C has no better name for it.
    location: String,
}

impl Route {
    fn call(&self) -> impl Fn(Exchange) + Send + Sync + 'static {
        let handler = self.handler;
        move |exchange| in_handler(|| call::serve(exchange, handler))
    }
}

impl Library {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each critical section leaves the state whole before it calls what could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What `HandleFunc` does.
pub(crate) fn handle(pattern: &str, handler: FuncPtr) {
    let mut state = LIBRARY.lock();
    let route = Route {
        pattern: pattern.to_owned(),
        handler,
        location: format!("call {} of HandleFunc", state.routes.len() + 1),
    };
    if let Err(e) = state.mux.register_at(pattern, (), route.location.clone()) {
        drop(state);
        log::line(format_args!("http: HandleFunc: {e}"));
        return;
    }
    for server in &state.running {
        add(server, &route);
    }
    state.routes.push(route);
}

/// Has a server that runs serve a route too.
fn add(server: &Server, route: &Route) {
    // It has the same patterns as the mux that has just taken this one.
    if let Err(e) = server.blocking_exchange(&route.pattern, route.call(), route.location.clone()) {
        log::line(format_args!("http: HandleFunc: {e}"));
    }
}

/// What `ListenAndServe` does; returns what it returns.
pub(crate) fn listen_and_serve(addr: &str) -> c_int {
    log::show_warnings();
    let mut state = LIBRARY.lock();
    // A shutdown from here on is meant for us too.
    let entered = state.shutdowns;
    // Locked meanwhile: requests come in at once, and what a handler registers must find the server among
    // those that run, or it would not be served yet when HandleFunc returns.
    let server = match start(addr, &state.routes) {
        Ok(server) => Arc::new(server),
        Err(problem) => {
            drop(state);
            log::line(format_args!("http: ListenAndServe: {problem}"));
            return EOF;
        }
    };
    state.running.push(server.clone());
    while state.shutdowns == entered {
        state = LIBRARY
            .stopping
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner);
    }
    drop(state);
    if !server.stop(GRACE) {
        log::line(format_args!(
            "http: Shutdown: a handler still runs after {} seconds",
            GRACE.as_secs()
        ));
    }
    let is_other = |running: &Arc<Server>| !Arc::ptr_eq(running, &server);
    LIBRARY.lock().running.retain(is_other);
    0
}

fn start(addr: &str, routes: &[Route]) -> Result<Server, String> {
    let mut builder = Server::builder();
    for route in routes {
        // The library's own mux has taken them all.
        builder
            .blocking_exchange(&route.pattern, route.call(), route.location.clone())
            .map_err(|e| e.to_string())?;
    }
    let max_body = max_body();
    let limits = Limits {
        max_body: Some(max_body),
        // The handler gets the body whole, so nothing is gained by starting it, or a thread, before.
        buffer_body: usize::try_from(max_body).unwrap_or(usize::MAX),
        ..Limits::default()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let builder: Builder = builder.bind(address::parse(addr)?);
    builder
        .limits(limits)
        .threads(THREADS)
        .reactors(cores)
        .start()
        .map_err(|e| e.to_string())
}

/// What `Shutdown` does.
pub(crate) fn shutdown() {
    let running = {
        let mut state = LIBRARY.lock();
        state.shutdowns += 1;
        state.running.clone()
    };
    for server in &running {
        server.begin_stop(GRACE);
    }
    LIBRARY.stopping.notify_all();
    if !IN_HANDLER.get() {
        let deadline = Instant::now() + GRACE + Duration::from_millis(500);
        for server in &running {
            server.wait_until(Some(deadline));
        }
    }
}

thread_local! {
    /// Whether this thread is inside a handler, for which its server waits when it stops.
    static IN_HANDLER: Cell<bool> = const { Cell::new(false) };
}

/// Runs a handler.
fn in_handler(handler: impl FnOnce()) {
    IN_HANDLER.set(true);
    handler();
    IN_HANDLER.set(false);
}

/// How long a request body may be; see [`MAX_BODY`].
fn max_body() -> u64 {
    let Some(text) = std::env::var_os(MAX_BODY_VARIABLE) else {
        return MAX_BODY;
    };
    text.to_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        log::line(format_args!(
            "http: {MAX_BODY_VARIABLE} is {text:?} (wanted a number of bytes); it counts as {MAX_BODY}"
        ));
        MAX_BODY
    })
}

/// How long what runs may take to finish once it is to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Bytes of a request body, which is held in memory whole; past it the client gets 413.
const MAX_BODY: u64 = 32 << 20;

/// The variable of the environment that sets another bound.
const MAX_BODY_VARIABLE: &str = "LIBGOHTTP_MAX_BODY";

/// How many handlers of one reactor may block at the same time. Go has no bound but memory; a thread
/// here costs about as much as one of Go's that is inside C.
const THREADS: usize = 1000;
