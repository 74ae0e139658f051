//! One line for each exchange, in the formats that log readers know.
//!
//! A line is formatted when the last byte of a response was handed to the protocol, on the thread that
//! does so, into a bounded buffer; a thread of the log's own writes the buffer to the [`Sink`]. A sink that
//! does not take what is due holds up no request: lines are dropped, counted and reported.
//!
//! ```
//! use oxbridge::access_log::{AccessLog, Format, Sink};
//! use oxbridge::{Request, Server};
//!
//! let log = AccessLog::new(Format::combined(), Sink::writer(std::io::stderr()))?;
//! let mut builder = Server::builder();
//! builder.route("/", |_: Request| async { "hello" })?;
//! let server = builder.bind("127.0.0.1:0".parse()?).access_log(log).start()?;
//! # drop(server);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clock;
mod escape;
mod format;
mod json;
mod record;
mod sink;
mod text;
mod writer;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use crate::reactor::is_inside;

pub use self::format::{Format, FormatError};
pub use self::sink::Sink;

pub(crate) use self::record::{Head, Outcome, Record};

use self::format::Kind;
use self::writer::Queue;

/// The status that a line shows for an exchange whose client left before there was an answer. No server
/// sends it; it is nginx's number.
pub const CLIENT_LEFT: u16 = 499;

/// A log of requests. Clones are the same log; one log may serve several servers.
///
/// Lines reach the sink some 100 ms after they came about at the latest, when a server has stopped, and
/// when the last clone is dropped (which waits for the sink at most a second).
#[derive(Clone)]
pub struct AccessLog(Arc<Inner>);

struct Inner {
    format: Format,
    queue: Arc<Queue>,
}

impl AccessLog {
    /// Starts a log and its thread.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn new(format: Format, sink: Sink) -> io::Result<Self> {
        let queue = Queue::start(sink)?;
        Ok(AccessLog(Arc::new(Inner { format, queue })))
    }

    /// Opens the log's file again, by the path it was opened by, for a program that has renamed it
    /// (logrotate). Lines go to the new file as soon as this returns.
    ///
    /// # Errors
    /// The file cannot be opened: the old one stays in use. `Unsupported`: the log has no path.
    pub fn reopen(&self) -> io::Result<()> {
        self.0.queue.reopen()
    }

    /// Waits until the lines so far are with the sink, at most for `patience`; says whether they are.
    pub fn flush(&self, patience: Duration) -> bool {
        self.0.queue.flush(patience)
    }

    /// How many lines were lost so far, since the sink did not take them in time or failed.
    pub fn dropped(&self) -> u64 {
        self.0.queue.dropped()
    }

    /// Values of the request fields that lines show.
    pub(crate) fn request_fields(&self, headers: &HeaderMap) -> Vec<Option<HeaderValue>> {
        pick(&self.0.format.request_fields, headers)
    }

    /// Values of the response fields that lines show.
    pub(crate) fn response_fields(&self, headers: &HeaderMap) -> Vec<Option<HeaderValue>> {
        pick(&self.0.format.response_fields, headers)
    }

    /// Writes the line of an exchange.
    pub(crate) fn write(&self, record: &Record, outcome: &Outcome) {
        thread_local! {
            static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        // Fails on a thread that is at its end: a server that is dropped there has no more to say.
        let _ = LINE.try_with(|line| {
            let line = &mut *line.borrow_mut();
            line.clear();
            match &self.0.format.kind {
                Kind::Text(parts) => text::write(line, parts, record, outcome),
                Kind::Json => json::write(line, record, outcome),
            }
            line.push(b'\n');
            self.0.queue.put(line);
            // A head as long as it may be is rare; its line need not stay.
            line.shrink_to(KEPT);
        });
    }
}

/// How long a thread's buffer for lines stays, in bytes.
const KEPT: usize = 16 << 10;
/// How long the last owner of a log waits for its sink.
const FAREWELL: Duration = Duration::from_secs(1);

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.stop();
        // Inside a reactor nothing waits; the thread writes what is left all the same.
        if !is_inside() {
            self.queue.wait_ended(FAREWELL);
        }
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog")
            .field("format", &self.0.format)
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

fn pick(names: &[http::HeaderName], headers: &HeaderMap) -> Vec<Option<HeaderValue>> {
    names
        .iter()
        .map(|name| headers.get(name).cloned())
        .collect()
}
