//! One call: what goes to Python, and the answer that its caller waits for.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::request::Request;
use crate::response::Response;

pub(crate) type Outcome = Result<Response, Error>;

/// See the module. Shared by the caller, the thread that runs it, and the [`Calls`](crate::calls::Calls) that
/// count it.
pub(crate) struct Call {
    /// Its place in the order of all calls.
    pub(crate) number: u64,
    pub(crate) deadline: Option<Instant>,
    pub(crate) is_head: bool,
    slot: Mutex<Slot>,
    /// Rung when the caller leaves.
    left: Condvar,
}

struct Slot {
    /// Until it begins.
    request: Option<Request>,
    outcome: Option<Outcome>,
    /// An outcome has been given, or the caller has left: another one is dropped.
    is_settled: bool,
    waker: Option<Waker>,
    has_left: bool,
}

impl Call {
    pub(crate) fn new(number: u64, deadline: Option<Instant>, request: Request) -> Self {
        Call {
            number,
            deadline,
            is_head: request.method == http::Method::HEAD,
            slot: Mutex::new(Slot {
                request: Some(request),
                outcome: None,
                is_settled: false,
                waker: None,
                has_left: false,
            }),
            left: Condvar::new(),
        }
    }

    /// What to call with; `None` when that has been taken, or nobody waits.
    pub(crate) fn request(&self) -> Option<Request> {
        self.slot().request.take()
    }

    /// Gives the outcome to the caller, unless there is one already.
    pub(crate) fn settle(&self, outcome: Outcome) {
        let mut slot = self.slot();
        if slot.is_settled {
            drop(slot);
            return;
        }
        slot.is_settled = true;
        slot.outcome = Some(outcome);
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            oxbridge::wake(waker);
        }
    }

    /// Says that nobody waits any more: the caller has gone, or its time is over.
    pub(crate) fn leave(&self) {
        let request = {
            let mut slot = self.slot();
            slot.is_settled = true;
            slot.has_left = true;
            slot.request.take()
        };
        self.left.notify_all();
        drop(request);
    }

    pub(crate) fn has_left(&self) -> bool {
        self.slot().has_left
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.slot().is_settled
    }

    /// Waits until nobody waits for the answer; false if that is not so after `timeout`.
    pub(crate) fn wait_left(&self, timeout: Option<Duration>) -> bool {
        let slot = self.slot();
        let stays = |slot: &mut Slot| !slot.has_left;
        match timeout {
            None => drop(self.left.wait_while(slot, stays)),
            Some(timeout) => {
                let waited = self.left.wait_timeout_while(slot, timeout, stays);
                let (slot, _) = waited.unwrap_or_else(PoisonError::into_inner);
                return slot.has_left;
            }
        }
        true
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut slot = self.slot();
        if let Some(outcome) = slot.outcome.take() {
            return Poll::Ready(outcome);
        }
        match &mut slot.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
