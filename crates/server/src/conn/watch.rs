//! Tasks beside a connection's own that have to learn of its orders: those of HTTP/2 streams.

use std::sync::Arc;
use std::sync::atomic::{Ordering::SeqCst, fence};
use std::task::Waker;

use crate::conn::Conn;
use crate::sync::lock;

/// Wakes a task too when an order is given, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    conn: Arc<Conn>,
    waker: Option<Waker>,
}

impl Watch {
    pub(crate) fn new(conn: Arc<Conn>) -> Self {
        Watch { conn, waker: None }
    }

    /// Sets the task's waker. To be called before the task looks for an order.
    pub(crate) fn set(&mut self, waker: &Waker) {
        // A task's waker stays the same, so the first is enough.
        if self.waker.is_none() {
            lock(&self.conn.watchers).push(waker.clone());
            self.waker = Some(waker.clone());
            // As in `Conn::set_task`.
            fence(SeqCst);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watchers = lock(&self.conn.watchers);
        if let Some(waker) = &self.waker
            && let Some(place) = watchers.iter().position(|other| other.will_wake(waker))
        {
            watchers.swap_remove(place);
        }
    }
}
