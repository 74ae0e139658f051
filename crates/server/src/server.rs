//! A server: what it serves, where it listens, how it starts and stops.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::app::App;
use crate::builder::Builder;
use crate::conn::Conn;
use crate::connection;
use crate::crew::{Crew, Host};
use crate::error::{StartError, StartKind};
use crate::limits::Limits;
use crate::listen::{
    Bind, ListenOptions, Listener, LocalAddr, TokioListener, is_exhausted, is_transient,
};
use crate::memory;
use crate::reactor::{Reactor, Shared};
use crate::sync::lock;
use crate::tls::TlsAcceptor;

/// Everything a server needs to start; the builder fills it in.
pub(crate) struct Plan {
    pub(crate) app: App,
    pub(crate) binds: Vec<Bind>,
    pub(crate) listen: ListenOptions,
    pub(crate) limits: Limits,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) reactors: usize,
    pub(crate) threads: usize,
    pub(crate) queue: usize,
}

/// A running server.
///
/// Dropping it stops it, as [`stop`](Self::stop) with no time to finish. Any thread may call its
/// methods; a handler must not wait for its own server to stop, so it calls
/// [`begin_stop`](Self::begin_stop).
pub struct Server {
    crews: Vec<Arc<Crew>>,
    addresses: Vec<LocalAddr>,
    tls: Option<TlsAcceptor>,
    acceptors: Mutex<Vec<tokio::task::AbortHandle>>,
    /// When a stop under way cuts what is left.
    deadline: Mutex<Option<Instant>>,
}

