//! What operators and their machines ask of a server: metrics, health, readiness.
//!
//! Handlers for [`Builder::route`], usually on a second server, which the first one's clients cannot reach
//! and its load does not hold up:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use oxbridge::admin::{self, Readiness, State};
//! use oxbridge::metrics::Metrics;
//! use oxbridge::{Request, Server};
//!
//! let metrics = Metrics::new();
//! let readiness = Arc::new(Readiness::new());
//! let admin = admin::builder(&metrics, &readiness)
//!     .bind("127.0.0.1:0".parse()?)
//!     .start()?;
//!
//! let mut builder = Server::builder();
//! builder.route("/", |_: Request| async { "hello" })?;
//! let server = builder.bind("127.0.0.1:0".parse()?).metrics(metrics).start()?;
//! readiness.set(State::Ready);
//!
//! // Later, on SIGTERM: load balancers look elsewhere first.
//! readiness.set(State::Draining);
//! assert!(server.stop(Duration::from_secs(1)));
//! assert!(admin.stop(Duration::from_secs(1)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU8,
    Ordering::{Acquire, Release},
};

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use crate::body::Body;
use crate::builder::Builder;
use crate::metrics::Metrics;
use crate::request::Request;
use crate::respond::IntoResponse as _;

/// Whether a server wants requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever tells these apart wants to know of a fourth"
)]
pub enum State {
    /// Not yet.
    Starting = 0,
    /// Yes.
    Ready = 1,
    /// No longer.
    Draining = 2,
}

/// The state that readiness checks are answered with. Any thread may set it and ask for it.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    /// Starting.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes the state.
    pub fn set(&self, state: State) {
        self.0.store(state as u8, Release);
    }

    /// The state.
    pub fn state(&self) -> State {
        match self.0.load(Acquire) {
            0 => State::Starting,
            1 => State::Ready,
            _ => State::Draining,
        }
    }
}

/// A server with `GET /metrics`, `GET /healthz` and `GET /readyz`, to be bound and started. It has one
/// thread.
pub fn builder(metrics: &Metrics, readiness: &Arc<Readiness>) -> Builder {
    let mut builder = Builder::new().threads(1);
    let added = builder
        .route("GET /metrics", self::metrics(metrics.clone()))
        .and_then(|builder| builder.route("GET /healthz", health()))
        .and_then(|builder| builder.route("GET /readyz", self::readiness(readiness.clone())));
    if let Err(e) = added {
        unreachable!("three patterns that differ: {e}");
    }
    builder
}

/// A handler that answers with the metrics, as Prometheus reads them.
pub fn metrics(metrics: Metrics) -> impl Fn(Request) -> Ready<Response<Body>> + Send + Sync {
    move |_| {
        let mut response = metrics.render().into_response();
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
        );
        ready(response)
    }
}

/// A handler that answers 200: whoever answers is alive.
pub fn health() -> impl Fn(Request) -> Ready<Response<Body>> + Send + Sync {
    |_| ready(check(StatusCode::OK, "ok\n"))
}

/// A handler that answers 200 when the server is ready, and else 503.
pub fn readiness(
    readiness: Arc<Readiness>,
) -> impl Fn(Request) -> Ready<Response<Body>> + Send + Sync {
    move |_| {
        ready(match readiness.state() {
            State::Starting => check(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            State::Ready => check(StatusCode::OK, "ready\n"),
            State::Draining => check(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        })
    }
}

fn check(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = (status, text).into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
