//! One connection as the rest of the server sees it: who is at the other end, what it is doing, and
//! since when, so that a sweep over all of them finds the ones that have run out of time.
//!
//! No timer belongs to a connection. It notes the phase it is in with a coarse clock (one relaxed
//! store), and [`Sweep`] looks at every connection a few times within the shortest timeout: a request
//! costs no timer, and ten thousand idle connections cost one pass over ten thousand small structures.

mod entry;
mod sweep;
mod watch;

use std::any::Any;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
    fence,
};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Waker;
use std::time::Duration;

use crate::limits::Limits;
use crate::listen::{LocalAddr, PeerAddr};
use crate::metrics::Metrics;
use crate::stream::FileParts;
use crate::sync::lock;
use crate::tls::TlsInfo;
use crate::websocket::Pending;

use self::entry::Entry;
use self::sweep::Clock;
pub(crate) use self::sweep::{Entered, Sweep};
pub(crate) use self::watch::Watch;

/// What a connection waits for from its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Accepted, or the first byte of a request has come: the rest of the head is due.
    Head = 0,
    /// Between requests.
    Idle = 1,
    /// At least one exchange is under way.
    Busy = 2,
}

/// What the connection's task is told to do at its next poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Order {
    /// Carry on.
    Serve = 0,
    /// Finish what is under way and close: no keep-alive, GOAWAY.
    Drain = 1,
    /// Close now.
    Cut = 2,
}

/// One connection: shared by its task, its exchanges and the sweep.
#[derive(Debug)]
pub(crate) struct Conn {
    /// The other end of the socket.
    pub(crate) socket_peer: PeerAddr,
    /// Whose connection it is, where a PROXY header says so.
    pub(crate) announced: OnceLock<PeerAddr>,
    pub(crate) local: Arc<LocalAddr>,
    pub(crate) tls: OnceLock<TlsInfo>,
    /// What the handlers' language keeps for the connection.
    pub(crate) kept: OnceLock<Box<dyn Any + Send + Sync>>,
    /// Where what it does is counted.
    pub(crate) metrics: Option<Metrics>,
    clock: Arc<Clock>,
    exchanges: AtomicU32,
    phase: AtomicU8,
    since: AtomicU32,
    /// How many readers wait for bytes of a request body.
    readers: AtomicU32,
    /// When the last byte came, or the first reader began to wait.
    read_at: AtomicU32,
    /// Nothing came for the body timeout: the readers give up, and if they do not, the sweep does.
    late: AtomicBool,
    /// Whom to wake when that happens.
    waiting: Mutex<Vec<Waker>>,
    /// Bytes of HTTP/2 bodies that wait for the client's flow control to let them go.
    owed: AtomicU64,
    /// When the client last let some go, or the first began to wait.
    taken_at: AtomicU32,
    /// When the client stopped taking bytes; 0 while it takes them.
    write_since: AtomicU32,
    order: AtomicU8,
    /// The task's own waker: it stays the same for the life of a task.
    task: OnceLock<Waker>,
    /// Everything that was to be written has been, as far as the protocol knows.
    flushed: AtomicBool,
    /// A read waits for the exchanges under way to end.
    held: AtomicBool,
    /// Idle for long enough to give its buffers back.
    rests: AtomicBool,
    informational: AtomicBool,
    /// Serialized 1xx heads that wait to be written. Guarded by `informational`: false means empty.
    interim: Mutex<Vec<u8>>,
    /// The connection is to be a WebSocket's: what comes from now on is not HTTP.
    upgrading: AtomicBool,
    /// The WebSocket, until HTTP is done with the connection. It refers to this structure: whoever runs
    /// the connection takes it out in the end.
    upgrade: Mutex<Option<Pending>>,
    /// HTTP/2 streams that have tasks of their own, and are woken by orders too.
    watchers: Mutex<Vec<Waker>>,
    /// What is wrong with the framing of a body that came on this connection.
    fault: OnceLock<&'static str>,
    /// It is no connection of the server's, but an exchange that a host program handed in.
    entry: Option<Box<Entry>>,
    /// Parts of files that HTTP has been promised and the socket has not taken.
    pub(crate) files: FileParts,
}

