//! What a client may use: sizes, counts and times, each with a safe default.

use std::time::Duration;

/// Bounds on what one client, and all of them together, may use.
///
/// Every field is public: start from [`Limits::default`] and change what you need.
///
/// ```
/// use oxbridge::Limits;
/// let limits = Limits { max_body: Some(10 << 20), ..Limits::default() };
/// assert_eq!(limits.max_headers, 100);
/// ```
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "struct update syntax is how it is meant to be filled in"
)]
pub struct Limits {
    /// Bytes of one request head, request line included; past it 431. Default 64 KiB, at least 8 KiB.
    pub max_head_bytes: usize,
    /// Bytes of a request target (RFC 9112 §3.2); past it 414. Default 16 KiB.
    pub max_target_bytes: usize,
    /// Header fields in one request; past it 431. Default 100.
    pub max_headers: usize,
    /// Bytes of a request body; past it 413. Default: none, since handlers stream.
    pub max_body: Option<u64>,
    /// A request body up to this many bytes is read before the handler runs, so that a slow sender
    /// holds no thread. A longer one streams. 0 starts every handler at once. Default 64 KiB.
    pub buffer_body: usize,
    /// Bytes that a handler may write ahead of a slow client before `write` waits. Default 256 KiB.
    pub write_ahead: usize,
    /// From the first byte of a request (or the accept) to the end of its head; also the time that a
    /// TLS handshake may take. Default 10 s.
    pub header_timeout: Duration,
    /// Without a byte of a body that somebody waits for. Default 30 s.
    pub body_timeout: Duration,
    /// A connection without a request. Default 75 s.
    pub keep_alive_timeout: Duration,
    /// A client that takes none of the bytes that are due to it. Default 60 s.
    pub write_timeout: Duration,
    /// Open connections; past it new ones wait in the listen queue. Default: none.
    pub max_connections: Option<usize>,
    /// Exchanges under way in the server; past it 503 with Retry-After, before any handler. One whose client
    /// has left counts until its handler is done. Default: none.
    pub max_concurrency: Option<usize>,
    /// Concurrent streams of one HTTP/2 connection (RFC 9113 §5.1.2). Default 128.
    pub h2_max_streams: u32,
    /// Streams that an HTTP/2 client may reset before they are handled; past it the connection ends
    /// (the "rapid reset" attack, CVE-2023-44487). Default 20.
    pub h2_max_resets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_head_bytes: 64 << 10,
            max_target_bytes: 16 << 10,
            max_headers: 100,
            max_body: None,
            buffer_body: 64 << 10,
            write_ahead: 256 << 10,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            keep_alive_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(60),
            max_connections: None,
            max_concurrency: None,
            h2_max_streams: 128,
            h2_max_resets: 20,
        }
    }
}

impl Limits {
    /// How often connections are looked over for a timeout: a quarter of the shortest, within bounds
    /// that keep both the error and the cost small.
    pub(crate) fn tick(&self) -> Duration {
        let shortest = self
            .header_timeout
            .min(self.body_timeout)
            .min(self.keep_alive_timeout)
            .min(self.write_timeout);
        (shortest / 4).clamp(Duration::from_millis(5), Duration::from_millis(500))
    }
}
