//! How WebSockets end, whoever ends them, and that nothing is left of them.

mod gate;
mod socket;
mod wheel;
mod wire;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gate::{Gate, eventually};
use oxbridge::websocket::{self, Accept, Event, Message, SendError, WebSocket, WouldBlock};
use oxbridge::{Builder, Exchange, Request, Server};
use socket::Socket;
use wheel::{turn, while_driven};
use wire::PATIENCE;

#[test]
fn a_handle_that_is_dropped_closes_with_1011() {
    let mut builder = Server::builder();
    builder
        .blocking_exchange("/drop", |exchange| drop(accept(exchange)), "here".into())
        .unwrap()
        .blocking_exchange(
            "/panic",
            |exchange| {
                let _socket = accept(exchange);
                std::panic::resume_unwind(Box::new("as planned"));
            },
            "here".into(),
        )
        .unwrap();
    let server = serve(builder);
    for target in ["/drop", "/panic"] {
        let mut socket = Socket::open(&server, target, "");
        socket.expect_close(1011).close(1011);
        socket.client.assert_end();
    }
    nothing_is_left(&server);
}

#[test]
fn clones_are_the_same_end() {
    let (send, receive) = channel();
    let send = Mutex::new(send);
    let mut builder = Server::builder();
    builder
        .inline_exchange(
            "/",
            move |exchange| send.lock().unwrap().send(accept(exchange)).unwrap(),
            "here".into(),
        )
        .unwrap();
    let server = serve(builder);
    let mut client = Socket::open(&server, "/", "");
    let socket: WebSocket = receive.recv_timeout(PATIENCE).unwrap();
    std::thread::scope(|scope| {
        for sender in 0..4 {
            let socket = socket.clone();
            scope.spawn(move || {
                for n in 0..100 {
                    socket.send(Message::text(format!("{sender} {n}"))).unwrap();
                }
            });
        }
    });
    let mut next = [0; 4];
    for _ in 0..400 {
        let (_, text) = client.frame();
        let text = String::from_utf8(text).unwrap();
        let (sender, n) = text.split_once(' ').unwrap();
        let sender: usize = sender.parse().unwrap();
        assert_eq!(n, next[sender].to_string(), "each sender's order is kept");
        next[sender] += 1;
    }
    drop(socket.clone());
    assert!(socket.is_open(), "one of two handles is left");
    drop(socket);
    client.expect_close(1011);
}

#[test]
fn a_handler_closes() {
    let (server, results) = one_handler(|socket, results| {
        assert_eq!(socket.close(1005, ""), Err(SendError::BadCode(1005)));
        socket.send(Message::text("last words")).unwrap();
        let reason = "ü".repeat(100);
        socket.close(4321, &reason).unwrap();
        assert_eq!(socket.close(1000, ""), Err(SendError::Closed));
        assert_eq!(socket.send(Message::text("")), Err(SendError::Closed));
        assert!(!socket.is_open());
        for _ in 0..2 {
            results.send(socket.recv_blocking().unwrap()).unwrap();
        }
    });
    let mut client = Socket::open(&server, "/", "");
    client.expect_text("last words");
    let (first, payload) = client.frame();
    assert_eq!((first, &payload[..2]), (0x88, &4321_u16.to_be_bytes()[..]));
    assert_eq!(
        std::str::from_utf8(&payload[2..]).unwrap(),
        "ü".repeat(61),
        "whole characters of at most 123 bytes"
    );
    client.text("nobody listens any more");
    client.send(0x88, b"\x0f\xa1bye");
    client.client.assert_end();
    for _ in 0..2 {
        let closed = results.recv_timeout(PATIENCE).unwrap();
        let expected = Event::Closed {
            code: 4001,
            reason: "bye".into(),
        };
        assert_eq!(closed, expected, "and again");
    }
    nothing_is_left(&server);
}

#[test]
fn a_client_that_does_not_answer_a_close_is_not_waited_for() {
    let (server, results) = one_handler(|socket, results| {
        socket.close(1000, "").unwrap();
        results.send(socket.recv_blocking().unwrap()).unwrap();
    });
    let mut client = Socket::open(&server, "/?close=30", "");
    client.expect_close(1000);
    client.client.assert_end();
    assert_eq!(code(&results), 1006);
}

