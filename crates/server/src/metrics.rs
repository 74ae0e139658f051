//! Counting what servers do, in memory that several processes can share, and telling Prometheus.
//!
//! ```
//! use oxbridge::metrics::Metrics;
//! use oxbridge::{Request, Server};
//!
//! let metrics = Metrics::new();
//! let mut builder = Server::builder();
//! builder.route("/", |_: Request| async { "hello" })?;
//! let server = builder.bind("127.0.0.1:0".parse()?).metrics(metrics.clone()).start()?;
//! assert!(metrics.render().contains("oxbridge_http_requests_total"));
//! # drop(server);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod block;
mod layout;
mod render;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Method;

use crate::sync::lock;

use self::block::Block;
use self::layout::{
    ACCEPTED, BUCKETS, CLASSES, COUNTERS, DURATION, FAILED, IN_FLIGHT, OPEN, PID, RECEIVED,
    REFUSED, REQUESTS, SENT, STARTED, WEBSOCKETS, WEBSOCKETS_OPEN, WIDTH,
};

/// Counters of one process, among those of all processes that share a block. Clones are the same counters.
///
/// Counting is a relaxed atomic addition; any thread may do it, and render, at any time. A block has a slot
/// for each worker process and a base slot, which takes over the counts of workers that have ended, so
/// that sums never fall.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    block: Block,
    /// Where this process counts: 0 is the base slot.
    slot: usize,
    /// Held while counts move to the base slot.
    retiring: Mutex<()>,
}

impl Metrics {
    /// Counters of this process alone.
    ///
    /// # Panics
    /// If the system has no memory for them, some 1.3 KiB.
    #[expect(
        clippy::new_without_default,
        reason = "a default would be counters that nobody can render"
    )]
    pub fn new() -> Self {
        match Block::own(1) {
            Ok(block) => Self::begin(block, 1),
            Err(e) => panic!("no memory for metrics: {e}"),
        }
    }

    /// Counters for `slots` worker processes, and the descriptor of the memory, which each of them
    /// [opens](Self::open). The descriptor is closed on exec: whoever hands it on says so.
    ///
    /// The value is the supervisor's: it renders all slots. What is counted by it goes to the base slot.
    ///
    /// # Errors
    /// What the system says; or `InvalidInput` for more than 65,536 slots.
    pub fn create_shared(slots: usize) -> io::Result<(Self, OwnedFd)> {
        let (block, fd) = Block::shared(slots)?;
        let metrics = Metrics(Arc::new(Inner {
            block,
            slot: 0,
            retiring: Mutex::default(),
        }));
        Ok((metrics, fd))
    }

    /// Counts in a slot (from 0) of memory that [`create_shared`](Self::create_shared) has made, from now
    /// on as this process. The descriptor may be closed afterwards.
    ///
    /// # Errors
    /// `InvalidData`: the memory is something else, or another version's. `InvalidInput`: there is no
    /// such slot.
    pub fn open(fd: impl AsFd, slot: usize) -> io::Result<Self> {
        let block = Block::open(fd)?;
        if slot >= block.slots() {
            return Err(no_slot(slot, block.slots()));
        }
        Ok(Self::begin(block, slot + 1))
    }

    fn begin(block: Block, slot: usize) -> Self {
        let words = block.slot(slot);
        for gauge in &words[COUNTERS..WIDTH] {
            gauge.store(0, Relaxed);
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        words[STARTED].store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Relaxed);
        words[PID].store(u64::from(std::process::id()), Relaxed);
        Metrics(Arc::new(Inner {
            block,
            slot,
            retiring: Mutex::default(),
        }))
    }

    /// How many worker slots there are.
    pub fn slots(&self) -> usize {
        self.0.block.slots()
    }

    /// Clears the slot (from 0) of a worker that has ended: its counts stay in the sums, its gauges are
    /// gone. One process, the supervisor, does this.
    ///
    /// # Errors
    /// `InvalidInput`: there is no such slot.
    pub fn retire_slot(&self, slot: usize) -> io::Result<()> {
        let block = &self.0.block;
        if slot >= block.slots() {
            return Err(no_slot(slot, block.slots()));
        }
        let _retiring = lock(&self.0.retiring);
        let (base, words) = (block.slot(0), block.slot(slot + 1));
        block.generation().fetch_add(1, AcqRel);
        for (sum, count) in base.iter().zip(&words[..COUNTERS]) {
            // Swapped, so that nothing is lost should the worker live on.
            sum.fetch_add(count.swap(0, Relaxed), Relaxed);
        }
        for gauge in &words[COUNTERS..] {
            gauge.store(0, Relaxed);
        }
        block.generation().fetch_add(1, Release);
        Ok(())
    }

    /// All slots together in Prometheus' text format, version 0.0.4. What tells of a process has a label
    /// `worker`, its slot.
    pub fn render(&self) -> String {
        render::render(&self.0.block)
    }

    /// Notes that a WebSocket connection has begun; it is open until the guard is dropped.
    ///
    /// For whoever takes a connection over from HTTP: call it when the handshake has been answered, keep
    /// the guard with the connection.
    pub fn websocket_opened(&self) -> OpenWebsocket {
        self.add(WEBSOCKETS, 1);
        OpenWebsocket(self.gauge(WEBSOCKETS_OPEN))
    }

    pub(crate) fn connection_opened(&self) -> Gauge {
        self.add(ACCEPTED, 1);
        self.gauge(OPEN)
    }

    pub(crate) fn exchange_begun(&self) -> Gauge {
        self.gauge(IN_FLIGHT)
    }

    /// A request was answered; none for `method` if it was not understood.
    pub(crate) fn request(&self, method: Option<&Method>, status: u16) {
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        let row = usize::from(layout::method_class(method)) * CLASSES.len();
        self.add(REQUESTS + row + class, 1);
    }

    pub(crate) fn took(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.add(BUCKETS + layout::bucket(micros), 1);
        self.add(DURATION, micros);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.add(RECEIVED, bytes as u64);
    }

    pub(crate) fn sent(&self, bytes: u64) {
        self.add(SENT, bytes);
    }

    pub(crate) fn refused(&self) {
        self.add(REFUSED, 1);
    }

    pub(crate) fn failed(&self) {
        self.add(FAILED, 1);
    }

    fn add(&self, counter: usize, n: u64) {
        self.0.block.slot(self.0.slot)[counter].fetch_add(n, Relaxed);
    }

    fn gauge(&self, gauge: usize) -> Gauge {
        self.add(gauge, 1);
        Gauge(self.clone(), gauge)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("slot", &self.0.slot.checked_sub(1))
            .field("slots", &self.slots())
            .finish()
    }
}

/// One more of something, until it is dropped.
#[derive(Debug)]
pub(crate) struct Gauge(Metrics, usize);

impl Drop for Gauge {
    fn drop(&mut self) {
        self.0.0.block.slot(self.0.0.slot)[self.1].fetch_sub(1, Relaxed);
    }
}

/// A WebSocket connection that is open; see [`Metrics::websocket_opened`].
#[derive(Debug)]
#[must_use = "the connection counts as open while this lives"]
pub struct OpenWebsocket(#[expect(dead_code, reason = "for its drop")] Gauge);

fn no_slot(slot: usize, slots: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("there is no slot {slot}: the metrics have {slots}, counted from 0"),
    )
}
