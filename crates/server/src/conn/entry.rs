//! An exchange that came in by the in-process entrance: the host program's connection carries it, and to
//! the server it is a connection of its own that has one exchange.
//!
//! It has no socket that could be cut. What is cut is the exchange: the handler's writes and reads fail,
//! and the host's task is woken to find the end. The host need not do anything for that.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::Waker;

use crate::conn::sweep::Entered;
use crate::conn::{Conn, Order};
use crate::listen::{LocalAddr, PeerAddr};
use crate::reactor::Shared;
use crate::reply::Reply;
use crate::sync::lock;
use crate::websocket::Cutter;

/// What a [`Conn`] knows of the host's side. Refers to the structure that refers to it, until the exchange
/// has left.
pub(crate) struct Entry {
    shared: Arc<Shared>,
    /// Its place in the sweep, while the exchange is under way.
    entered: Mutex<Option<Entered>>,
    /// The exchange is over.
    left: AtomicBool,
    /// The host's task that waits for the answer, or for more of its body.
    task: Mutex<Option<Waker>>,
    /// What the handler writes to.
    reply: OnceLock<Weak<Reply>>,
    /// What the exchange has become, if it is a WebSocket.
    socket: OnceLock<Cutter>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").finish_non_exhaustive()
    }
}

impl Conn {
    /// Lets an exchange in. None if the server is stopping.
    pub(crate) fn enter_in_process(
        shared: &Arc<Shared>,
        peer: PeerAddr,
        local: Arc<LocalAddr>,
    ) -> Option<Arc<Conn>> {
        let conn = Arc::new(Conn::in_process(shared, peer, local));
        let entered = shared.sweep.enter_in_process(&conn)?;
        if let Some(entry) = &conn.entry {
            *lock(&entry.entered) = Some(entered);
        }
        Some(conn)
    }

    /// An exchange that is not let in, and only to be answered so.
    pub(crate) fn in_process(shared: &Arc<Shared>, peer: PeerAddr, local: Arc<LocalAddr>) -> Conn {
        let mut conn = Conn::new(peer, local, shared.sweep.clock.clone());
        conn.metrics = shared.notes.metrics.clone();
        conn.entry = Some(Box::new(Entry {
            shared: shared.clone(),
            entered: Mutex::default(),
            left: AtomicBool::new(false),
            task: Mutex::default(),
            reply: OnceLock::new(),
            socket: OnceLock::new(),
        }));
        conn
    }

    /// Whether it is an exchange that came in by the in-process entrance.
    pub(crate) fn is_in_process(&self) -> bool {
        self.entry.is_some()
    }

    /// Whether the exchange of such a connection is over, or was cut.
    pub(crate) fn is_given_up(&self) -> bool {
        let entry = self.entry.as_ref();
        entry.is_some_and(|entry| entry.left.load(Relaxed) || self.order() == Order::Cut)
    }

    /// Remembers whom to wake when the exchange is cut. To be called before the task looks whether it was.
    pub(crate) fn set_host_task(&self, waker: &Waker) {
        let Some(entry) = &self.entry else { return };
        let mut task = lock(&entry.task);
        match &mut *task {
            Some(task) => task.clone_from(waker),
            None => *task = Some(waker.clone()),
        }
    }

    /// Remembers what the handler writes to.
    pub(crate) fn set_reply(&self, reply: &Arc<Reply>) {
        if let Some(entry) = &self.entry {
            // An exchange has one.
            let _ = entry.reply.set(Arc::downgrade(reply));
        }
    }

    /// Remembers what the exchange has become.
    pub(crate) fn set_cutter(&self, cutter: Cutter) {
        if let Some(entry) = &self.entry {
            // It becomes one once.
            let _ = entry.socket.set(cutter);
        }
    }

    /// The runtime that is the server's own, for what the host has none for.
    pub(crate) fn reactor(&self) -> Option<&tokio::runtime::Handle> {
        self.entry.as_ref()?.shared.runtime.get()
    }

    /// Tells handler and host that the exchange has been cut. Runs code of either, so no lock is held.
    pub(crate) fn tell_cut(&self) {
        let Some(entry) = &self.entry else { return };
        if let Some(reply) = entry.reply.get().and_then(Weak::upgrade) {
            reply.cut();
        }
        if let Some(socket) = entry.socket.get() {
            socket.cut();
        }
        self.wake_readers();
        let task = lock(&entry.task).take();
        if let Some(task) = task {
            task.wake();
        }
    }

    /// The exchange is over: whoever still reads its body reads in vain.
    pub(super) fn leave(&self, entry: &Entry) {
        entry.left.store(true, Relaxed);
        self.wake_readers();
        let entered = lock(&entry.entered).take();
        drop(entered);
        drop(lock(&entry.task).take());
        entry.shared.connection_ended();
    }

    fn wake_readers(&self) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        waiting.into_iter().for_each(Waker::wake);
    }
}
