//! Every connection of a reactor, the clock they read, and the pass that finds what is overdue.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::conn::{Conn, IDLE, Order};
use crate::limits::Limits;
use crate::sync::lock;

/// Every connection of a reactor.
#[derive(Debug)]
pub(crate) struct Sweep {
    pub(crate) clock: Arc<Clock>,
    conns: Mutex<Conns>,
}

#[derive(Debug, Default)]
struct Conns {
    /// Slots by number; a connection keeps its number, so that it leaves in constant time.
    slots: Vec<Option<Arc<Conn>>>,
    free: Vec<usize>,
    draining: bool,
}

impl Sweep {
    pub(crate) fn new() -> Self {
        Sweep {
            clock: Arc::new(Clock::new()),
            conns: Mutex::new(Conns::default()),
        }
    }

    /// Adds a connection; it leaves when the returned guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>, conn: Arc<Conn>) -> Entered {
        let mut conns = lock(&self.conns);
        if conns.draining {
            conn.give_order(Order::Drain);
        }
        let slot = conns.free.pop().unwrap_or_else(|| {
            conns.slots.push(None);
            conns.slots.len() - 1
        });
        conns.slots[slot] = Some(conn);
        Entered {
            sweep: self.clone(),
            slot,
        }
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        let conns = lock(&self.conns);
        conns.slots.len() - conns.free.len()
    }

    /// Cuts the connections that are out of time, and sends the idle ones to rest. Says how many those
    /// were.
    pub(crate) fn pass(&self, limits: &Limits) -> usize {
        let now = self.clock.update();
        let mut resting = 0;
        for conn in lock(&self.conns).slots.iter().flatten() {
            resting += usize::from(conn.hint_rest(now));
            if let Some(why) = conn.overdue(now, limits) {
                tracing::debug!(peer = %conn.peer(), "connection closed: {why}");
                // An idle HTTP/2 client is told by GOAWAY; an idle HTTP/1 connection just closes; one
                // that owes us bytes, or does not take ours, is cut.
                conn.give_order(if why == IDLE {
                    Order::Drain
                } else {
                    Order::Cut
                });
            }
        }
        resting
    }

    /// Gives every connection, and those that come later, the order to drain; or cuts them all.
    pub(crate) fn order_all(&self, order: Order) {
        let mut conns = lock(&self.conns);
        conns.draining = true;
        for conn in conns.slots.iter().flatten() {
            conn.give_order(order);
        }
    }
}

/// A connection's place in the sweep; see [`Sweep::enter`].
#[derive(Debug)]
pub(crate) struct Entered {
    sweep: Arc<Sweep>,
    slot: usize,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut conns = lock(&self.sweep.conns);
        conns.slots[self.slot] = None;
        conns.free.push(self.slot);
        if conns.free.len() == conns.slots.len() {
            conns.slots.clear();
            conns.free.clear();
        }
    }
}

/// Milliseconds since the reactor started, as of the last sweep: reading it costs a load.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    now: AtomicU32,
}

impl Clock {
    pub(crate) fn new() -> Self {
        // 1, because 0 means "not since" in `Conn::write_since`.
        Clock {
            start: Instant::now(),
            now: AtomicU32::new(1),
        }
    }

    pub(crate) fn now(&self) -> u32 {
        self.now.load(Relaxed)
    }

    /// Wraps after 49 days; ages are computed by wrapping subtraction, so only an age may not reach that.
    pub(crate) fn update(&self) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "wrapping is meant, see above"
        )]
        let now = (self.start.elapsed().as_millis() as u32).max(1);
        self.now.store(now, Relaxed);
        now
    }
}
