//! What the server logs, as records of Python's `logging` logger `oxbridge`.
//!
//! An event may come from a thread that must not wait for the interpreter, or that holds a lock which a
//! Python thread waits for. So events go through a channel to a thread of their own, which attaches.

use std::fmt::Write as _;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Events that may wait; past it they are dropped, since the server is more important than its log.
const BACKLOG: usize = 1024;

/// Sends the server's warnings and errors to `logging`. Later calls, and a program that has a subscriber
/// already, change nothing.
pub(crate) fn install() {
    let (sender, receiver) = sync_channel(BACKLOG);
    if tracing::subscriber::set_global_default(Forward(sender)).is_err() {
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

struct Forward(SyncSender<(i32, String)>);

impl Subscriber for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("oxbridge")
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let level = if *event.metadata().level() == Level::ERROR {
            40
        } else {
            30
        };
        // A full channel drops the event; see BACKLOG.
        let _ = self.0.try_send((level, text.message + &text.fields));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string does not fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}