impl Conn {
    pub(crate) fn new(peer: PeerAddr, local: Arc<LocalAddr>, clock: Arc<Clock>) -> Self {
        let now = clock.now();
        Conn {
            socket_peer: peer,
            announced: OnceLock::new(),
            local,
            tls: OnceLock::new(),
            kept: OnceLock::new(),
            metrics: None,
            clock,
            exchanges: AtomicU32::new(0),
            phase: AtomicU8::new(Phase::Head as u8),
            since: AtomicU32::new(now),
            readers: AtomicU32::new(0),
            read_at: AtomicU32::new(now),
            late: AtomicBool::new(false),
            waiting: Mutex::default(),
            owed: AtomicU64::new(0),
            taken_at: AtomicU32::new(now),
            write_since: AtomicU32::new(0),
            order: AtomicU8::new(Order::Serve as u8),
            task: OnceLock::new(),
            flushed: AtomicBool::new(true),
            held: AtomicBool::new(false),
            rests: AtomicBool::new(false),
            informational: AtomicBool::new(false),
            interim: Mutex::new(Vec::new()),
            upgrading: AtomicBool::new(false),
            upgrade: Mutex::default(),
            watchers: Mutex::default(),
            fault: OnceLock::new(),
            entry: None,
            files: FileParts::new(),
        }
    }

    /// Who connected: the other end of the socket, or whoever it has announced.
    pub(crate) fn peer(&self) -> &PeerAddr {
        self.announced.get().unwrap_or(&self.socket_peer)
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.tls.get().is_some()
    }

    /// Bytes came from the client. `heads` says that they belong to a request, as all bytes do in
    /// HTTP/1: in HTTP/2 they may be about the connection, which is idle all the same.
    pub(crate) fn on_read(&self, heads: bool) {
        if heads && self.phase.load(Relaxed) == Phase::Idle as u8 {
            self.since.store(self.clock.now(), Relaxed);
            self.phase.store(Phase::Head as u8, Relaxed);
        }
        if self.readers.load(Relaxed) != 0 {
            self.read_at.store(self.clock.now(), Relaxed);
            self.late.store(false, Relaxed);
        }
    }

    /// Wakes the reader when it has waited for as long as it may.
    pub(crate) fn wake_when_late(&self, reader: &Waker) {
        let mut waiting = lock(&self.waiting);
        if !waiting.iter().any(|waker| waker.will_wake(reader)) {
            waiting.push(reader.clone());
        }
    }

    /// Whether a reader of a request body has waited for as long as it may.
    pub(crate) fn is_late(&self) -> bool {
        self.late.load(Relaxed)
    }

    /// The client's window or the socket's buffer is full (`true`), or took bytes again (`false`).
    pub(crate) fn on_write(&self, blocked: bool) {
        let since = self.write_since.load(Relaxed);
        if blocked && since == 0 {
            self.write_since.store(self.clock.now(), Relaxed);
        } else if !blocked && since != 0 {
            self.write_since.store(0, Relaxed);
        }
    }

    /// Bytes of an HTTP/2 body are there to be taken. HTTP/1 needs no such account: there, what is not
    /// taken stays in the socket.
    pub(crate) fn owe(&self, bytes: usize) {
        if self.owed.fetch_add(bytes as u64, Relaxed) == 0 {
            self.taken_at.store(self.clock.now(), Relaxed);
        }
    }

    /// Bytes that were owed have been taken, or given up.
    pub(crate) fn pay(&self, bytes: usize) {
        self.owed.fetch_sub(bytes as u64, Relaxed);
        self.taken_at.store(self.clock.now(), Relaxed);
    }

    /// The connection is open, and need not ask for anything at once.
    pub(crate) fn begin_idle(&self) {
        self.since.store(self.clock.now(), Relaxed);
        self.phase.store(Phase::Idle as u8, Relaxed);
    }

