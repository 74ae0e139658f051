//! Work that runs as handlers do, and what wakes it: a stop, a client that has gone, a body that comes.

mod gate;
mod wheel;
mod wire;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};

use gate::{Gate, eventually};
use oxbridge::{BodyError, Builder, Exchange, Limits, Server};
use wheel::{turn, while_driven};
use wire::{Client, PATIENCE, get};

#[test]
fn work_runs_once_on_a_thread_of_the_server() {
    let server = serve(Server::builder());
    let runner = server.runner();
    let (send, ran) = mpsc::channel();
    for _ in 0..3 {
        let send = send.clone();
        runner.run(Box::new(move || {
            let name = std::thread::current().name().unwrap().to_owned();
            send.send(name).unwrap();
        }));
        let name = ran.recv_timeout(PATIENCE).unwrap();
        assert!(name.starts_with("oxbridge-"), "{name}");
    }
    drop(send);
    assert!(ran.recv().is_err(), "nothing ran twice");
}

#[test]
fn work_of_a_driven_server_runs_in_a_turn() {
    let server = wheel::serve(Server::builder());
    let runner = server.runner();
    let (send, ran) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let thread = || std::thread::current().id();
            runner.run(Box::new(move || send.send(thread()).unwrap()));
        });
    });
    assert!(ran.try_recv().is_err(), "nobody has taken a turn");
    assert_eq!(turn(&server).handled, 1);
    assert_eq!(
        ran.recv_timeout(PATIENCE).unwrap(),
        std::thread::current().id()
    );
}

#[test]
fn work_that_waits_holds_nobody_up() {
    let mut builder = Server::builder();
    builder.blocking("/", |w, _| w.write(b"served")).unwrap();
    let server = serve(builder);
    let gate = Gate::new();
    for _ in 0..5 {
        let gate = gate.clone();
        server.runner().run(Box::new(move || gate.pass()));
    }
    gate.await_arrivals(5);
    assert_eq!(get(&server, "/").text(), "served");
    gate.open();
    assert!(server.stop(PATIENCE));
}

#[test]
fn work_that_panics_costs_nobody_else_anything() {
    let mut builder = Server::builder();
    builder.blocking("/", |w, _| w.write(b"served")).unwrap();
    let server = serve(builder);
    let gate = Gate::new();
    for _ in 0..5 {
        let gate = gate.clone();
        server.runner().run(Box::new(move || {
            gate.mark();
            panic!("on purpose");
        }));
    }
    gate.await_arrivals(5);
    assert_eq!(get(&server, "/").text(), "served");
}

#[test]
fn a_stop_waits_for_work_that_was_given_before() {
    let server = serve(Server::builder().threads(1));
    let gate = Gate::new();
    let holding = gate.clone();
    server.runner().run(Box::new(move || holding.pass()));
    gate.await_arrivals(1);
    let (send, ran) = mpsc::channel();
    for n in 0..10 {
        let send = send.clone();
        server.runner().run(Box::new(move || send.send(n).unwrap()));
    }
    server.begin_stop(PATIENCE);
    gate.open();
    assert!(server.stop(PATIENCE));
    drop(send);
    assert_eq!(ran.iter().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
}

#[test]
fn work_that_comes_after_the_end_is_dropped_and_does_not_run() {
    let server = serve(Server::builder());
    let runner = server.runner();
    assert!(server.stop(PATIENCE));
    let (send, ran) = mpsc::channel::<()>();
    let late = send.clone();
    runner.run(Box::new(move || late.send(()).unwrap()));
    drop(server);
    runner.run(Box::new(move || send.send(()).unwrap()));
    assert!(
        ran.recv().is_err(),
        "both are gone, and neither has sent anything"
    );
}

#[test]
fn on_stop_is_called_once_when_the_last_reactor_has_stopped() {
    let (builder, held) = holding();
    let server = serve(builder.reactors(3));
    let calls = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let calls = calls.clone();
        server.on_stop(move || {
            calls.fetch_add(1, SeqCst);
        });
    }
    let mut client = Client::of(&server);
    client.get("/");
    let exchange = held.recv_timeout(PATIENCE).unwrap();
    server.begin_stop(PATIENCE);
    assert_eq!(calls.load(SeqCst), 0, "an exchange is under way");
    exchange.end().unwrap();
    assert!(server.stop(PATIENCE));
    eventually("both are called", || calls.load(SeqCst) == 2);
    drop(server);
    assert_eq!(calls.load(SeqCst), 2);
}

#[test]
fn on_stop_is_called_when_a_server_is_dropped() {
    for driven in [false, true] {
        let builder = Server::builder();
        let server = if driven {
            wheel::serve(builder)
        } else {
            serve(builder)
        };
        let (send, stopped) = mpsc::channel();
        server.on_stop(move || send.send(()).unwrap());
        assert!(stopped.try_recv().is_err());
        drop(server);
        stopped.recv_timeout(PATIENCE).expect("it was called");
        assert!(stopped.recv().is_err(), "and called once");
    }
}

#[test]
fn on_stop_is_called_in_the_last_turn() {
    let server = wheel::serve(Server::builder());
    let (send, stopped) = mpsc::channel();
    server.on_stop(move || send.send(std::thread::current().id()).unwrap());
    server.begin_stop(PATIENCE);
    while !turn(&server).stopped {
        assert!(stopped.try_recv().is_err());
    }
    assert_eq!(
        stopped.try_recv().expect("it was called"),
        std::thread::current().id()
    );
}

