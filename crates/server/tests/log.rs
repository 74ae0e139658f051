//! What the server logs, for a program that has no subscriber of `tracing`. The log is the process's, so
//! this file has one test.

mod gate;
mod wire;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use gate::eventually;
use oxbridge::Server;
use oxbridge::log::{Sink, forward};
use tracing::Level;
use wire::Client;

/// Keeps what it is told, down to a level that may change.
#[derive(Clone, Default)]
struct Notebook(Arc<Pages>);

#[derive(Default)]
struct Pages {
    least: Mutex<Option<Level>>,
    lines: Mutex<Vec<String>>,
    /// How often it was asked what it wants.
    asked: AtomicUsize,
}

impl Sink for Notebook {
    fn wants(&self, level: Level) -> bool {
        self.0.asked.fetch_add(1, SeqCst);
        self.0
            .least
            .lock()
            .unwrap()
            .is_some_and(|least| level <= least)
    }

    fn line(&self, level: Level, text: &str) {
        self.0.lines.lock().unwrap().push(format!("{level} {text}"));
    }
}

impl Notebook {
    fn want(&self, level: Option<Level>) {
        *self.0.least.lock().unwrap() = level;
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lines.lock().unwrap())
    }
}

/// Another one, which comes too late.
struct Late;

impl Sink for Late {
    fn wants(&self, _: Level) -> bool {
        panic!("nobody asks it");
    }

    fn line(&self, _: Level, _: &str) {}
}

#[test]
fn the_log_goes_to_the_sink_line_by_line() {
    let notebook = Notebook::default();
    assert!(forward(notebook.clone()));
    assert!(!forward(Late), "there is one already");

    // The level is asked for each line, so that it may change.
    let speak = || {
        tracing::error!(target: "oxbridge::test", "bad");
        tracing::warn!(target: "oxbridge::test", "doubtful");
        tracing::info!(target: "oxbridge::test", "good");
        tracing::debug!(target: "oxbridge::test", "dull");
    };
    for (least, lines) in [
        (None, &[][..]),
        (Some(Level::ERROR), &["ERROR bad"]),
        (
            Some(Level::INFO),
            &["ERROR bad", "WARN doubtful", "INFO good"],
        ),
        (None, &[]),
        (
            Some(Level::TRACE),
            &["ERROR bad", "WARN doubtful", "INFO good", "DEBUG dull"],
        ),
    ] {
        notebook.want(least);
        speak();
        assert_eq!(notebook.take(), lines, "{least:?}");
    }

    // Fields follow the message; a line without one has fields only.
    let shown = std::net::Ipv4Addr::LOCALHOST;
    tracing::info!(target: "oxbridge", %shown, number = 7, text = "a \"b\"", "{} and {}", 1, 2);
    tracing::info!(target: "oxbridge", alone = true);
    assert_eq!(
        notebook.take(),
        [
            "INFO 1 and 2 shown=127.0.0.1 number=7 text=\"a \\\"b\\\"\"",
            "INFO  alone=true"
        ]
    );

    // Others' lines are not ours to show, and are not even asked about.
    let asked = notebook.0.asked.load(SeqCst);
    tracing::error!(target: "hyper", "somebody else's");
    tracing::error!("the test's own: {}", env!("CARGO_CRATE_NAME"));
    assert_eq!(notebook.0.asked.load(SeqCst), asked);

    // Spans are entered and left without a trace.
    let span = tracing::info_span!(target: "oxbridge::test", "span", field = 1);
    span.in_scope(|| tracing::info!(target: "oxbridge::test", "inside"));
    span.record("field", 2);
    drop(span);
    assert_eq!(notebook.take(), ["INFO inside"]);

    // And what the server says itself, from its own threads.
    notebook.want(Some(Level::ERROR));
    let mut builder = Server::builder();
    builder.inline_exchange("/", drop, "here".into()).unwrap();
    let server = builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    assert_eq!(Client::of(&server).get("/").answer().status, 500);
    eventually("the server has complained", || {
        notebook.take() == ["ERROR a handler gave no answer: it panicked, or dropped its exchange"]
    });
}
