//! Where each counter stands in a slot. Every process that maps a block has the same layout, or the magic
//! number of [`block`](super::block) differs: who changes one changes the other.

use http::Method;

/// Names of the method classes, in the order of their counters.
pub(super) const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other",
];
/// Names of the status classes, in the order of their counters.
pub(super) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// Upper bounds of the duration buckets: microseconds, and as Prometheus writes them. One more bucket has
/// no bound.
pub(super) const BOUNDS: [(u64, &str); 14] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
];

/// Requests by method class, then status class.
pub(super) const REQUESTS: usize = 0;
/// Exchanges by duration, each in the first bucket that holds it.
pub(super) const BUCKETS: usize = REQUESTS + METHODS.len() * CLASSES.len();
/// Microseconds of all exchanges together.
pub(super) const DURATION: usize = BUCKETS + BOUNDS.len() + 1;
/// Bytes of request bodies.
pub(super) const RECEIVED: usize = DURATION + 1;
/// Bytes of response bodies.
pub(super) const SENT: usize = RECEIVED + 1;
/// Connections accepted.
pub(super) const ACCEPTED: usize = SENT + 1;
/// Requests answered with 503 by the server itself.
pub(super) const REFUSED: usize = ACCEPTED + 1;
/// Handlers that failed.
pub(super) const FAILED: usize = REFUSED + 1;
/// WebSocket connections begun.
pub(super) const WEBSOCKETS: usize = FAILED + 1;
/// How many counters there are; what follows tells of a process as it is now, and ends with it.
pub(super) const COUNTERS: usize = WEBSOCKETS + 1;

/// Open connections.
pub(super) const OPEN: usize = COUNTERS;
/// Exchanges under way.
pub(super) const IN_FLIGHT: usize = OPEN + 1;
/// Open WebSocket connections.
pub(super) const WEBSOCKETS_OPEN: usize = IN_FLIGHT + 1;
/// When the process began, in milliseconds since 1970.
pub(super) const STARTED: usize = WEBSOCKETS_OPEN + 1;
/// Its number; 0 in a slot that nobody counts in.
pub(super) const PID: usize = STARTED + 1;

/// Words in a slot: whole cache lines, so that two processes share none.
pub(super) const WIDTH: usize = (PID + 1).next_multiple_of(8);

/// The place of a method among [`METHODS`].
pub(super) fn method_class(method: Option<&Method>) -> u8 {
    let at = method.and_then(|method| METHODS.iter().position(|name| *name == method.as_str()));
    #[expect(clippy::cast_possible_truncation, reason = "there are eight")]
    let class = at.unwrap_or(METHODS.len() - 1) as u8;
    class
}

/// The place of a duration among the buckets.
pub(super) fn bucket(micros: u64) -> usize {
    BOUNDS
        .iter()
        .position(|(bound, _)| micros <= *bound)
        .unwrap_or(BOUNDS.len())
}
