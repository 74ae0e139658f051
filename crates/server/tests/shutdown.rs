//! How a server stops: what runs may finish, what idles is closed, what is stuck is cut.

mod gate;
mod wire;

use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use gate::{Gate, eventually};
use http::Response;
use oxbridge::{Body, Builder, Server};
use wire::{Client, PATIENCE};

#[test]
fn what_runs_may_finish_and_what_idles_is_closed() {
    let (builder, gate) = gated();
    let server = serve(builder);
    let mut idle = Client::of(&server);
    assert_eq!(idle.get("/quick").answer().text(), "quick");
    let mut fresh = Client::of(&server);
    let mut running = Client::of(&server);
    running.get("/wait");
    gate.await_arrivals(1);
    eventually("all three are in", || server.connections() == 3);
    server.begin_stop(PATIENCE);
    idle.assert_end();
    fresh.assert_end();
    let address = server.addresses()[0].tcp().unwrap();
    eventually("new connections are refused", || {
        TcpStream::connect(address).is_err()
    });
    drop((idle, fresh));
    eventually("only what runs is left", || server.connections() == 1);
    assert!(!server.wait_until(Some(Instant::now())), "a handler runs");
    gate.open();
    let answer = running.answer();
    assert_eq!(
        (answer.text(), answer.field("connection")),
        ("waited", "close")
    );
    running.assert_end();
    assert!(server.stop(PATIENCE));
    assert_eq!((server.connections(), server.exchanges()), (0, 0));
}

#[test]
fn a_connection_that_was_just_accepted_may_still_bring_its_first_request() {
    let (builder, _) = gated();
    let server = serve(builder);
    let mut fresh = Client::of(&server);
    eventually("it is in", || server.connections() == 1);
    server.begin_stop(PATIENCE);
    fresh.get("/quick");
    let answer = fresh.answer();
    assert_eq!(
        (answer.text(), answer.field("connection")),
        ("quick", "close")
    );
    fresh.assert_end();
    assert!(server.stop(PATIENCE));
}

#[test]
fn a_streaming_answer_is_finished_too() {
    let gate = Gate::new();
    let handler = gate.clone();
    let mut builder = Server::builder();
    builder
        .blocking("/", move |w, _| {
            w.write(b"one ")?;
            w.flush()?;
            handler.pass();
            w.write(b"two")
        })
        .unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    let mut answer = client.get("/").head();
    gate.await_arrivals(1);
    server.begin_stop(PATIENCE);
    gate.open();
    client.body(&mut answer);
    assert_eq!((answer.text(), answer.whole), ("one two", true));
    client.assert_end();
    server.wait();
}

