//! The handlers of a server and the patterns they answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use arc_swap::{ArcSwap, Guard};
use http::Response;
use oxbridge_mux::{Lookup, Mux, PathValues, Pattern, RegisterError};

use crate::body::Body;
use crate::exchange::Exchange;
use crate::files::StaticDir;
use crate::pace::Paces;
use crate::request::Request;
use crate::sync::lock;

/// What runs for a request.
pub(crate) enum Handler {
    /// Runs on a thread of the crew and may block.
    Blocking(Box<dyn Fn(Exchange) + Send + Sync>),
    /// Runs inside the reactor, so must not block; it may keep the exchange and answer later.
    Inline(Box<dyn Fn(Exchange) + Send + Sync>),
    /// A future, polled inside the reactor.
    Async(Box<dyn Fn(Request) -> ResponseFuture + Send + Sync>),
}

/// The response of an async handler, to come.
pub(crate) type ResponseFuture = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A handler, and what the crew remembers of it.
pub(crate) struct Route {
    pub(crate) paces: Paces,
    pub(crate) handler: Handler,
}

/// A handler that no pattern leads to.
pub(crate) struct Refused {
    pub(crate) error: RegisterError,
    #[expect(
        dead_code,
        reason = "it lives until whoever asked is ready for its drop"
    )]
    route: Arc<Route>,
}

/// Routes by pattern, and by number.
#[derive(Clone)]
pub(crate) struct Table {
    mux: Mux<Arc<Route>>,
    routes: Vec<Arc<Route>>,
    fallback: Option<Fallback>,
    /// Directories that are asked before the routes, which get what these do not have.
    directories: Mux<Arc<StaticDir>>,
}

/// What answers every request that no pattern matches.
#[derive(Clone)]
struct Fallback {
    route: Arc<Route>,
    /// `/`, which is what such a request is said to have matched.
    pattern: Pattern,
    values: PathValues,
}

impl Table {
    pub(crate) fn new() -> Self {
        Table {
            mux: Mux::new(),
            routes: Vec::new(),
            fallback: None,
            directories: Mux::new(),
        }
    }

    /// Sets the handler of what no pattern matches; the last one counts.
    pub(crate) fn set_fallback(&mut self, handler: Handler) {
        // A mux of its own gives the pattern and the values that go with it: `/` is always well formed.
        let mut mux = Mux::new();
        let route = self.new_route(handler, true);
        if mux.register("/", route.clone()).is_err() {
            return;
        }
        if let Lookup::Found(found) = mux.lookup("GET", "", "/", None) {
            self.routes.push(route.clone());
            self.fallback = Some(Fallback {
                route,
                pattern: found.pattern.clone(),
                values: found.into_values(),
            });
        }
    }

    /// The handler of what no pattern matches, as if it had matched `/`.
    pub(crate) fn fallback(&self) -> Option<(Arc<Route>, Pattern, PathValues)> {
        let fallback = self.fallback.as_ref()?;
        Some((
            fallback.route.clone(),
            fallback.pattern.clone(),
            fallback.values.clone(),
        ))
    }

    /// Whether every request goes to the fallback, so that the mux need not be asked.
    pub(crate) fn is_fallback_only(&self) -> bool {
        self.fallback.is_some() && self.routes.len() == 1
    }

    fn new_route(&self, handler: Handler, is_application: bool) -> Arc<Route> {
        Arc::new(Route {
            paces: Paces::new(self.routes.len(), is_application),
            handler,
        })
    }

    /// Adds a handler, or gives it back. `location` is where the program did so, for the error about a
    /// conflict.
    pub(crate) fn add(
        &mut self,
        pattern: &str,
        handler: Handler,
        location: String,
    ) -> Result<(), Refused> {
        // What is mounted there has handlers of its own for what is below.
        let route = self.new_route(handler, pattern.ends_with("...}"));
        match self.mux.register_at(pattern, route.clone(), location) {
            Ok(_) => {
                self.routes.push(route);
                Ok(())
            }
            Err(error) => Err(Refused { error, route }),
        }
    }

    /// Adds a directory that is asked before the routes.
    pub(crate) fn add_directory(
        &mut self,
        pattern: &str,
        dir: StaticDir,
        location: String,
    ) -> Result<(), RegisterError> {
        let added = self
            .directories
            .register_at(pattern, Arc::new(dir), location);
        added.map(|_| ())
    }

    pub(crate) fn directories(&self) -> &Mux<Arc<StaticDir>> {
        &self.directories
    }

    pub(crate) fn mux(&self) -> &Mux<Arc<Route>> {
        &self.mux
    }

    /// The route that a pace's number belongs to.
    pub(crate) fn route(&self, number: u32) -> Option<&Route> {
        self.routes
            .get(Paces::place_of(number))
            .map(|route| &**route)
    }
}

/// The table of a running server, which may still grow. Reading it takes no lock.
pub(crate) struct App {
    table: ArcSwap<Table>,
    growing: Mutex<()>,
}

impl App {
    pub(crate) fn new(table: Table) -> Self {
        App {
            table: ArcSwap::from_pointee(table),
            growing: Mutex::default(),
        }
    }

    pub(crate) fn table(&self) -> Guard<Arc<Table>> {
        self.table.load()
    }

    /// As [`Table::add`], for requests from now on. Copies the table: for some routes, not for many.
    pub(crate) fn add(
        &self,
        pattern: &str,
        handler: Handler,
        location: String,
    ) -> Result<(), RegisterError> {
        let added = {
            let _growing = lock(&self.growing);
            let mut table = Table::clone(&self.table.load());
            let added = table.add(pattern, handler, location);
            if added.is_ok() {
                self.table.store(Arc::new(table));
            }
            added
        };
        // A handler that is refused is dropped here: its drop may register another one.
        added.map_err(|refused| refused.error)
    }
}
