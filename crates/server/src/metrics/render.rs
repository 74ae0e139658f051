//! Prometheus' text format, version 0.0.4.

use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;

use crate::metrics::block::Block;
use crate::metrics::layout::{
    ACCEPTED, BOUNDS, BUCKETS, CLASSES, DURATION, FAILED, IN_FLIGHT, METHODS, OPEN, PID, RECEIVED,
    REFUSED, REQUESTS, SENT, STARTED, WEBSOCKETS, WEBSOCKETS_OPEN, WIDTH,
};

/// Counters that are one number: name, meaning, place.
const TOTALS: [(&str, &str, usize); 6] = [
    (
        "oxbridge_http_request_body_bytes_total",
        "Bytes of request bodies that were read.",
        RECEIVED,
    ),
    (
        "oxbridge_http_response_body_bytes_total",
        "Bytes of response bodies that were sent.",
        SENT,
    ),
    (
        "oxbridge_connections_accepted_total",
        "Connections accepted.",
        ACCEPTED,
    ),
    (
        "oxbridge_http_requests_refused_total",
        "Requests answered with 503 because the server had too much to do.",
        REFUSED,
    ),
    (
        "oxbridge_handler_failures_total",
        "Handlers that raised an exception, panicked, or gave no whole answer.",
        FAILED,
    ),
    (
        "oxbridge_websocket_connections_total",
        "WebSocket connections begun.",
        WEBSOCKETS,
    ),
];

/// What each worker has now: name, meaning, place.
const GAUGES: [(&str, &str, usize); 4] = [
    ("oxbridge_connections_open", "Open connections.", OPEN),
    (
        "oxbridge_http_exchanges_in_flight",
        "Requests whose answer is not complete yet.",
        IN_FLIGHT,
    ),
    (
        "oxbridge_websocket_connections_open",
        "Open WebSocket connections.",
        WEBSOCKETS_OPEN,
    ),
    ("oxbridge_worker_pid", "Process number of a worker.", PID),
];

/// The text.
pub(super) fn render(block: &Block) -> String {
    let (sums, workers) = block.steady(|| read(block));
    let mut out = String::with_capacity(8 << 10);
    let name = "oxbridge_http_requests_total";
    head(
        &mut out,
        name,
        "counter",
        "Requests answered, by method and class of status.",
    );
    for (m, method) in METHODS.iter().enumerate() {
        for (c, class) in CLASSES.iter().enumerate() {
            let n = sums[REQUESTS + m * CLASSES.len() + c];
            line(
                &mut out,
                format_args!("{name}{{method=\"{method}\",status=\"{class}\"}} {n}"),
            );
        }
    }
    histogram(&mut out, &sums);
    for (name, help, at) in TOTALS {
        head(&mut out, name, "counter", help);
        line(&mut out, format_args!("{name} {}", sums[at]));
    }
    for (name, help, at) in GAUGES {
        head(&mut out, name, "gauge", help);
        for (worker, words) in &workers {
            // A gauge that another process has cleared meanwhile may be below 0 for a moment.
            let value = words[at].cast_signed().max(0);
            line(
                &mut out,
                format_args!("{name}{{worker=\"{worker}\"}} {value}"),
            );
        }
    }
    let name = "oxbridge_worker_start_time_seconds";
    head(
        &mut out,
        name,
        "gauge",
        "When a worker began, in seconds since 1970.",
    );
    for (worker, words) in &workers {
        let (seconds, millis) = (words[STARTED] / 1000, words[STARTED] % 1000);
        line(
            &mut out,
            format_args!("{name}{{worker=\"{worker}\"}} {seconds}.{millis:03}"),
        );
    }
    out
}

type Words = [u64; WIDTH];

/// The sums of all slots, and each worker's own words.
fn read(block: &Block) -> (Words, Vec<(usize, Words)>) {
    let load = |slot: usize| -> Words {
        let words = block.slot(slot);
        std::array::from_fn(|i| words[i].load(Relaxed))
    };
    let mut sums = load(0);
    let mut workers = Vec::new();
    for slot in 1..=block.slots() {
        let words = load(slot);
        for (sum, n) in sums.iter_mut().zip(&words) {
            *sum = sum.wrapping_add(*n);
        }
        if words[PID] != 0 {
            workers.push((slot - 1, words));
        }
    }
    (sums, workers)
}

fn histogram(out: &mut String, sums: &Words) {
    let name = "oxbridge_http_request_duration_seconds";
    let help = "From the head of a request to the last byte of its answer.";
    head(out, name, "histogram", help);
    let mut count = 0;
    for (i, bound) in BOUNDS
        .iter()
        .map(|(_, text)| *text)
        .chain(["+Inf"])
        .enumerate()
    {
        count += sums[BUCKETS + i];
        line(out, format_args!("{name}_bucket{{le=\"{bound}\"}} {count}"));
    }
    let (seconds, micros) = (sums[DURATION] / 1_000_000, sums[DURATION] % 1_000_000);
    line(out, format_args!("{name}_sum {seconds}.{micros:06}"));
    line(out, format_args!("{name}_count {count}"));
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    line(
        out,
        format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"),
    );
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = out.write_fmt(text);
    out.push('\n');
}
