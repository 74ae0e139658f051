//! A running application as Python has it, and its end.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use tokio::sync::oneshot;

/// How much longer than its time an end may take until nobody waits for it any more.
const PATIENCE: Duration = Duration::from_secs(3);

/// An object of `oxbridge._embedded`. Its end needs the interpreter, which no task of the host waits for:
/// a thread of its own does.
pub(super) struct Life(Arc<Py<PyAny>>);

impl Life {
    pub(super) fn new(running: Py<PyAny>) -> Self {
        Life(Arc::new(running))
    }

    /// See [`App::shutdown`](super::App::shutdown).
    pub(super) async fn shutdown(&self, grace: Duration) -> bool {
        let (tell, told) = oneshot::channel();
        let running = self.0.clone();
        apart(move || {
            let ended = Python::try_attach(|py| end(running.bind(py), grace));
            // Without an interpreter all has ended. Whoever asked may have stopped to wait.
            let _ = tell.send(ended.is_none_or(|ended| ended));
        });
        told.await.unwrap_or(false)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let running = self.0.clone();
        apart(move || {
            // Without an interpreter there is nothing to end.
            let _ = Python::try_attach(|py| end(running.bind(py), Duration::ZERO));
        });
    }
}

/// Ends the application; says whether it has ended.
fn end(running: &Bound<'_, PyAny>, grace: Duration) -> bool {
    // A century is as good as for ever, and does not overflow a clock.
    let grace = grace.min(Duration::from_secs(100 * 365 * 24 * 3600));
    let ended = running
        .call_method1("begin_stop", (grace.as_secs_f64(),))
        .and_then(|_| running.call_method1("wait", ((grace + PATIENCE).as_secs_f64(),)))
        .and_then(|ended| ended.extract());
    ended.unwrap_or_else(|e| {
        tracing::error!("cannot end an application: {e}");
        false
    })
}

fn apart(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name("oxbridge-end".to_owned());
    if let Err(e) = thread.spawn(work) {
        tracing::error!("cannot start the thread that ends an application: {e}");
    }
}