#[test]
fn a_client_that_vanishes_reaches_the_handler() {
    let (server, results) = one_handler(|socket, results| {
        loop {
            let event = socket.recv_blocking().unwrap();
            if let Event::Closed { .. } = event {
                assert_eq!(socket.send(Message::text("")), Err(SendError::Closed));
                return results.send(event).unwrap();
            }
        }
    });
    let mut clients: Vec<_> = (0..20).map(|_| Socket::open(&server, "/", "")).collect();
    for client in &mut clients {
        client.text("here").client.send([0x81]);
    }
    drop(clients);
    for _ in 0..20 {
        assert_eq!(code(&results), 1006);
    }
    nothing_is_left(&server);
}

#[test]
fn what_came_before_the_end_is_received() {
    let gate = Gate::new();
    let waits = gate.clone();
    let (server, results) = one_handler(move |socket, results| {
        waits.pass();
        for _ in 0..3 {
            results.send(socket.recv_blocking().unwrap()).unwrap();
        }
    });
    let mut client = Socket::open(&server, "/", "");
    client.text("one").text("two").close(1000);
    client.expect_close(1000).client.assert_end();
    gate.open();
    let next = || results.recv_timeout(PATIENCE).unwrap();
    assert_eq!(next(), Event::Text("one".into()));
    assert_eq!(next(), Event::Text("two".into()));
    assert_eq!(code(&results), 1000);
}

#[test]
fn a_drain_closes_with_1012_and_is_not_held_up() {
    let (server, results) = one_handler(|socket, results| {
        results.send(socket.recv_blocking().unwrap()).unwrap();
    });
    let mut clients: Vec<_> = (0..3).map(|_| Socket::open(&server, "/", "")).collect();
    server.begin_stop(PATIENCE);
    for client in &mut clients {
        client.expect_close(1012).close(1012);
        client.client.assert_end();
    }
    drop(clients);
    assert!(server.wait_until(None));
    for _ in 0..3 {
        assert_eq!(code(&results), 1012);
    }
}

#[test]
fn a_cut_waits_for_nobody() {
    let (server, results) = one_handler(|socket, results| {
        results.send(socket.recv_blocking().unwrap()).unwrap();
    });
    let mut client = Socket::open(&server, "/", "");
    assert!(server.stop(Duration::from_millis(50)), "the grace is over");
    client.expect_close(1012).client.assert_end();
    assert_eq!(code(&results), 1006);
}

#[test]
fn inside_a_reactor_nothing_waits() {
    let (send, receive) = channel();
    let send = Mutex::new(send);
    let mut builder = Server::builder();
    builder
        .inline_exchange(
            "/",
            move |exchange| {
                let socket = accept(exchange);
                socket.set_may_wait(true);
                let result = (socket.recv_blocking(), socket.try_recv());
                send.lock().unwrap().send((result, socket)).unwrap();
            },
            "here".into(),
        )
        .unwrap();
    let server = serve(builder);
    let mut client = Socket::open(&server, "/", "");
    let (result, socket) = receive.recv_timeout(PATIENCE).unwrap();
    assert_eq!(result, (Err(WouldBlock), None));
    client.text("hello");
    assert_eq!(socket.recv_blocking(), Ok(Event::Text("hello".into())));
    socket.set_may_wait(false);
    assert_eq!(socket.recv_blocking(), Err(WouldBlock));
}

#[test]
fn a_handler_that_waits_holds_up_nobody() {
    let (server, _results) = one_handler(|socket, _| {
        while let Event::Text(text) = socket.recv_blocking().unwrap() {
            socket.send_blocking(Message::Text(text)).unwrap();
        }
    });
    let mut clients: Vec<_> = (0..8).map(|_| Socket::open(&server, "/", "")).collect();
    for round in 0..20 {
        for client in &mut clients {
            client.text(&format!("round {round}"));
        }
        for client in &mut clients {
            client.expect_text(&format!("round {round}"));
        }
    }
}