#[test]
fn a_request_that_is_half_sent_is_still_answered() {
    let (builder, _) = gated();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.send("POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    eventually("the request is under way", || server.connections() == 1);
    // One more exchange on another connection, so that the first has surely been read.
    let mut other = Client::of(&server);
    assert_eq!(other.get("/quick").answer().text(), "quick");
    server.begin_stop(PATIENCE);
    client.send("llo");
    assert_eq!(client.answer().text(), "quick");
    client.assert_end();
    assert!(server.stop(PATIENCE));
}

#[test]
fn the_deadline_cuts_the_client_of_a_stuck_handler() {
    let (builder, gate) = gated();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.get("/wait");
    gate.await_arrivals(1);
    let begun = Instant::now();
    assert!(
        !server.stop(Duration::from_millis(100)),
        "the handler still runs"
    );
    assert!(
        begun.elapsed() < PATIENCE / 2,
        "stop() itself is bounded: {:?}",
        begun.elapsed()
    );
    client.assert_end();
    gate.open();
    assert!(
        server.wait_until(Some(Instant::now() + PATIENCE)),
        "its thread ends with the handler"
    );
}

#[test]
fn a_later_stop_may_shorten_the_time() {
    let (builder, gate) = gated();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.get("/wait");
    gate.await_arrivals(1);
    server.begin_stop(PATIENCE * 100);
    assert!(!server.stop(Duration::ZERO));
    client.assert_end();
    gate.open();
    server.wait();
}

#[test]
fn an_async_handler_stops_its_own_server() {
    let cell: Arc<OnceLock<Server>> = Arc::default();
    let inside = cell.clone();
    let mut builder = Server::builder();
    builder
        .route("/", move |_| {
            inside.get().unwrap().begin_stop(PATIENCE);
            async { Response::new(Body::from("bye")) }
        })
        .unwrap();
    cell.set(serve(builder)).unwrap();
    let mut client = Client::of(cell.get().unwrap());
    assert_eq!(client.get("/").answer().text(), "bye");
    client.assert_end();
    cell.get().unwrap().wait();
}

#[test]
fn a_blocking_handler_stops_its_own_server() {
    let cell: Arc<OnceLock<Server>> = Arc::default();
    let inside = cell.clone();
    let mut builder = Server::builder();
    builder
        .blocking("/", move |w, _| {
            inside.get().unwrap().begin_stop(PATIENCE);
            w.write(b"bye")
        })
        .unwrap();
    cell.set(serve(builder)).unwrap();
    let mut client = Client::of(cell.get().unwrap());
    assert_eq!(client.get("/").answer().text(), "bye");
    client.assert_end();
    cell.get().unwrap().wait();
}

#[test]
fn the_same_port_serves_again() {
    let mut server = serve(gated().0);
    let address = server.addresses()[0].tcp().unwrap();
    for _ in 0..5 {
        // With a connection that the server closes first, which leaves its port in TIME_WAIT.
        let mut client = Client::to(address);
        assert_eq!(client.get("/quick").answer().text(), "quick");
        server.begin_stop(PATIENCE);
        client.assert_end();
        drop(client);
        assert!(server.stop(PATIENCE));
        server = gated().0.bind(address.into()).start().unwrap();
    }
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let (builder, _) = gated();
    let server = serve(builder);
    let address = server.addresses()[0].tcp().unwrap();
    let (builder, _) = gated();
    let error = builder.bind(address.into()).start().unwrap_err();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE), "{error}");
}

#[test]
fn dropping_a_server_stops_it() {
    let (builder, gate) = gated();
    let server = serve(builder);
    let address: SocketAddr = server.addresses()[0].tcp().unwrap();
    let mut idle = Client::of(&server);
    assert_eq!(idle.get("/quick").answer().text(), "quick");
    let mut running = Client::of(&server);
    running.get("/wait");
    gate.await_arrivals(1);
    drop(server);
    idle.assert_end();
    running.assert_end();
    eventually("the port is closed", || {
        TcpStream::connect(address).is_err()
    });
    gate.open();
}

#[test]
fn queued_exchanges_are_answered_before_the_end() {
    let (builder, gate) = gated();
    let server = serve(builder.threads(1));
    let mut clients: Vec<_> = (0..5).map(|_| Client::of(&server)).collect();
    for client in &mut clients {
        client.get("/wait");
    }
    gate.await_arrivals(1);
    eventually("four wait", || server.exchanges() == 5);
    server.begin_stop(PATIENCE);
    gate.open();
    assert!(
        clients
            .iter_mut()
            .all(|client| client.answer().text() == "waited")
    );
    server.wait();
}

#[test]
fn a_cut_with_exchanges_in_the_queue_ends_too() {
    let (builder, gate) = gated();
    let server = serve(builder.threads(1));
    let mut clients: Vec<_> = (0..5).map(|_| Client::of(&server)).collect();
    for client in &mut clients {
        client.get("/wait");
    }
    gate.await_arrivals(1);
    eventually("four wait", || server.exchanges() == 5);
    assert!(!server.stop(Duration::ZERO));
    clients.iter_mut().for_each(Client::assert_end);
    gate.open();
    assert!(server.wait_until(Some(Instant::now() + PATIENCE)));
    assert_eq!(server.exchanges(), 0);
}

/// A server with a handler that waits at the gate and one that does not.
fn gated() -> (Builder, Gate) {
    let gate = Gate::new();
    let handler = gate.clone();
    let mut builder = Server::builder();
    builder
        .blocking("/wait", move |w, _| {
            handler.pass();
            w.write(b"waited")
        })
        .unwrap();
    builder
        .blocking("/quick", |w, _| w.write(b"quick"))
        .unwrap();
    (builder, gate)
}

fn serve(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
