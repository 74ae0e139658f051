//! Describing a server: patterns and handlers, addresses, limits.

use std::panic::Location;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use oxbridge_mux::RegisterError;
use tower_service::Service;

use crate::access_log::AccessLog;
use crate::app::{Handler, ResponseFuture, Table};
use crate::body::{Body, BoxError};
use crate::compression::Compression;
use crate::crew::{Host, Native};
use crate::error::{StartError, WriteError};
use crate::exchange::Exchange;
use crate::files::StaticDir;
use crate::incoming::RequestBody;
use crate::limits::Limits;
use crate::listen::{Bind, ListenOptions};
use crate::metrics::Metrics;
use crate::observe::{MaxRequests, Notes};
use crate::request::Request;
use crate::respond::IntoResponse;
use crate::response::{ResponseWriter, plain};
use crate::server::{Plan, Server};
use crate::tls::TlsAcceptor;

/// A server that is not running yet.
///
/// Patterns are those of Go's `net/http`: see [`oxbridge_mux`].
///
/// ```
/// use oxbridge::{Request, Server};
/// use std::time::Duration;
///
/// let mut builder = Server::builder();
/// builder.route("GET /", |_: Request| async { "Hello, world.\n" })?;
/// builder.blocking("GET /slow/{n}", |w, r| {
///     std::thread::sleep(Duration::from_millis(10)); // costs nobody else anything
///     w.write(r.path_value("n").unwrap_or("").as_bytes())
/// })?;
/// let server = builder.bind("127.0.0.1:0".parse()?).start()?;
/// println!("{}", server.url().unwrap_or_default());
/// assert!(server.stop(Duration::from_secs(1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing until it is started"]
pub struct Builder(pub(crate) Plan);

impl Builder {
    pub(crate) fn new() -> Self {
        Builder(Plan {
            table: Table::new(),
            binds: Vec::new(),
            listen: ListenOptions::default(),
            limits: Limits::default(),
            notes: Notes::default(),
            tls: None,
            host: Arc::new(Native),
            reactors: 1,
            threads: 200,
            queue: 1024,
            driven: false,
            compression: None,
            edge: crate::edge::Plan::default(),
        })
    }

    /// Adds an async handler. It runs inside the reactor, so it must not block.
    ///
    /// # Errors
    /// [`RegisterError`]: the pattern is malformed, or conflicts with one that is there.
    #[track_caller]
    pub fn route<H, F, R>(&mut self, pattern: &str, handler: H) -> Result<&mut Self, RegisterError>
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = R> + Send + 'static,
        R: IntoResponse,
    {
        let run = move |request: Request| -> ResponseFuture {
            let answer = handler(request);
            Box::pin(async move { answer.await.into_response() })
        };
        self.add(pattern, Handler::Async(Box::new(run)), here())
    }