#[test]
fn whoever_waits_for_the_client_to_go_is_woken() {
    let (builder, held) = holding();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.get("/");
    let mut exchange = held.recv_timeout(PATIENCE).unwrap();
    let (alarm, waker) = alarm();
    let cx = &mut Context::from_waker(&waker);
    assert!(exchange.response().poll_gone(cx).is_pending());
    exchange.response().write(b"part").unwrap();
    exchange.response().flush().unwrap();
    client.take(1);
    assert!(exchange.response().poll_gone(cx).is_pending());
    assert!(!exchange.response().is_client_gone());
    drop(client);
    alarm.await_arrivals(1);
    eventually("the client has gone", || {
        exchange.response().poll_gone(cx).is_ready()
    });
    assert!(exchange.response().is_client_gone());
}

#[test]
fn a_client_that_has_all_bytes_has_not_gone() {
    let (builder, held) = holding();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.get("/");
    let mut exchange = held.recv_timeout(PATIENCE).unwrap();
    let response = exchange.response();
    let length = http::HeaderValue::from_static("4");
    response
        .headers_mut()
        .unwrap()
        .insert(http::header::CONTENT_LENGTH, length);
    response.write(b"full").unwrap();
    response.flush().unwrap();
    assert_eq!(client.answer().text(), "full");
    // The protocol is done with the body now, and lets go of it.
    assert_eq!(get(&server, "/none").status, 404);
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(!response.is_client_gone());
    assert!(response.poll_gone(cx).is_pending());
    exchange.end().unwrap();
}

#[test]
fn whoever_waits_for_a_body_is_woken_by_each_piece_and_by_the_end() {
    let (builder, held) = holding();
    let server = serve(builder.limits(unbuffered()));
    let mut client = Client::of(&server);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    let mut exchange = held.recv_timeout(PATIENCE).unwrap();
    let (alarm, waker) = alarm();
    let cx = &mut Context::from_waker(&waker);
    let body = exchange.request().body_mut();
    for (n, piece) in ["hello", "world"].into_iter().enumerate() {
        assert!(body.poll_readable(cx).is_pending(), "{piece}");
        assert!(!body.is_readable());
        // The second look took the place of the first: whoever asked last is woken.
        assert!(body.poll_readable(cx).is_pending(), "{piece}");
        client.send(piece);
        alarm.await_arrivals(n + 1);
        eventually("it is readable", || body.poll_readable(cx).is_ready());
        assert!(body.is_readable(), "until it is read");
        let mut buffer = [0; 16];
        let n = body.read_blocking(&mut buffer).unwrap();
        assert_eq!(&buffer[..n], piece.as_bytes());
    }
    eventually("its end is readable", || body.is_readable());
    assert_eq!(body.read_blocking(&mut [0; 16]).unwrap(), 0);
    assert!(body.is_readable(), "the end stays");
    exchange.end().unwrap();
    assert_eq!(client.answer().status, 200);
}

#[test]
fn an_error_of_a_body_is_readable_and_is_not_lost() {
    let (builder, held) = holding();
    let server = serve(builder.limits(Limits {
        max_body: Some(8),
        ..unbuffered()
    }));
    // One that leaves half-way, and one that says too much.
    for too_much in [false, true] {
        let mut client = Client::of(&server);
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut exchange = held.recv_timeout(PATIENCE).unwrap();
        let (alarm, waker) = alarm();
        let cx = &mut Context::from_waker(&waker);
        let body = exchange.request().body_mut();
        assert!(body.poll_readable(cx).is_pending());
        if too_much {
            client.send("9\r\n123456789\r\n");
        } else {
            client.stream.shutdown(std::net::Shutdown::Both).unwrap();
        }
        alarm.await_arrivals(1);
        eventually("an error is readable", || body.poll_readable(cx).is_ready());
        for _ in 0..3 {
            assert_eq!(body.poll_readable(cx), Poll::Ready(()), "until it is read");
        }
        let error = body.read_blocking(&mut [0; 16]).unwrap_err();
        if too_much {
            assert!(matches!(error, BodyError::TooLarge(8)), "{error:?}");
        } else {
            assert!(matches!(error, BodyError::ClientGone), "{error:?}");
        }
        assert_eq!(body.read_blocking(&mut [0; 16]).unwrap(), 0, "the end now");
        exchange.refuse(http::StatusCode::BAD_REQUEST);
    }
}

#[test]
fn a_driven_server_wakes_in_its_turns() {
    let (builder, held) = holding();
    let server = wheel::serve(builder.limits(unbuffered()));
    let mut client = Client::of(&server);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(turn(&server).handled, 1);
    let mut exchange = held.recv_timeout(PATIENCE).unwrap();
    let (alarm, waker) = alarm();
    let cx = &mut Context::from_waker(&waker);
    assert!(exchange.request().body_mut().poll_readable(cx).is_pending());
    assert!(exchange.response().poll_gone(cx).is_pending());
    client.send("hello");
    while_driven(&server, || alarm.await_arrivals(1));
    assert!(exchange.request().body_mut().is_readable());
    drop(client);
    while_driven(&server, || alarm.await_arrivals(2));
    assert!(exchange.response().is_client_gone());
}

/// A waker, and the gate that its wake-ups come to.
fn alarm() -> (Gate, Waker) {
    let gate = Gate::new();
    (gate.clone(), Waker::from(Arc::new(Alarm(gate))))
}

/// A waker that counts.
struct Alarm(Gate);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.mark();
    }
}

/// Starts a handler before any of its body is read.
fn unbuffered() -> Limits {
    Limits {
        buffer_body: 0,
        ..Limits::default()
    }
}

/// The exchanges of `/` come out of the channel, and may wait for nothing.
fn holding() -> (Builder, mpsc::Receiver<Exchange>) {
    let (send, held) = mpsc::channel();
    let mut builder = Server::builder();
    builder
        .blocking_exchange(
            "/{$}",
            move |exchange| send.send(exchange).unwrap(),
            "here".into(),
        )
        .unwrap();
    (builder, held)
}

fn serve(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
