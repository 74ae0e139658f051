//! What the server logs, as records of Python's `logging` logger `oxbridge`.
//!
//! An event may come from a thread that must not wait for the interpreter, or that holds a lock which a
//! Python thread waits for. So events go through a channel to a thread of their own, which attaches.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use oxbridge::log::{Sink, forward as forward_to};
use pyo3::prelude::*;
use tracing::Level;

/// Events that may wait; past it they are dropped, since the server is more important than its log.
const BACKLOG: usize = 1024;

/// Whether the program around the interpreter has its own ways with what the server logs.
static LEFT: AtomicBool = AtomicBool::new(false);

/// Leaves what the server logs to the program's own subscriber of `tracing`, also to one that it sets
/// later: servers that start from now on do not send it to `logging`.
pub fn leave_logging() {
    LEFT.store(true, Relaxed);
}

/// Sends the server's warnings and errors to `logging`. Later calls, and a program that has a subscriber
/// already, change nothing.
pub(crate) fn install() {
    if LEFT.load(Relaxed) {
        return;
    }
    let (sender, receiver) = sync_channel(BACKLOG);
    if !forward_to(Channel(sender)) {
        return;
    }
    // Without the thread the events are lost, which is no reason not to serve.
    let _ = std::thread::Builder::new()
        .name("oxbridge-log".into())
        .spawn(move || forward(&receiver));
}

fn forward(receiver: &Receiver<(i32, String)>) {
    while let Ok((level, text)) = receiver.recv() {
        let attached = Python::try_attach(|py| {
            py.import("logging")
                .and_then(|logging| logging.call_method1("getLogger", ("oxbridge",)))
                .and_then(|logger| logger.call_method1("log", (level, "%s", text)))
                .map(drop)
                .unwrap_or_else(|e| e.write_unraisable(py, None));
        });
        if attached.is_none() {
            return;
        }
    }
}

struct Channel(SyncSender<(i32, String)>);

impl Sink for Channel {
    fn wants(&self, level: Level) -> bool {
        level <= Level::WARN
    }

    fn line(&self, level: Level, text: &str) {
        let level = if level == Level::ERROR { 40 } else { 30 };
        // A full channel drops the line; see BACKLOG.
        let _ = self.0.try_send((level, text.to_owned()));
    }
}
