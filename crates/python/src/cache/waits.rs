//! Waiting in plain code: outside the interpreter, and so that Ctrl-C ends it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use pyo3::prelude::*;

/// How soon a signal is noticed.
const SIGNALS: Duration = Duration::from_millis(50);

/// Waits for a future on the calling thread, which others may use the interpreter meanwhile.
///
/// # Errors
/// What a signal's handler raises.
pub(crate) fn wait<F: Future>(py: Python<'_>, future: F) -> PyResult<F::Output> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Ok(output);
        }
        py.detach(|| std::thread::park_timeout(SIGNALS));
        py.check_signals()?;
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
