//! Who waits for a slow client and who must not: exchanges that change threads, and the reactor.

mod gate;
mod wire;

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use gate::{Gate, eventually};
use oxbridge::{BodyError, Builder, Exchange, Limits, Server};
use wire::{Client, PATIENCE, get};

/// More than the socket buffers of both ends take.
const LENGTH: u64 = 64 << 20;

#[test]
fn an_exchange_that_an_inline_handler_hands_over_waits_when_it_is_told_to() {
    let (builder, held) = handing_over();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.get("/inline");
    let mut exchange = held.recv_timeout(PATIENCE).unwrap();
    assert!(!exchange.response().may_wait());
    exchange.set_may_wait(true);
    assert!(exchange.response().may_wait());
    let written = Arc::new(AtomicU64::new(0));
    let counter = written.clone();
    let writing = std::thread::spawn(move || {
        let response = exchange.response();
        while response.written() < LENGTH {
            response.write(&[b'x'; 64 << 10]).unwrap();
            counter.store(response.written(), SeqCst);
        }
        exchange.end().unwrap();
    });
    let mut answer = client.head();
    // It stops by itself: what it wrote stays the same over answers to others.
    let mut last = 0;
    eventually("the writer waits", || {
        assert_eq!(get(&server, "/well").text(), "well");
        std::thread::sleep(Duration::from_millis(20));
        last == std::mem::replace(&mut last, written.load(SeqCst)) && last > 0
    });
    assert!(
        last < LENGTH / 2,
        "{last} bytes for a client that reads nothing"
    );
    client.body(&mut answer);
    assert!(answer.whole && answer.body.len() as u64 == LENGTH);
    writing.join().unwrap();
}

#[test]
fn one_that_is_not_told_so_queues() {
    let (builder, held) = handing_over();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.get("/inline");
    let mut exchange = held.recv_timeout(PATIENCE).unwrap();
    // Would not come back if it waited: nobody reads.
    exchange
        .response()
        .write(&vec![b'x'; LENGTH as usize])
        .unwrap();
    exchange.end().unwrap();
    let answer = client.answer();
    assert!(answer.whole && answer.body.len() as u64 == LENGTH);
}

