//! What the server logs, as lines of text for a program that has no subscriber of `tracing` of its own:
//! one in another language.

use std::fmt::Write as _;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// Takes lines of the log. Any thread may call it, also one that holds up other clients meanwhile.
pub trait Sink: Send + Sync + 'static {
    /// Whether lines of this level are wanted now.
    fn wants(&self, level: Level) -> bool;
    /// One line, without a line end.
    fn line(&self, level: Level, text: &str);
}

/// Sends what this crate and its bindings log to `sink`, from now on and for the whole process. False,
/// and nothing changes, when the program has a subscriber already.
pub fn forward(sink: impl Sink) -> bool {
    tracing::subscriber::set_global_default(Forward(sink)).is_ok()
}

struct Forward<S>(S);

impl<S: Sink> Subscriber for Forward<S> {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target().starts_with("oxbridge") {
            // What the sink wants may change.
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("oxbridge") && self.0.wants(*metadata.level())
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        self.0
            .line(*event.metadata().level(), &(text.message + &text.fields));
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