    /// Bytes were written that have not been flushed (`false`), or all have been.
    pub(crate) fn on_flush(&self, flushed: bool) {
        self.flushed.store(flushed, Relaxed);
    }

    /// Whether the sweep has told the connection to rest, and it may: it is between requests and owes
    /// its client nothing. Takes the hint back.
    pub(crate) fn may_rest(&self) -> bool {
        self.rests.load(Relaxed)
            && self.rests.swap(false, Relaxed)
            && self.phase.load(Relaxed) == Phase::Idle as u8
            && self.flushed.load(Relaxed)
    }

    /// A request head is complete.
    pub(crate) fn begin_exchange(self: &Arc<Self>) -> Underway {
        self.exchanges.fetch_add(1, Relaxed);
        self.phase.store(Phase::Busy as u8, Relaxed);
        Underway(self.clone())
    }

    /// Whether an exchange is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.exchanges.load(Relaxed) != 0
    }

    /// Wakes the task when the last exchange under way ends.
    pub(crate) fn hold_read(&self) {
        self.held.store(true, Relaxed);
    }

    /// HTTP is over; what follows has a time bound of its own.
    pub(crate) fn begin_farewell(&self) {
        self.phase.store(Phase::Busy as u8, Relaxed);
    }

    /// Somebody waits for bytes of a request body until the guard is dropped.
    pub(crate) fn begin_reading(self: &Arc<Self>) -> Reading {
        if self.readers.fetch_add(1, Relaxed) == 0 {
            self.read_at.store(self.clock.now(), Relaxed);
            self.late.store(false, Relaxed);
        }
        Reading(self.clone())
    }

    pub(crate) fn order(&self) -> Order {
        match self.order.load(Relaxed) {
            0 => Order::Serve,
            1 => Order::Drain,
            _ => Order::Cut,
        }
    }

    /// Gives an order; the last word of two is the stronger.
    pub(crate) fn give_order(&self, order: Order) {
        if self.order.fetch_max(order as u8, Relaxed) < order as u8 {
            // Pairs with the fence in `set_task`: either the task sees the order, or we see its waker.
            fence(SeqCst);
            self.wake();
            for watcher in lock(&self.watchers).iter() {
                watcher.wake_by_ref();
            }
        }
    }

    /// The connection becomes a WebSocket's as soon as the answer that says so has been sent.
    pub(crate) fn set_upgrade(&self, pending: Pending) {
        *lock(&self.upgrade) = Some(pending);
        self.upgrading.store(true, Relaxed);
    }

    /// Whether what comes from now on is not HTTP.
    pub(crate) fn is_upgrading(&self) -> bool {
        self.upgrading.load(Relaxed)
    }

    /// The WebSocket that the connection becomes.
    pub(crate) fn take_upgrade(&self) -> Option<Pending> {
        if !self.is_upgrading() {
            return None;
        }
        lock(&self.upgrade).take()
    }

    /// Keeps the task's waker. Later calls do nothing.
    pub(crate) fn set_task(&self, waker: &Waker) {
        if self.task.get().is_none() {
            // A second task cannot come: a connection has one.
            let _ = self.task.set(waker.clone());
            fence(SeqCst);
        }
    }

    fn wake(&self) {
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    /// Queues an informational response (RFC 9110 §15.2) and wakes the task to write it.
    pub(crate) fn send_interim(&self, head: &[u8]) {
        lock(&self.interim).extend_from_slice(head);
        self.informational.store(true, Relaxed);
        self.wake();
    }

    /// The informational responses that wait, if any: a load where there are none.
    pub(crate) fn take_interim(&self) -> Option<Vec<u8>> {
        if !self.informational.load(Relaxed) {
            return None;
        }
        let mut interim = lock(&self.interim);
        self.informational.store(false, Relaxed);
        Some(std::mem::take(&mut *interim)).filter(|bytes| !bytes.is_empty())
    }

    /// Notes that a body's framing is wrong; the first fault stays.
    pub(crate) fn set_fault(&self, fault: &'static str) {
        // A later fault is a consequence of the first.
        let _ = self.fault.set(fault);
    }

    pub(crate) fn fault(&self) -> Option<&'static str> {
        self.fault.get().copied()
    }

    /// Tells a connection that has been idle for a while to give its buffers back. Says whether it did.
    fn hint_rest(&self, now: u32) -> bool {
        let age = now.wrapping_sub(self.since.load(Relaxed));
        let due = self.phase.load(Relaxed) == Phase::Idle as u8
            && (REST..REST + 2 * SWEPT).contains(&age)
            && !self.rests.swap(true, Relaxed);
        if due {
            fence(SeqCst);
            self.wake();
        }
        due
    }

    /// Why this connection is out of time at `now`, if it is.
    fn overdue(&self, now: u32, limits: &Limits) -> Option<&'static str> {
        let older = |since: u32, bound: Duration| {
            // A connection may be newer than the clock that the sweep just read.
            let age = now.wrapping_sub(since);
            age < u32::MAX / 2 && u128::from(age) >= bound.as_millis()
        };
        let write_since = self.write_since.load(Relaxed);
        let stuck = self.owed.load(Relaxed) != 0
            && older(self.taken_at.load(Relaxed), limits.write_timeout);
        if stuck || write_since != 0 && older(write_since, limits.write_timeout) {
            return Some("the client took no bytes within the write timeout");
        }
        let read_at = self.read_at.load(Relaxed);
        if self.readers.load(Relaxed) != 0 && older(read_at, limits.body_timeout) {
            if !older(read_at, limits.body_timeout + LATE) {
                // The readers are polled, find that it is late, and answer 408.
                if !self.late.swap(true, Relaxed) {
                    let waiting = std::mem::take(&mut *lock(&self.waiting));
                    waiting.into_iter().for_each(Waker::wake);
                }
                return None;
            }
            return Some("no byte of a request body came within the body timeout");
        }
        let since = self.since.load(Relaxed);
        match self.phase.load(Relaxed) {
            p if p == Phase::Head as u8 && older(since, limits.header_timeout) => {
                Some("no whole request head came within the header timeout")
            }
            p if p == Phase::Idle as u8 && older(since, limits.keep_alive_timeout) => {
                // An HTTP/2 client that answers no GOAWAY is not waited for for ever.
                let last = limits.keep_alive_timeout + limits.header_timeout;
                Some(if older(since, last) {
                    "idle, and deaf"
                } else {
                    IDLE
                })
            }
            _ => None,
        }
    }
}