#[test]
fn a_body_is_waited_for_by_whoever_may() {
    let (builder, held) = handing_over();
    let server = serve(builder.limits(Limits {
        buffer_body: 0,
        ..Limits::default()
    }));
    let mut client = Client::of(&server);
    client.send("POST /inline HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    let mut exchange = held.recv_timeout(PATIENCE).unwrap();
    let body = exchange.request().body_mut();
    eventually("the first half is here", || body.is_readable());
    assert_eq!(body.read_blocking(&mut [0; 16]).unwrap(), 5);
    let error = body.read_blocking(&mut [0; 16]).unwrap_err();
    assert!(matches!(error, BodyError::WouldBlock), "{error:?}");
    exchange.set_may_wait(true);
    let (send, read) = mpsc::channel();
    let reading = std::thread::spawn(move || {
        send.send(()).unwrap();
        let rest = exchange.request().body_mut().read_all_blocking();
        exchange.end().unwrap();
        rest
    });
    read.recv_timeout(PATIENCE).unwrap();
    client.send("world");
    assert_eq!(reading.join().unwrap().unwrap(), "world");
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_blocking_handler_s_exchange_stops_waiting_when_it_is_told_to() {
    let mut builder = Server::builder();
    builder
        .blocking_exchange(
            "/",
            |mut exchange| {
                assert!(exchange.response().may_wait());
                exchange.set_may_wait(false);
                exchange
                    .response()
                    .write(&vec![b'x'; LENGTH as usize])
                    .unwrap();
                exchange.end().unwrap();
            },
            "here".into(),
        )
        .unwrap();
    // One thread: if the handler waited, nobody else would be served before the client reads.
    let server = serve(builder.threads(1));
    let mut client = Client::of(&server);
    client.get("/");
    eventually("the handler is done", || server.exchanges() == 0);
    let answer = client.answer();
    assert!(answer.whole && answer.body.len() as u64 == LENGTH);
}

#[test]
fn nothing_waits_inside_a_reactor_not_even_for_another_exchange() {
    let (mut builder, held) = handing_over();
    let slow = Arc::new(Mutex::new(None::<Exchange>));
    let (from_inline, from_async) = (slow.clone(), slow.clone());
    let push = |slow: &Mutex<Option<Exchange>>| {
        let mut slow = slow.lock().unwrap();
        let response = slow.as_mut().unwrap().response();
        assert!(!response.may_wait(), "here it may not");
        response.write(&vec![b'x'; LENGTH as usize / 2]).unwrap();
    };
    builder
        .inline_exchange(
            "/push-inline",
            move |exchange| {
                push(&from_inline);
                exchange.end().unwrap();
            },
            "here".into(),
        )
        .unwrap();
    builder
        .route("/push-async", move |_| {
            let slow = from_async.clone();
            async move {
                push(&slow);
                "pushed"
            }
        })
        .unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.get("/blocking");
    let exchange = held.recv_timeout(PATIENCE).unwrap();
    *slow.lock().unwrap() = Some(exchange);
    // The client of `/blocking` reads nothing; these two come back all the same.
    assert_eq!(get(&server, "/push-inline").status, 200);
    assert_eq!(get(&server, "/push-async").text(), "pushed");
    assert_eq!(get(&server, "/well").text(), "well");
    let mut exchange = slow.lock().unwrap().take().unwrap();
    assert!(exchange.response().may_wait(), "outside it may again");
    let ending = std::thread::spawn(move || exchange.response().end());
    let answer = client.answer();
    ending.join().unwrap().unwrap();
    assert!(answer.whole && answer.body.len() as u64 == LENGTH);
}

#[test]
fn nor_does_a_body_of_another_exchange_hold_a_reactor() {
    let (mut builder, held) = handing_over();
    let other = Arc::new(Mutex::new(None::<Exchange>));
    let (kept, told) = (other.clone(), Gate::new());
    let reader = told.clone();
    builder
        .inline_exchange(
            "/read",
            move |exchange| {
                let mut other = kept.lock().unwrap();
                let body = other.as_mut().unwrap().request().body_mut();
                let error = body.read_all_blocking().unwrap_err();
                assert!(matches!(error, BodyError::WouldBlock), "{error:?}");
                reader.mark();
                exchange.end().unwrap();
            },
            "here".into(),
        )
        .unwrap();
    let server = serve(builder.limits(Limits {
        buffer_body: 0,
        ..Limits::default()
    }));
    let mut client = Client::of(&server);
    client.send("POST /blocking HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    *other.lock().unwrap() = Some(held.recv_timeout(PATIENCE).unwrap());
    assert_eq!(get(&server, "/read").status, 200);
    told.await_arrivals(1);
    client.send("0123456789");
    let mut exchange = other.lock().unwrap().take().unwrap();
    let body = exchange.request().body_mut().read_all_blocking().unwrap();
    assert_eq!(body, "0123456789");
    exchange.end().unwrap();
    assert_eq!(client.answer().status, 200);
}

/// `/inline` and `/blocking` hand their exchanges over; `/well` says that the server is.
fn handing_over() -> (Builder, mpsc::Receiver<Exchange>) {
    let (send, held) = mpsc::channel();
    let mut builder = Server::builder();
    let inline = send.clone();
    builder
        .inline_exchange(
            "/inline",
            move |exchange| inline.send(exchange).unwrap(),
            "here".into(),
        )
        .unwrap();
    builder
        .blocking_exchange(
            "/blocking",
            move |exchange| send.send(exchange).unwrap(),
            "here".into(),
        )
        .unwrap();
    builder.blocking("/well", |w, _| w.write(b"well")).unwrap();
    (builder, held)
}

fn serve(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
