//! A server: what it serves, where it listens, how it starts and stops.

mod acceptor;

use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use oxbridge_mux::RegisterError;
use tokio::sync::Semaphore;

use crate::app::{App, Handler, Table};
use crate::builder::Builder;
use crate::compression::{Compression, Compressor};
use crate::crew::{Crew, Host};
use crate::driver::{AtTheWheel, Driver, TurnError, Turned};
use crate::error::{StartError, StartKind};
use crate::exchange::Exchange;
use crate::in_process::InProcess;
use crate::limits::Limits;
use crate::listen::{Bind, ListenOptions, Listener, LocalAddr, TokioListener};
use crate::observe::Notes;
use crate::reactor::{OnDrop, Reactor, Shared, is_inside};
use crate::sync::lock;
use crate::tls::TlsAcceptor;
use crate::work::{Kind, Work};

use self::acceptor::{accept, sweep};

/// Everything a server needs to start; the builder fills it in.
pub(crate) struct Plan {
    pub(crate) table: Table,
    pub(crate) binds: Vec<Bind>,
    pub(crate) listen: ListenOptions,
    pub(crate) limits: Limits,
    pub(crate) notes: Notes,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) reactors: usize,
    pub(crate) threads: usize,
    pub(crate) queue: usize,
    pub(crate) driven: bool,
    pub(crate) compression: Option<Compression>,
    pub(crate) edge: crate::edge::Plan,
}

/// Who takes the turns of a reactor.
#[derive(Clone)]
enum Engine {
    Crew(Arc<Crew>),
    Driver(Arc<Driver>),
}

impl Engine {
    fn reactor(&self) -> &Reactor {
        match self {
            Engine::Crew(crew) => crew.reactor(),
            Engine::Driver(driver) => driver.reactor(),
        }
    }

    fn is_aboard(&self) -> bool {
        match self {
            Engine::Crew(crew) => crew.is_aboard(),
            Engine::Driver(driver) => driver.is_aboard(),
        }
    }
}