#[test]
fn a_driven_server_echoes_on_the_thread_that_turns() {
    let sockets: Arc<Mutex<Vec<WebSocket>>> = Arc::default();
    let accepted = sockets.clone();
    let mut builder = Server::builder();
    builder
        .blocking_exchange(
            "/",
            move |exchange| {
                let socket = accept(exchange);
                // Its handler must not block, and need not: the host looks for messages.
                assert_eq!(socket.recv_blocking(), Err(WouldBlock));
                accepted.lock().unwrap().push(socket);
            },
            "here".into(),
        )
        .unwrap();
    let server = wheel::serve(builder);
    let mut client = while_driven(&server, || Socket::open(&server, "/", ""));
    let socket = sockets.lock().unwrap().pop().unwrap();
    for n in 0..5 {
        client.text(&n.to_string());
        let event = loop {
            match socket.try_recv() {
                Some(event) => break event,
                None => drop(server.turn(Some(Duration::from_millis(10))).unwrap()),
            }
        };
        assert_eq!(event, Event::Text(n.to_string().into()));
        socket.send(Message::text(format!("{n} too"))).unwrap();
        while_driven(&server, || {
            client.expect_text(&format!("{n} too")).answer.status
        });
    }
    drop(socket);
    while_driven(&server, || {
        client.expect_close(1011).close(1011);
        client.client.assert_end();
    });
    server.begin_stop(PATIENCE);
    while !turn(&server).stopped {}
    assert_eq!(server.exchanges(), 0);
}

#[test]
fn a_client_that_speaks_too_early_hangs_nobody() {
    let (server, results) = one_handler(|socket, results| {
        while let Event::Text(_) = socket.recv_blocking().unwrap() {}
        results.send(socket.recv_blocking().unwrap()).unwrap();
    });
    // RFC 6455 §4.1 has it wait for the answer. What looks like a bad request to the guard is lost, and the
    // connection with it; what does not is a frame.
    for payload in [&b"a line\n"[..], b"no line"] {
        let mut client = wire::Client::of(&server);
        let mut bytes = socket::handshake("/", "").into_bytes();
        bytes.extend([0x81, 0x80 | payload.len() as u8, 0, 0, 0, 0]);
        bytes.extend(payload);
        client.send(bytes);
        assert_eq!(client.head().status, 101);
        // It may have been closed already.
        let _ = client.try_send(socket::frame(0x88, &[]));
        client.rest();
        assert!(matches!(code(&results), 1005 | 1006));
    }
    nothing_is_left(&server);
}

#[test]
fn an_async_handler_that_drops_its_answer_loses_the_socket() {
    let (send, receive) = channel();
    let send = Mutex::new(send);
    let mut builder = Server::builder();
    builder
        .route("/", move |request: Request| {
            let (_, socket) = websocket::upgrade(request, Accept::default()).unwrap();
            send.lock().unwrap().send(socket).unwrap();
            async { "something else" }
        })
        .unwrap();
    let server = serve(builder);
    let mut client = wire::Client::of(&server);
    client.send(socket::handshake("/", ""));
    assert_eq!(client.answer().text(), "something else");
    let socket = receive.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(
        socket.recv_blocking().unwrap(),
        Event::Closed { code: 1006, .. }
    ));
}

fn code(results: &Receiver<Event>) -> u16 {
    match results.recv_timeout(PATIENCE).unwrap() {
        Event::Closed { code, .. } => code,
        event => panic!("{event:?}"),
    }
}

/// Accepts; the time for the closing handshake, in milliseconds, may stand in the query.
fn accept(mut exchange: Exchange) -> WebSocket {
    let mut accept = Accept::default();
    if let Some(time) = exchange
        .request()
        .query()
        .and_then(|query| query.strip_prefix("close="))
    {
        accept.options.close_timeout = Duration::from_millis(time.parse().unwrap());
    }
    exchange.accept_websocket(accept).unwrap().1
}

/// A server with a handler that blocks, and what it reports.
fn one_handler(
    handler: impl Fn(WebSocket, &Sender<Event>) + Send + Sync + 'static,
) -> (Server, Receiver<Event>) {
    let (send, receive) = channel();
    let mut builder = Server::builder();
    builder
        .blocking_exchange(
            "/",
            move |exchange| handler(accept(exchange), &send),
            "here".into(),
        )
        .unwrap();
    (serve(builder), receive)
}

fn serve(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}

fn nothing_is_left(server: &Server) {
    eventually("nothing is left", || {
        server.exchanges() == 0 && server.connections() == 0
    });
}
