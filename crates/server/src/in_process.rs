//! The in-process entrance: a server as a tower service inside another HTTP program, an axum router or
//! hyper, or a server of this crate.

mod body;
mod head;
mod via;

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Extensions, Method, Request, Response};
use tower_service::Service as TowerService;

use crate::body::{Body, BoxError};
use crate::conn::{Conn, Order};
use crate::incoming::Source;
use crate::listen::LocalAddr;
use crate::reactor::{Inside, Shared};
use crate::request::Connection;
use crate::service::{Answer, Service, State, unavailable};

use self::body::finish;
pub use self::via::Via;

/// A server as a service for the requests of the program around it: see
/// [`Server::in_process`](crate::Server::in_process).
///
/// Requests go the way that requests from a socket go: routes, limits, threads and queue, compression,
/// access log and metrics are the server's. The connection is the host's. Clones are the same entrance;
/// any thread may use them, in any runtime or none.
///
/// ```
/// use http::Request;
/// use http_body_util::{BodyExt as _, Empty};
/// use oxbridge::Server;
/// use tower::ServiceExt as _;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut builder = Server::builder();
/// builder.blocking("GET /slow/{n}", |w, r| {
///     std::thread::sleep(std::time::Duration::from_millis(10)); // holds up none of the host's tasks
///     w.write(r.path_value("n").unwrap_or("").as_bytes())
/// })?;
/// let server = builder.start()?; // listens nowhere
///
/// let request = Request::get("http://example.com/slow/7").body(Empty::new())?;
/// let answer = server.in_process().oneshot(request).await?;
/// assert_eq!(answer.into_body().collect().await?.to_bytes(), "7");
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// # }).unwrap();
/// ```
///
/// **Where what runs.** The future and the bodies are polled by whoever has them, the host's tasks. Async
/// and inline handlers run there too, so they must not block and find the host's runtime around them. Blocking
/// handlers run on the server's threads, or in the turns of a [driven](crate::Builder::driven) one.
///
/// **Requests.** The target may be in origin form (`/path`) or absolute (`http://host/path`). `Host`
/// follows the rules that hold on a socket: a request of HTTP/1.1 names its host, there or in the target,
/// and only one; else the answer is 400. Who the client is only the host knows: see [`Via`]. A prefix
/// that a router has taken off the path is not known here.
///
/// **Bodies** of requests are read on the handler's thread, in the runtime of the call. A body that the
/// host has limited ends in [`BodyError::TooLarge`](crate::BodyError::TooLarge), as one past
/// [`Limits::max_body`](crate::Limits::max_body). Where no byte comes for
/// [`body_timeout`](crate::Limits::body_timeout) the read fails; the connection is the host's to close.
///
/// **Responses.** A handler that is faster than its client waits, as always. A host that takes nothing of
/// a body for [`write_timeout`](crate::Limits::write_timeout) finds it aborted. Dropping the future or the
/// body tells the handler that the client has gone. Those to HEAD, and 204 and 304, have no body. Informational
/// responses (103) are dropped, since a service has one answer. Date is the host's to add.
///
/// **WebSockets** need [`OnUpgrade`](hyper::upgrade::OnUpgrade) among the request's extensions, where
/// hyper leaves it (`serve_connection_with_upgrades`, which axum uses; `enable_connect_protocol` for
/// HTTP/2). A task in the host's tokio runtime, whose timers must be enabled, moves the bytes.
///
/// **Stopping.** From [`begin_stop`](crate::Server::begin_stop) on new requests are answered 503, and those
/// under way may finish. What is left at its end is cut: the future answers 503, a body is aborted, a
/// WebSocket ends. A host that still holds such a thing is not waited for.
#[derive(Clone)]
pub struct InProcess(Arc<Entrance>);

struct Entrance {
    reactors: Vec<Arc<Shared>>,
    /// Whose turn it is.
    next: AtomicUsize,
    via: Option<Box<Lookup>>,
    nowhere: Arc<LocalAddr>,
}

