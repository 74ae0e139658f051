//! Slow, deaf and silent clients of WebSockets, and handlers that do not listen: all that waits is bounded.

mod gate;
mod socket;
mod wire;

use std::io::{ErrorKind, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use gate::Gate;
use oxbridge::websocket::{Accept, Event, Message, Options, SendError, WebSocket};
use oxbridge::{Limits, Server};
use socket::{Socket, frame};
use wire::PATIENCE;

const SHORT: Duration = Duration::from_millis(40);

#[test]
fn a_silent_client_is_pinged_and_given_up() {
    let options = Options {
        ping_interval: Some(SHORT),
        ping_timeout: Some(SHORT),
        ..Options::default()
    };
    let (server, results) = serve(options, Limits::default(), report_end);
    let mut client = Socket::open(&server, "/", "");
    assert_eq!(client.frame(), (0x89, Vec::new()));
    let (first, payload) = client.frame();
    assert_eq!((first, &payload[..2]), (0x88, &1011_u16.to_be_bytes()[..]));
    assert_eq!(&payload[2..], b"keepalive ping timeout");
    client.client.assert_end();
    let (code, reason) = results.recv_timeout(PATIENCE).unwrap();
    assert_eq!(code, 1006);
    assert!(reason.contains("keepalive ping timeout"), "{reason}");
}

#[test]
fn a_client_that_answers_stays_longer_than_any_timeout_of_http() {
    let options = Options {
        ping_interval: Some(SHORT),
        ping_timeout: Some(PATIENCE),
        ..Options::default()
    };
    let limits = Limits {
        header_timeout: SHORT,
        body_timeout: SHORT,
        keep_alive_timeout: SHORT,
        write_timeout: SHORT,
        ..Limits::default()
    };
    let (server, results) = serve(options, limits, report_end);
    let mut client = Socket::open(&server, "/", "");
    // The last comes long after every timeout.
    for _ in 0..20 {
        assert_eq!(client.frame(), (0x89, Vec::new()));
        client.send(0x8a, b"");
    }
    client.close(1000);
    assert_eq!(results.recv_timeout(PATIENCE).unwrap().0, 1000);
}

#[test]
fn a_handler_that_does_not_receive_stops_its_client() {
    let gate = Gate::new();
    let waits = gate.clone();
    let options = Options {
        // Nothing that comes is a sign of death while nobody reads.
        ping_interval: Some(SHORT),
        ping_timeout: Some(SHORT),
        read_ahead: 10_000,
        ..Options::default()
    };
    let (server, results) = serve(options, Limits::default(), move |socket, results| {
        waits.pass();
        report_end(socket, results);
    });
    let mut client = Socket::open(&server, "/", "");
    client.client.stream.set_nonblocking(true).unwrap();
    let message = frame(0x82, &[0; 1000]);
    let mut sent = 0;
    let mut part = 0;
    // Until the socket's buffers are full and stay so.
    let mut full = 0;
    while full < 50 {
        match client.client.stream.write(&message[part..]) {
            Ok(n) => {
                full = 0;
                part += n;
                if part == message.len() {
                    (part, sent) = (0, sent + 1);
                }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                full += 1;
                std::thread::sleep(Duration::from_millis(4));
            }
            Err(e) => panic!("{e}"),
        }
        assert!(sent < 100_000, "a hundred megabytes, and nobody receives");
    }
    client.client.stream.set_nonblocking(false).unwrap();
    gate.open();
    client.client.send(&message[part..]);
    client.close(1000);
    assert_eq!(
        results.recv_timeout(PATIENCE).unwrap(),
        (1000, (sent + 1).to_string())
    );
}

#[test]
fn empty_messages_have_a_weight_too() {
    let gate = Gate::new();
    let waits = gate.clone();
    let options = Options {
        read_ahead: 1000,
        ..Options::default()
    };
    let (server, results) = serve(options, Limits::default(), move |socket, results| {
        waits.pass();
        report_end(socket, results);
    });
    let mut client = Socket::open(&server, "/", "");
    // More than fits in one read: what is not decoded yet is kept, too.
    let many: Vec<u8> = (0..20_000).flat_map(|_| frame(0x82, &[])).collect();
    std::thread::scope(|scope| {
        let mut stream = client.client.stream.try_clone().unwrap();
        scope.spawn(move || stream.write_all(&many).unwrap());
        gate.await_arrivals(1);
        gate.open();
    });
    client.close(1000);
    assert_eq!(
        results.recv_timeout(PATIENCE).unwrap(),
        (1000, "20000".into())
    );
}

#[test]
fn a_handler_waits_for_a_slow_client() {
    let options = Options {
        write_ahead: 100_000,
        ..Options::default()
    };
    let (server, results) = serve(options, Limits::default(), |socket, results| {
        let mut most = 0;
        for _ in 0..400 {
            let message = Message::binary(vec![1; 50_000]);
            socket.send_blocking(message).unwrap();
            most = most.max(socket.queued());
        }
        socket.close(1000, "").unwrap();
        let _ = socket.recv_blocking();
        results.send((0, most.to_string())).unwrap();
    });
    let mut client = Socket::open(&server, "/", "");
    assert!(results.try_recv().is_err());
    for _ in 0..400 {
        let (first, payload) = client.frame();
        assert!(first == 0x82 && payload == vec![1; 50_000]);
    }
    client.expect_close(1000).close(1000);
    let most: usize = results.recv_timeout(PATIENCE).unwrap().1.parse().unwrap();
    assert!(
        (50_000..=160_000).contains(&most),
        "{most} bytes were queued"
    );
}

#[test]
fn a_client_that_takes_nothing_is_cut() {
    let limits = Limits {
        write_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let (server, results) = serve(Options::default(), limits, |socket, results| {
        let error = loop {
            if let Err(e) = socket.send_blocking(Message::binary(vec![1; 50_000])) {
                break e;
            }
        };
        assert_eq!(error, SendError::Closed);
        report_end(socket, results);
    });
    let _client = Socket::open(&server, "/", "");
    assert_eq!(results.recv_timeout(PATIENCE).unwrap().0, 1006);
}

#[test]
fn pongs_do_not_pile_up_for_a_client_that_does_not_read() {
    let (server, _results) = serve(Options::default(), Limits::default(), report_end);
    let mut client = Socket::open(&server, "/", "");
    let payload = |n: u32| [&n.to_be_bytes()[..], &[0; 121]].concat();
    // More than the buffers of two sockets hold; the server reads on all the same.
    for n in 0..150_000 {
        client.send(0x89, &payload(n));
    }
    let mut pongs = 1;
    loop {
        let (first, pong) = client.frame();
        assert_eq!(first, 0x8a);
        if pong == payload(149_999) {
            break;
        }
        pongs += 1;
    }
    assert!(pongs < 150_000, "{pongs} pongs were kept for it");
}

/// Receives to the end; reports the code, and the reason or else how many messages came.
fn report_end(socket: WebSocket, results: &Sender<(u16, String)>) {
    let mut count = 0;
    loop {
        if let Event::Closed { code, reason } = socket.recv_blocking().unwrap() {
            let what = if reason.is_empty() {
                format!("{count}")
            } else {
                reason
            };
            return results.send((code, what)).unwrap_or(());
        }
        count += 1;
    }
}

fn serve(
    options: Options,
    limits: Limits,
    handler: impl Fn(WebSocket, &Sender<(u16, String)>) + Send + Sync + 'static,
) -> (Server, Receiver<(u16, String)>) {
    let (send, receive) = channel();
    let mut builder = Server::builder();
    builder
        .blocking_exchange(
            "/",
            move |exchange| {
                let accept = Accept {
                    options: options.clone(),
                    ..Accept::default()
                };
                handler(exchange.accept_websocket(accept).unwrap().1, &send);
            },
            "here".into(),
        )
        .unwrap();
    let server = builder
        .limits(limits)
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    (server, receive)
}
