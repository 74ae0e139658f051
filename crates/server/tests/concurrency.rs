//! Bounds that count exchanges: how many at a time, and how many at all.

mod gate;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use gate::{Gate, eventually};
use oxbridge::{Builder, Limits, Request, Server};
use wire::{Client, get};

#[test]
fn past_the_bound_clients_are_told_to_come_again() {
    let (builder, gate, calls) = gated();
    let server = start(builder, Some(2));
    let mut held: Vec<_> = (0..2)
        .map(|_| {
            let mut client = Client::of(&server);
            client.get("/held");
            client
        })
        .collect();
    gate.await_arrivals(2);
    // On a connection that stays open, before any handler, whatever the path.
    let mut third = Client::of(&server);
    for target in ["/held", "/quick", "/nowhere"] {
        let answer = third.get(target).answer();
        assert_eq!(
            (answer.status, answer.field("retry-after")),
            (503, "1"),
            "{target}"
        );
    }
    third.send("HEAD /quick HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(third.head().status, 503);
    third.send("POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(third.answer().status, 503);
    assert_eq!(calls.load(SeqCst), 2);
    gate.open();
    for client in &mut held {
        assert_eq!(client.answer().status, 200);
    }
    eventually("there is room again", || {
        get(&server, "/quick").status == 200
    });
}

#[test]
fn a_handler_whose_client_has_left_still_counts() {
    let (builder, gate, calls) = gated();
    let server = start(builder, Some(1));
    let mut client = Client::of(&server);
    client.get("/held");
    gate.await_arrivals(1);
    drop(client);
    eventually("the connection is gone", || server.connections() == 0);
    assert_eq!(get(&server, "/held").status, 503);
    assert_eq!(calls.load(SeqCst), 1);
    gate.open();
    eventually("the handler is done", || {
        get(&server, "/quick").status == 200
    });
}

#[test]
fn the_host_is_told_once_that_enough_requests_have_begun() {
    for (most, requests, told) in [(3, 2, 0), (3, 3, 1), (3, 9, 1), (0, 2, 1), (1, 1, 1)] {
        let mut builder = Server::builder();
        builder.route("/", |_: Request| async { "hello" }).unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let builder = builder.max_requests(most, move || {
            counted.fetch_add(1, SeqCst);
        });
        let server = start(builder, None);
        let mut client = Client::of(&server);
        for _ in 0..requests {
            assert_eq!(client.get("/").answer().status, 200, "the server goes on");
        }
        assert_eq!(count.load(SeqCst), told, "{requests} requests of {most}");
    }
}

fn gated() -> (Builder, Gate, Arc<AtomicUsize>) {
    let (gate, calls) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (held, called) = (gate.clone(), calls.clone());
    let mut builder = Server::builder();
    builder
        .blocking("/held", move |w, _| {
            called.fetch_add(1, SeqCst);
            held.pass();
            w.write(b"late")
        })
        .unwrap();
    builder
        .blocking("/quick", |w, _| w.write(b"quick"))
        .unwrap();
    (builder, gate, calls)
}

fn start(builder: Builder, max_concurrency: Option<usize>) -> Server {
    let limits = Limits {
        max_concurrency,
        ..Limits::default()
    };
    builder
        .limits(limits)
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