/// Finds the facts of a connection among what a host has left with a request.
type Lookup = dyn Fn(&Extensions) -> Option<Via> + Send + Sync;

impl InProcess {
    /// `reactors` is not empty.
    pub(crate) fn new(reactors: Vec<Arc<Shared>>) -> Self {
        InProcess(Arc::new(Entrance {
            reactors,
            next: AtomicUsize::new(0),
            via: None,
            nowhere: Arc::new(LocalAddr::Unknown),
        }))
    }

    /// The same entrance, with `lookup` to find out about the connection of each request that has no
    /// [`Via`] among its extensions: where the host leaves the facts in a form of its own, as axum does
    /// (`ConnectInfo<SocketAddr>`).
    ///
    /// ```
    /// use oxbridge::{Server, Via};
    /// use std::net::SocketAddr;
    ///
    /// #[derive(Clone)]
    /// struct ConnectInfo<T>(T);
    ///
    /// let server = Server::builder().start()?;
    /// let service = server.in_process().via(|extensions| {
    ///     let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    ///     Some(Via::new().peer(*peer))
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn via<F>(&self, lookup: F) -> Self
    where
        F: Fn(&Extensions) -> Option<Via> + Send + Sync + 'static,
    {
        InProcess(Arc::new(Entrance {
            reactors: self.0.reactors.clone(),
            next: AtomicUsize::new(0),
            via: Some(Box::new(lookup)),
            nowhere: self.0.nowhere.clone(),
        }))
    }

    fn begin<B>(&self, request: Request<B>) -> Answering
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let entrance = &*self.0;
        let number = entrance.next.fetch_add(1, Relaxed) % entrance.reactors.len();
        let shared = &entrance.reactors[number];
        let head_request = *request.method() == Method::HEAD;
        let Via { peer, local, tls } = entrance.facts(request.extensions());
        let local = local.unwrap_or_else(|| entrance.nowhere.clone());
        let entered = Conn::enter_in_process(shared, peer.clone(), local.clone());
        let is_in = entered.is_some();
        let conn = entered.unwrap_or_else(|| Arc::new(Conn::in_process(shared, peer, local)));
        if let Some(tls) = tls {
            // Nobody else sets it.
            let _ = conn.tls.set(tls);
        }
        let underway = conn.begin_exchange();
        let service = Service {
            shared: shared.clone(),
            conn: conn.clone(),
        };
        let _inside = Inside::enter();
        let answer = service.answer(request, underway, true, |service, request| {
            if !is_in {
                shared.notes.refused();
                return State::done(unavailable(head_request));
            }
            if let Err(fault) = head::check(&request, &shared.limits) {
                return State::done(fault.answer(head_request));
            }
            service.dispatch(request.map(Source::of_host))
        });
        Answering {
            answer,
            conn,
            head_request,
        }
    }
}

impl Entrance {
    fn facts(&self, extensions: &Extensions) -> Via {
        if let Some(via) = extensions.get::<Via>() {
            return via.clone();
        }
        if let Some(via) = self.via.as_ref().and_then(|lookup| lookup(extensions)) {
            return via;
        }
        extensions
            .get::<Connection>()
            .map_or_else(Via::default, Via::of)
    }
}

impl<B> TowerService<Request<B>> for InProcess
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    /// Always ready: what is too much is answered 503.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        self.begin(request)
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess")
            .field("reactors", &self.0.reactors.len())
            .finish_non_exhaustive()
    }
}

/// The answer of [`InProcess`], to come. To drop it gives the exchange up.
#[must_use = "futures do nothing unless polled"]
pub struct Answering {
    answer: Answer,
    conn: Arc<Conn>,
    head_request: bool,
}

impl Future for Answering {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.conn.set_host_task(cx.waker());
        if this.conn.order() == Order::Cut {
            this.answer.give_up(this.head_request);
        }
        let _inside = Inside::enter();
        let Ok(response) = ready!(Pin::new(&mut this.answer).poll(cx));
        Poll::Ready(Ok(finish(response, &this.conn, this.head_request)))
    }
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}
