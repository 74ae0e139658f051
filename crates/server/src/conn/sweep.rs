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
    /// How many of them are exchanges that came in by the in-process entrance.
    in_process: usize,
    draining: bool,
    /// All have been cut. Those that came in by the in-process entrance are not waited for any more: when
    /// they leave, their host decides.
    cut: bool,
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
        self.add(&mut conns, conn)
    }

    /// Adds an exchange that came in by the in-process entrance; none comes in during a drain.
    pub(crate) fn enter_in_process(self: &Arc<Self>, conn: &Arc<Conn>) -> Option<Entered> {
        let mut conns = lock(&self.conns);
        if conns.draining {
            return None;
        }
        conns.in_process += 1;
        Some(self.add(&mut conns, conn.clone()))
    }

    fn add(self: &Arc<Self>, conns: &mut Conns, conn: Arc<Conn>) -> Entered {
        let in_process = conn.is_in_process();
        let slot = conns.free.pop().unwrap_or_else(|| {
            conns.slots.push(None);
            conns.slots.len() - 1
        });
        conns.slots[slot] = Some(conn);
        Entered {
            sweep: self.clone(),
            slot,
            in_process,
        }
    }

    /// How many connections there are, those of hosts not among them.
    pub(crate) fn len(&self) -> usize {
        lock(&self.conns).sockets()
    }

    /// Whether nobody is left to be waited for.
    pub(crate) fn is_empty(&self) -> bool {
        let conns = lock(&self.conns);
        conns.sockets() == 0 && (conns.cut || conns.in_process == 0)
    }

    /// Cuts the connections that are out of time, and sends the idle ones to rest. Says how many those
    /// were.
    pub(crate) fn pass(&self, limits: &Limits) -> usize {
        let now = self.clock.update();
        let mut resting = 0;
        let mut cut = Vec::new();
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
                if conn.is_in_process() {
                    cut.push(conn.clone());
                }
            }
        }
        cut.iter().for_each(|conn| conn.tell_cut());
        resting
    }

    /// Gives every connection, and those that come later, the order to drain; or cuts them all.
    pub(crate) fn order_all(&self, order: Order) {
        let mut cut = Vec::new();
        let mut conns = lock(&self.conns);
        conns.draining = true;
        conns.cut |= order == Order::Cut;
        for conn in conns.slots.iter().flatten() {
            conn.give_order(order);
            if order == Order::Cut && conn.is_in_process() {
                cut.push(conn.clone());
            }
        }
        drop(conns);
        cut.iter().for_each(|conn| conn.tell_cut());
    }
}

impl Conns {
    fn sockets(&self) -> usize {
        self.slots.len() - self.free.len() - self.in_process
    }
}

/// A connection's place in the sweep; see [`Sweep::enter`].
#[derive(Debug)]
pub(crate) struct Entered {
    sweep: Arc<Sweep>,
    slot: usize,
    in_process: bool,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut conns = lock(&self.sweep.conns);
        let conn = conns.slots[self.slot].take();
        conns.free.push(self.slot);
        conns.in_process -= usize::from(self.in_process);
        if conns.free.len() == conns.slots.len() {
            conns.slots.clear();
            conns.free.clear();
        }
        drop(conns);
        // Where it is the last reference, what goes with it may be anything.
        drop(conn);
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