/// A running server.
///
/// Dropping it stops it, as [`stop`](Self::stop) with no time to finish. Any thread may call its
/// methods; a handler must not wait for its own server to stop, so it calls
/// [`begin_stop`](Self::begin_stop).
pub struct Server {
    app: Arc<App>,
    engines: Vec<Engine>,
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
        let edge = plan.edge.settle()?;
        let mut listeners = Vec::new();
        for bind in &plan.binds {
            listeners.extend(bind.bind(&plan.listen)?);
        }
        let addresses = listeners.iter().map(|l| l.local_addr().clone()).collect();
        let (app, limits) = (Arc::new(App::new(plan.table)), Arc::new(plan.limits));
        let mut notes = plan.notes;
        notes.max_concurrency = limits.max_concurrency;
        let notes = Arc::new(notes);
        let permits = limits
            .max_connections
            .map(|max| Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))));
        let io = |what| move |e| StartError(StartKind::Io(what, e));
        let compression = plan.compression.map(Compressor::new);
        let mut server = Server {
            app: app.clone(),
            engines: Vec::new(),
            addresses,
            tls: plan.tls.clone(),
            acceptors: Mutex::default(),
            deadline: Mutex::default(),
        };
        // One thread at a time takes turns, and it cannot wait on two reactors.
        let reactors = if plan.driven { 1 } else { plan.reactors };
        for number in 0..reactors {
            let shared = Shared::new(
                app.clone(),
                limits.clone(),
                notes.clone(),
                compression.clone(),
                edge.clone(),
                plan.queue,
                plan.driven,
            );
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
            if plan.driven {
                server.engines.push(Engine::Driver(Driver::new(reactor)));
                break;
            }
            let crew = Crew::start(
                reactor,
                plan.host.clone(),
                plan.threads,
                &format!("oxbridge-{number}"),
            )
            .map_err(io("start a thread"))?;
            server.engines.push(Engine::Crew(crew));
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
        self.engines
            .iter()
            .map(|engine| engine.reactor().shared().sweep.len())
            .sum()
    }

    /// How many exchanges are alive: begun, and their writer not dropped yet.
    pub fn exchanges(&self) -> usize {
        self.engines
            .iter()
            .map(|engine| Arc::strong_count(&engine.reactor().shared().live) - 1)
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
        for engine in &self.engines {
            let reactor = engine.reactor();
            reactor.drain();
            let watched = Arc::downgrade(reactor.shared());
            reactor.handle().spawn(async move {
                tokio::time::sleep_until(deadline.into()).await;
                if let Some(shared) = watched.upgrade() {
                    shared.cut();
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

    /// Waits at most until `deadline`; says whether the server has stopped. A driven server's turns are
    /// taken meanwhile, unless another thread takes them.
    pub fn wait_until(&self, deadline: Option<Instant>) -> bool {
        let ended = self.engines.iter().all(|engine| match engine {
            Engine::Crew(crew) => crew.wait_ended(deadline),
            Engine::Driver(driver) => driver.wait_ended(deadline),
        });
        if let Some(engine) = self.engines.first()
            && ended
        {
            engine.reactor().shared().notes.finish();
        }
        ended
    }

    /// Whether the calling thread must not wait for this server to stop: it is one of its own, or has
    /// one of its turns on the stack, or is inside the reactor of any server.
    pub fn is_inside(&self) -> bool {
        is_inside() || self.is_aboard()
    }

    /// Whether the calling thread is one of this server's own, or has one of its turns on the stack.
    pub fn is_aboard(&self) -> bool {
        self.engines.iter().any(Engine::is_aboard)
    }

    /// Takes a turn of a [driven](crate::Builder::driven) server: drives its connections until handlers
    /// have run on this thread and their answers are on their way, or something else of [`Turned`] has
    /// come about, or `timeout` is over (none waits without a bound, zero does what is ready).
    ///
    /// # Errors
    /// [`TurnError`]. One thread at a time takes turns.
    pub fn turn(&self, timeout: Option<Duration>) -> Result<Turned, TurnError> {
        self.driver()?.turn(timeout)
    }

    /// As [`turn`](Self::turn), but runs no handlers: [`handled`](Turned::handled) says how many are
    /// ready, and [`run_ready`](Self::run_ready) runs them. For a host that enters an interpreter for
    /// handlers and leaves it to wait.
    ///
    /// The watched descriptor is reported when it *becomes* readable. The host looks at it then, and
    /// again before each further turn for as long as it finds something there.
    ///
    /// # Errors
    /// As [`turn`](Self::turn).
    pub fn turn_io(&self, timeout: Option<Duration>) -> Result<Turned, TurnError> {
        self.driver()?.turn_io(timeout)
    }

    /// Runs the handlers that are ready on a driven server, on this thread; says how many. What they
    /// answer leaves with the next turn.
    ///
    /// # Errors
    /// As [`turn`](Self::turn).
    pub fn run_ready(&self) -> Result<usize, TurnError> {
        self.driver()?.run_ready()
    }

    /// Seats the calling thread as the one that takes the turns of a driven server. While the guard lasts,
    /// answers that the thread gives, in a handler or not, leave with its next turn and cost no system
    /// call; so it must not wait anywhere else for long.
    ///
    /// # Errors
    /// [`TurnError::NotDriven`].
    pub fn sit(&self) -> Result<AtTheWheel, TurnError> {
        Ok(self.driver()?.sit())
    }

    /// Makes turns of a driven server end when `fd` is readable too: the descriptor of the host's own
    /// event loop. A duplicate is kept until another one, or none, is watched.
    ///
    /// # Errors
    /// As [`turn`](Self::turn); or, inside, what the system says to the descriptor.
    pub fn watch(
        &self,
        fd: Option<std::os::fd::BorrowedFd<'_>>,
    ) -> Result<std::io::Result<()>, TurnError> {
        self.driver()?.watch(fd)
    }

    /// Ends the turn under way on another thread, or the next one. For driven servers; does nothing to
    /// others.
    pub fn wake(&self) {
        if let Ok(driver) = self.driver() {
            driver.wake();
        }
    }

    fn driver(&self) -> Result<&Driver, TurnError> {
        match self.engines.first() {
            Some(Engine::Driver(driver)) => Ok(driver),
            _ => Err(TurnError::NotDriven),
        }
    }

    /// Calls `f` once, when the server has stopped or is dropped; on any thread, so it must be quick.
    pub fn on_stop(&self, f: impl FnOnce() + Send + Sync + 'static) {
        let token = Arc::new(OnDrop(Some(Box::new(f))));
        for engine in &self.engines {
            engine.reactor().shared().keep(token.clone());
        }
    }

    /// The entrance for requests that the program around the server hands in: a tower service, for axum or
    /// hyper. A server may have it beside sockets, or have no socket at all. It does not keep the server
    /// running.
    pub fn in_process(&self) -> InProcess {
        let engines = self.engines.iter();
        InProcess::new(engines.map(|e| e.reactor().shared().clone()).collect())
    }

    /// What runs work as handlers run.
    pub fn runner(&self) -> Runner {
        Runner(self.engines.first().map_or_else(Weak::new, |engine| {
            Arc::downgrade(engine.reactor().shared())
        }))
    }

    /// Work that the threads which run handlers do whenever it is [posted](Work::post), besides their
    /// handlers: calls into another language, for example, on behalf of another server. Of several reactors
    /// the first one's threads do it. It must not hold the server itself, which would never be dropped.
    ///
    /// ```
    /// use oxbridge::Server;
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    ///
    /// // No address: the threads are what is wanted.
    /// let server = Server::builder().threads(4).start()?;
    /// let (done, is_done) = mpsc::channel();
    /// let work = server.work(move || {
    ///     std::thread::sleep(Duration::from_millis(5)); // may block, as a handler may
    ///     let _ = done.send(());
    /// });
    /// work.post();
    /// work.post();
    /// assert_eq!(is_done.iter().take(2).count(), 2);
    /// assert!(server.stop(Duration::from_secs(1)));
    /// # Ok::<(), oxbridge::StartError>(())
    /// ```
    pub fn work(&self, run: impl Fn() + Send + Sync + 'static) -> Work {
        match self.engines.first() {
            Some(engine) => {
                let shared = engine.reactor().shared();
                let kind = shared.new_kind(Box::new(run));
                Work::new(Arc::downgrade(shared), kind)
            }
            // A server has an engine; one that is being taken apart does nothing any more.
            None => Work::new(Weak::new(), Arc::new(Kind::new(u32::MAX, Box::new(run)))),
        }
    }

    /// As [`Builder::blocking_exchange`], for requests from now on.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_exchange<H>(
        &self,
        pattern: &str,
        handler: H,
        location: String,
    ) -> Result<(), RegisterError>
    where
        H: Fn(Exchange) + Send + Sync + 'static,
    {
        self.app
            .add(pattern, Handler::Blocking(Box::new(handler)), location)
    }

    /// As [`Builder::inline_exchange`], for requests from now on.
    ///
    /// # Errors
    /// As there.
    pub fn inline_exchange<H>(
        &self,
        pattern: &str,
        handler: H,
        location: String,
    ) -> Result<(), RegisterError>
    where
        H: Fn(Exchange) + Send + Sync + 'static,
    {
        self.app
            .add(pattern, Handler::Inline(Box::new(handler)), location)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.begin_stop(Duration::ZERO);
    }
}

/// Runs work as the handlers of a server run: on a thread of its crew, or in a turn of the host's. Any
/// thread may use it; it does not keep the server alive.
#[derive(Clone, Debug, Default)]
pub struct Runner(Weak<Shared>);

impl Runner {
    /// Runs `work` soon, once. It is dropped without having run when the server has stopped before; a
    /// default runner drops all work.
    pub fn run(&self, work: Box<dyn FnOnce() + Send>) {
        if let Some(shared) = self.0.upgrade() {
            shared.call(work);
        }
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