    /// Adds a handler that may block. It runs on a thread of its server's crew; while it blocks, others
    /// serve the other clients. An error that it returns is logged; the response ends when it returns.
    ///
    /// # Errors
    /// As [`route`](Self::route).
    #[track_caller]
    pub fn blocking<H>(&mut self, pattern: &str, handler: H) -> Result<&mut Self, RegisterError>
    where
        H: Fn(&mut ResponseWriter, &mut Request) -> Result<(), WriteError> + Send + Sync + 'static,
    {
        let run = move |mut exchange: Exchange| {
            let (response, request) = exchange.parts();
            if let Err(e) = handler(response, request).and_then(|()| exchange.response().end()) {
                tracing::debug!(
                    path = exchange.request().uri().path(),
                    "a handler could not answer: {e}"
                );
                exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR);
            }
        };
        self.add(pattern, Handler::Blocking(Box::new(run)), here())
    }

    /// Adds a handler that gets the whole [`Exchange`] and may block; for other languages' handlers.
    /// `location` is where the program registered it.
    ///
    /// # Errors
    /// As [`route`](Self::route).
    pub fn blocking_exchange<H>(
        &mut self,
        pattern: &str,
        handler: H,
        location: String,
    ) -> Result<&mut Self, RegisterError>
    where
        H: Fn(Exchange) + Send + Sync + 'static,
    {
        self.add(pattern, Handler::Blocking(Box::new(handler)), location)
    }

    /// Adds a handler that runs inside the reactor and must not block, or that puts the [`Exchange`]
    /// away to be answered later from any thread.
    ///
    /// # Errors
    /// As [`route`](Self::route).
    pub fn inline_exchange<H>(
        &mut self,
        pattern: &str,
        handler: H,
        location: String,
    ) -> Result<&mut Self, RegisterError>
    where
        H: Fn(Exchange) + Send + Sync + 'static,
    {
        self.add(pattern, Handler::Inline(Box::new(handler)), location)
    }

    /// Sets the handler of every request that no pattern matches, whatever its method and path: a whole
    /// application with a router of its own. Where it is set, the server itself answers no 404 and no 405
    /// and redirects nothing; the paths are as the client sent them. It may block, as those of
    /// [`blocking_exchange`](Self::blocking_exchange).
    pub fn fallback_exchange<H>(&mut self, handler: H) -> &mut Self
    where
        H: Fn(Exchange) + Send + Sync + 'static,
    {
        self.0
            .table
            .set_fallback(Handler::Blocking(Box::new(handler)));
        self
    }

    /// As [`fallback_exchange`](Self::fallback_exchange), for a handler that must not block, as those of
    /// [`inline_exchange`](Self::inline_exchange).
    pub fn fallback_inline<H>(&mut self, handler: H) -> &mut Self
    where
        H: Fn(Exchange) + Send + Sync + 'static,
    {
        self.0
            .table
            .set_fallback(Handler::Inline(Box::new(handler)));
        self
    }

    /// Mounts a tower service, an axum router for example. It gets the request as
    /// [`Request::into_http`] makes it, is cloned for each, and answers 503 while it is not ready
    /// because of an error.
    ///
    /// # Errors
    /// As [`route`](Self::route).
    #[track_caller]
    pub fn service<S, B>(&mut self, pattern: &str, service: S) -> Result<&mut Self, RegisterError>
    where
        S: Service<http::Request<RequestBody>, Response = Response<B>>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Error: std::fmt::Display + Send,
        S::Future: Send,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let handler = move |request: Request| {
            let mut service = service.clone();
            async move {
                let head_request = *request.method() == http::Method::HEAD;
                if let Err(e) = std::future::poll_fn(|cx| service.poll_ready(cx)).await {
                    tracing::error!("a service is not ready: {e}");
                    return plain(StatusCode::SERVICE_UNAVAILABLE, head_request);
                }
                match service.call(request.into_http()).await {
                    Ok(response) => response.map(Body::new),
                    Err(e) => {
                        tracing::error!("a service failed: {e}");
                        plain(StatusCode::INTERNAL_SERVER_ERROR, head_request)
                    }
                }
            }
        };
        self.add(
            pattern,
            Handler::Async(Box::new(move |request| Box::pin(handler(request)))),
            here(),
        )
    }

    /// Serves the files of a directory below a prefix of the path, `/static` for example, without any
    /// handler. `{prefix}/{path...}` is the pattern, so the most specific pattern wins as always, and
    /// the bare prefix is redirected. Other methods than GET and HEAD get 405.
    ///
    /// A directory that [falls through](StaticDir::fallthrough) is asked before the patterns instead,
    /// which get every request for what it does not have, and every other method.
    ///
    /// # Errors
    /// As [`route`](Self::route).
    #[track_caller]
    pub fn mount_static(
        &mut self,
        prefix: &str,
        dir: StaticDir,
    ) -> Result<&mut Self, RegisterError> {
        let prefix = prefix.trim_end_matches('/');
        if dir.falls_through() {
            let pattern = format!("GET {prefix}/{{path...}}");
            self.0.table.add_directory(&pattern, dir, here())?;
            return Ok(self);
        }
        let pattern = format!("{prefix}/{{path...}}");
        let run = move |exchange: Exchange| dir.serve(exchange);
        self.add(&pattern, Handler::Inline(Box::new(run)), here())
    }

    fn add(
        &mut self,
        pattern: &str,
        handler: Handler,
        location: String,
    ) -> Result<&mut Self, RegisterError> {
        let added = self.0.table.add(pattern, handler, location);
        added.map_err(|refused| refused.error)?;
        Ok(self)
    }

    /// Listens there too.
    pub fn bind(mut self, bind: Bind) -> Self {
        self.0.binds.push(bind);
        self
    }

    /// How sockets are made.
    pub fn listen_options(mut self, options: ListenOptions) -> Self {
        self.0.listen = options;
        self
    }

    /// What a client may use.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.0.limits = limits;
        self
    }

    /// Writes a line for each exchange.
    pub fn access_log(mut self, log: AccessLog) -> Self {
        self.0.notes.log = Some(log);
        self
    }

    /// Counts what the server does.
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.0.notes.metrics = Some(metrics);
        self
    }

    /// Calls `reached` once, when `n` requests have begun (0 counts as 1): for a host that renews its
    /// processes now and then. It is called inside a reactor, so it must not block. The server goes on.
    pub fn max_requests(mut self, n: u64, reached: impl FnOnce() + Send + 'static) -> Self {
        self.0.notes.max_requests = Some(MaxRequests::new(n, Box::new(reached)));
        self
    }

    /// Serves HTTPS, with HTTP/2 by ALPN.
    pub fn tls(mut self, tls: TlsAcceptor) -> Self {
        self.0.tls = Some(tls);
        self
    }

    /// Compresses responses for clients that accept it: see [`compression`](crate::compression). Default:
    /// none is compressed.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.0.compression = Some(compression);
        self
    }

    /// How worker threads meet the language that blocking handlers are written in.
    pub fn host(mut self, host: Arc<dyn Host>) -> Self {
        self.0.host = host;
        self
    }

    /// How many reactors, each with threads of its own: one for each core that the server may use.
    /// Default 1; 0 counts as 1.
    pub fn reactors(mut self, reactors: usize) -> Self {
        self.0.reactors = reactors.max(1);
        self
    }

    /// How many threads of one reactor may block at the same time. Default 200; 0 counts as 1.
    pub fn threads(mut self, threads: usize) -> Self {
        self.0.threads = threads.max(1);
        self
    }

    /// How many exchanges may wait for a thread; past it clients get 503 with Retry-After. Default 1024.
    pub fn queue(mut self, queue: usize) -> Self {
        self.0.queue = queue.max(1);
        self
    }

    /// Whether the host takes the turns: see [`Server::turn`]. Such a server has one reactor and no
    /// threads; its blocking handlers run in turns and never wait, as inline ones. Default false.
    pub fn driven(mut self, driven: bool) -> Self {
        self.0.driven = driven;
        self
    }

    /// Binds the addresses and starts the threads.
    ///
    /// # Errors
    /// [`StartError`]: an address that cannot be listened on, with the reason.
    pub fn start(self) -> Result<Server, StartError> {
        Server::start(self.0)
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("binds", &self.0.binds)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

/// Where the program called.
#[track_caller]
fn here() -> String {
    Location::caller().to_string()
}