impl Server {
    /// Starts to describe a server.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn start(plan: Plan) -> Result<Server, StartError> {
        let mut listeners = Vec::new();
        for bind in &plan.binds {
            listeners.extend(bind.bind(&plan.listen)?);
        }
        let addresses = listeners.iter().map(|l| l.local_addr().clone()).collect();
        let (app, limits) = (Arc::new(plan.app), Arc::new(plan.limits));
        let permits = limits
            .max_connections
            .map(|max| Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))));
        let io = |what| move |e| StartError(StartKind::Io(what, e));
        let mut server = Server {
            crews: Vec::new(),
            addresses,
            tls: plan.tls.clone(),
            acceptors: Mutex::default(),
            deadline: Mutex::default(),
        };
        for number in 0..plan.reactors {
            let shared = Shared::new(app.clone(), limits.clone(), plan.queue);
            let reactor = Reactor::new(shared.clone()).map_err(io("make an event loop"))?;
            let enter = reactor.handle().enter();
            for listener in &listeners {
                let listener = duplicate(listener).map_err(io("share a listening socket"))?;
                let accept = accept(shared.clone(), listener, plan.tls.clone(), permits.clone());
                let accepting = shared.begin_accepting();
                let accept = async move {
                    // The future is dropped before its guard: the socket is closed when it is counted out.
                    let _accepting = accepting;
                    accept.await;
                };
                lock(&server.acceptors).push(tokio::spawn(accept).abort_handle());
            }
            tokio::spawn(sweep(shared));
            drop(enter);
            let crew = Crew::start(
                reactor,
                plan.host.clone(),
                plan.threads,
                &format!("oxbridge-{number}"),
            )
            .map_err(io("start a thread"))?;
            server.crews.push(crew);
        }
        Ok(server)
    }

    /// The addresses it listens on, with the ports that the system chose.
    pub fn addresses(&self) -> &[LocalAddr] {
        &self.addresses
    }

    /// The URL of the first TCP address: `http://127.0.0.1:5000`. An unspecified address is written as
    /// a loopback one, which reaches it.
    pub fn url(&self) -> Option<String> {
        let mut tcp = self.addresses.iter().find_map(LocalAddr::tcp)?;
        if tcp.ip().is_unspecified() {
            tcp.set_ip(if tcp.is_ipv4() {
                [127, 0, 0, 1].into()
            } else {
                std::net::Ipv6Addr::LOCALHOST.into()
            });
        }
        Some(format!(
            "{}://{tcp}",
            if self.tls.is_some() { "https" } else { "http" }
        ))
    }

    /// Reads certificates and key again; new connections get them.
    ///
    /// # Errors
    /// As [`TlsAcceptor::reload`]; the old ones stay in force. Nothing to do without TLS.
    pub fn reload_tls(&self) -> Result<(), crate::tls::TlsError> {
        self.tls.as_ref().map_or(Ok(()), TlsAcceptor::reload)
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.crews
            .iter()
            .map(|crew| crew.reactor().shared().sweep.len())
            .sum()
    }

    /// How many exchanges are alive: begun, and their writer not dropped yet.
    pub fn exchanges(&self) -> usize {
        self.crews
            .iter()
            .map(|crew| Arc::strong_count(&crew.reactor().shared().live) - 1)
            .sum()
    }

    /// Starts to stop, and returns at once: no new connections, what runs may finish, HTTP/2 clients
    /// are told by GOAWAY. What has not finished after `grace` is cut. A later call may shorten the
    /// time, not lengthen it.
    pub fn begin_stop(&self, grace: Duration) {
        let deadline = after(grace);
        {
            let mut current = lock(&self.deadline);
            if current.is_some_and(|current| current <= deadline) {
                return;
            }
            *current = Some(deadline);
        }
        for acceptor in lock(&self.acceptors).drain(..) {
            acceptor.abort();
        }
        for crew in &self.crews {
            let reactor = crew.reactor();
            reactor.drain();
            let watched = Arc::downgrade(crew);
            reactor.handle().spawn(async move {
                tokio::time::sleep_until(deadline.into()).await;
                if let Some(crew) = watched.upgrade() {
                    crew.reactor().cut();
                }
            });
        }
    }

    /// Stops, as [`begin_stop`](Self::begin_stop), and waits until it has. False if a handler still
    /// runs a moment after its time: its thread cannot be stopped, and ends when the handler does.
    pub fn stop(&self, grace: Duration) -> bool {
        self.begin_stop(grace);
        self.wait_until(Some(after(grace) + Duration::from_millis(500)))
    }

    /// Waits until somebody has stopped the server.
    pub fn wait(&self) {
        self.wait_until(None);
    }

    /// Waits at most until `deadline`; says whether the server has stopped.
    pub fn wait_until(&self, deadline: Option<Instant>) -> bool {
        self.crews.iter().all(|crew| crew.wait_ended(deadline))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.begin_stop(Duration::ZERO);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// The moment `grace` from now; a year from now at the latest, which no clock is too small for.
fn after(grace: Duration) -> Instant {
    Instant::now() + grace.min(Duration::from_secs(365 * 24 * 3600))
}

fn duplicate(listener: &Listener) -> std::io::Result<TokioListener> {
    listener.try_clone()?.into_tokio()
}

/// Accepts connections until it is aborted.
async fn accept(
    shared: Arc<Shared>,
    listener: TokioListener,
    tls: Option<TlsAcceptor>,
    permits: Option<Arc<Semaphore>>,
) {
    let local = Arc::new(listener.local_addr().clone());
    loop {
        let (accepted, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(e) if is_exhausted(&e) => {
                tracing::warn!("cannot accept connections for now: {e}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            Err(e) if is_transient(&e) => continue,
            Err(e) => {
                tracing::error!(address = %local, "cannot accept connections any more: {e}");
                return;
            }
        };
        // Before the accept, a listener without clients would sit on a permit that another one needs.
        let permit = match &permits {
            // The semaphore is never closed.
            Some(permits) => permits.clone().acquire_owned().await.ok(),
            None => None,
        };
        let conn = Arc::new(Conn::new(peer, local.clone(), shared.sweep.clock.clone()));
        let entered = shared.sweep.enter(conn.clone());
        let (shared, tls) = (shared.clone(), tls.clone());
        tokio::spawn(async move {
            let _ended = Ended(Some(entered), shared.clone());
            connection::serve(shared, accepted, conn, tls).await;
            drop(permit);
        });
    }
}

/// Takes a connection off the books, also when its task panics.
struct Ended(Option<crate::conn::Entered>, Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.take());
        self.1.connection_ended();
    }
}

/// Looks for connections that are out of time; sleeps longer while there are none.
async fn sweep(shared: Arc<Shared>) {
    let tick = shared.limits.tick();
    loop {
        tokio::time::sleep(tick).await;
        if shared.sweep.pass(&shared.limits) >= CROWD {
            // The resting connections gave their buffers back in the next moments; to the system too.
            tokio::time::sleep(Duration::from_millis(5)).await;
            memory::trim();
        }
    }
}

/// So many connections that go to rest at once make it worth a pass over the heap.
const CROWD: usize = 256;
