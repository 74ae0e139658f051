//! The admin server: metrics, health, readiness.

mod wire;

use std::sync::Arc;

use oxbridge::admin::{self, Readiness, State};
use oxbridge::metrics::Metrics;
use oxbridge::{Limits, Request, Server};
use wire::{Client, PATIENCE, get};

#[test]
fn readiness_follows_the_state_and_health_does_not() {
    let readiness = Arc::new(Readiness::new());
    let server = admin::builder(&Metrics::new(), &readiness)
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    assert_eq!(readiness.state(), State::Starting);
    for (state, status, text) in [
        (State::Starting, 503, "starting\n"),
        (State::Ready, 200, "ready\n"),
        (State::Draining, 503, "draining\n"),
        (State::Ready, 200, "ready\n"),
    ] {
        readiness.set(state);
        assert_eq!(readiness.state(), state);
        let answer = get(&server, "/readyz");
        assert_eq!((answer.status, answer.text()), (status, text));
        assert_eq!(answer.field("cache-control"), "no-store");
        let answer = get(&server, "/healthz");
        assert_eq!((answer.status, answer.text()), (200, "ok\n"));
    }
    // HEAD as GET, nothing else, nowhere else.
    let mut client = Client::of(&server);
    client.send("HEAD /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().status, 200);
    client.send("POST /readyz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 405);
    assert_eq!(client.get("/").answer().status, 404);
}

#[test]
fn metrics_of_another_server_are_shown_as_prometheus_wants_them() {
    let metrics = Metrics::new();
    let admin = admin::builder(&metrics, &Arc::new(Readiness::new()))
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    let mut builder = Server::builder();
    builder.route("/", |_: Request| async { "hello" }).unwrap();
    let limits = Limits {
        max_concurrency: Some(0),
        ..Limits::default()
    };
    let server = builder
        .limits(limits)
        .metrics(metrics)
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    assert_eq!(get(&server, "/").status, 503);
    assert!(server.stop(PATIENCE));
    // The bound of the one is not the other's, and what asks is not counted.
    for _ in 0..2 {
        let answer = get(&admin, "/metrics");
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.field("content-type"),
            "text/plain; version=0.0.4; charset=utf-8"
        );
        assert!(
            answer
                .text()
                .contains("\noxbridge_http_requests_total{method=\"GET\",status=\"5xx\"} 1\n")
        );
        assert!(
            answer
                .text()
                .contains("\noxbridge_http_requests_total{method=\"GET\",status=\"2xx\"} 0\n")
        );
        assert!(
            answer
                .text()
                .contains("\noxbridge_http_requests_refused_total 1\n")
        );
    }
}
