//! What a user of the library reads on standard error, in the form of Go's `log` package, which the
//! original wrote with: `2026/11/21 01:30:40 http: superfluous response.WriteHeader call`.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use oxbridge::log::Sink;
use tracing::Level;

/// Writes one line. Whoever closed standard error does not want to read it.
pub(crate) fn line(message: fmt::Arguments<'_>) {
    let mut text = now();
    // Writing to a String cannot fail.
    let _ = write!(text, " {message}");
    // One line, whatever a pattern or an address holds.
    let mut text = text.replace(['\n', '\r'], " ");
    text.push('\n');
    // One call, so that the lines of two threads do not mix.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Shows the server's own warnings too. Where the program that we are linked into has a subscriber for
/// them already, they stay with it.
pub(crate) fn show_warnings() {
    oxbridge::log::forward(StandardError);
}

struct StandardError;

impl Sink for StandardError {
    fn wants(&self, level: Level) -> bool {
        level <= Level::WARN
    }

    fn line(&self, _: Level, text: &str) {
        line(format_args!("http: {text}"));
    }
}

/// The local time, as Go's `log` writes it.
fn now() -> String {
    // SAFETY: both calls only write to the place that they are given, which lives here; a `tm` of
    // zeroes is a valid one (its `tm_zone` may be null), should `localtime_r` leave it as it is.
    let tm = unsafe {
        let seconds = libc::time(std::ptr::null_mut());
        let mut tm: libc::tm = std::mem::zeroed();
        libc::localtime_r(&raw const seconds, &raw mut tm);
        tm
    };
    format!(
        "{:04}/{:02}/{:02} {:02}:{:02}:{:02}",
        tm.tm_year + 1900,
        tm.tm_mon + 1,
        tm.tm_mday,
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec
    )
}