/// An exchange under way on a connection; dropped when its response has been handed to the protocol
/// to the last byte, or when the exchange was given up.
#[derive(Debug)]
pub(crate) struct Underway(Arc<Conn>);

impl Underway {
    pub(crate) fn conn(&self) -> &Arc<Conn> {
        &self.0
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        if self.0.exchanges.fetch_sub(1, Relaxed) == 1 {
            self.0.since.store(self.0.clock.now(), Relaxed);
            self.0.phase.store(Phase::Idle as u8, Relaxed);
            if self.0.held.load(Relaxed) && self.0.held.swap(false, Relaxed) {
                self.0.wake();
            }
            if let Some(entry) = &self.0.entry {
                self.0.leave(entry);
            }
        }
    }
}

/// Somebody waits for a request body; see [`Conn::begin_reading`].
#[derive(Debug)]
pub(crate) struct Reading(Arc<Conn>);

impl Drop for Reading {
    fn drop(&mut self) {
        if self.0.readers.fetch_sub(1, Relaxed) == 1 {
            lock(&self.0.waiting).clear();
        }
    }
}

/// The one reason to close a connection that is nobody's fault.
const IDLE: &str = "idle";
/// After this many milliseconds between requests a connection gives its buffers back.
const REST: u32 = 1000;
/// At least this often, in milliseconds, every connection is looked at.
const SWEPT: u32 = 500;
/// How long readers have to answer a client whose body does not come, before it is cut.
const LATE: Duration = Duration::from_secs(2);
