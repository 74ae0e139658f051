//! What one client may use: times and counts. Times are small here, and only their order is relied on.

mod authority;
mod gate;
mod wire;

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use gate::{Gate, eventually};
use http::Response;
use oxbridge::tls::TlsConfig;
use oxbridge::{Body, BodyError, Builder, Limits, Request, Server, WriteError};
use wire::{Client, PATIENCE, get};

/// A timeout that is waited for.
const SHORT: Duration = Duration::from_millis(200);
/// A timeout that must not be what ended a wait: twice as long as a test may take.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_head_that_does_not_come_to_its_end_is_cut() {
    let server = serve(
        hello(),
        Limits {
            header_timeout: SHORT,
            ..patient()
        },
    );
    for start in [
        "",
        "G",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n",
    ] {
        let begun = Instant::now();
        let mut client = Client::of(&server);
        client.send(start);
        client.assert_end();
        // The clock that this is measured with is coarse.
        assert!(
            begun.elapsed() >= SHORT / 2,
            "{start:?} was cut after {:?}",
            begun.elapsed()
        );
    }
    // Also behind a good request.
    let mut client = Client::of(&server);
    assert_eq!(client.get("/").answer().text(), "hello");
    client.send("GET / HTTP/1.1\r\nHo");
    client.assert_end();
}

#[test]
fn a_head_that_comes_byte_by_byte_is_cut_too() {
    let server = serve(
        hello(),
        Limits {
            header_timeout: SHORT,
            ..patient()
        },
    );
    let mut client = Client::of(&server);
    let begun = Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    while client.try_send("y").is_ok() {
        assert!(
            begun.elapsed() < PATIENCE,
            "a byte now and then keeps the connection"
        );
        sleep(SHORT / 10);
    }
    client.assert_end();
}

#[test]
fn a_tls_handshake_that_does_not_come_is_cut() {
    let identity = authority::Authority::new("a test's").server();
    let tls = TlsConfig::from_pem_bytes(identity.chain, identity.key)
        .build()
        .unwrap();
    let server = serve(
        hello().tls(tls),
        Limits {
            header_timeout: SHORT,
            ..patient()
        },
    );
    for start in [&b""[..], b"\x16\x03\x01"] {
        let mut client = Client::of(&server);
        client.send(start);
        client.rest();
    }
}

#[test]
fn an_idle_connection_is_closed_after_its_own_time() {
    let server = serve(
        hello(),
        Limits {
            keep_alive_timeout: SHORT,
            ..patient()
        },
    );
    let mut client = Client::of(&server);
    assert_eq!(client.get("/").answer().text(), "hello");
    client.assert_end();
    // The time for a head is another: it does not run between requests.
    let server = serve(
        hello(),
        Limits {
            header_timeout: SHORT,
            ..patient()
        },
    );
    let mut client = Client::of(&server);
    for _ in 0..2 {
        assert_eq!(client.get("/").answer().text(), "hello");
        sleep(SHORT * 2);
    }
    assert_eq!(client.get("/").answer().text(), "hello");
}

#[test]
fn a_slow_handler_is_nobodys_fault() {
    let mut builder = Server::builder();
    builder
        .blocking("/", |w, _| {
            sleep(SHORT * 3);
            w.write(b"at last")
        })
        .unwrap();
    let limits = Limits {
        header_timeout: SHORT,
        body_timeout: SHORT,
        keep_alive_timeout: SHORT,
        write_timeout: SHORT,
        ..patient()
    };
    let server = serve(builder, limits);
    let mut client = Client::of(&server);
    assert_eq!(client.get("/").answer().text(), "at last");
}

#[test]
fn a_body_that_stops_coming_is_an_error_and_a_closed_connection() {
    let (send, receive) = mpsc::channel();
    let mut builder = Server::builder();
    let handler = send.clone();
    builder
        .blocking("/blocking", move |w, r| {
            let result = r.body_mut().read_all_blocking();
            if let Err(e) = &result {
                w.refuse(e.status());
            }
            handler.send(result).unwrap();
            Ok(())
        })
        .unwrap();
    builder
        .route("/async", |mut r: Request| async move {
            let mut response = Response::new(Body::empty());
            if let Err(e) = r.body_mut().read_all().await {
                *response.status_mut() = e.status();
            }
            response
        })
        .unwrap();
    let server = serve(
        builder,
        Limits {
            body_timeout: SHORT,
            ..patient()
        },
    );
    // The second is short enough to be read ahead of its handler.
    for (target, length) in [("/blocking", 100_000), ("/blocking", 10), ("/async", 10)] {
        let begun = Instant::now();
        let mut client = Client::of(&server);
        client.send(format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n12345"
        ));
        // 408 or nothing: who notices first, the handler or the sweep, is left open.
        let rest = client.rest();
        let rest = String::from_utf8_lossy(&rest);
        assert!(
            rest.is_empty() || rest.starts_with("HTTP/1.1 408 "),
            "{rest}"
        );
        assert!(
            begun.elapsed() >= SHORT / 2,
            "{target} was cut after {:?}",
            begun.elapsed()
        );
    }
    let result = receive.recv_timeout(PATIENCE).unwrap();
    assert!(
        matches!(result, Err(BodyError::TimedOut | BodyError::ClientGone)),
        "{result:?}"
    );
    eventually("nothing is left", || {
        server.exchanges() == 0 && server.connections() == 0
    });
}

#[test]
fn a_slow_body_that_keeps_coming_is_waited_for() {
    let mut builder = Server::builder();
    builder
        .blocking("/", |w, r| {
            let body = r
                .body_mut()
                .read_all_blocking()
                .map_err(|_| WriteError::Ended)?;
            w.write(&body)
        })
        .unwrap();
    let server = serve(
        builder,
        Limits {
            body_timeout: SHORT * 5,
            ..patient()
        },
    );
    let mut client = Client::of(&server);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n");
    // Longer than the timeout in all, and never so long between two bytes.
    for byte in b"slow, steady" {
        sleep(SHORT / 2);
        client.send([*byte]);
    }
    assert_eq!(client.answer().text(), "slow, steady");
}

#[test]
fn a_client_that_takes_nothing_is_cut() {
    let (send, receive) = mpsc::channel();
    let mut builder = Server::builder();
    builder
        .blocking("/", move |w, _| {
            let error = loop {
                if let Err(e) = w.write(&[0; 64 << 10]) {
                    break e;
                }
            };
            send.send(error).unwrap();
            Ok(())
        })
        .unwrap();
    let server = serve(
        builder,
        Limits {
            write_timeout: SHORT,
            ..patient()
        },
    );
    let mut client = Client::of(&server);
    client.get("/");
    assert_eq!(
        receive.recv_timeout(PATIENCE).unwrap(),
        WriteError::ClientGone
    );
    eventually("nothing is left", || {
        server.exchanges() == 0 && server.connections() == 0
    });
}

#[test]
fn connections_past_the_limit_wait_for_their_turn() {
    let server = serve(
        hello(),
        Limits {
            max_connections: Some(2),
            ..patient()
        },
    );
    let mut inside: Vec<_> = (0..2).map(|_| Client::of(&server)).collect();
    for client in &mut inside {
        assert_eq!(client.get("/").answer().text(), "hello");
    }
    let mut outside = Client::of(&server);
    outside.get("/");
    outside.stream.set_read_timeout(Some(SHORT)).unwrap();
    let nothing = outside.stream.read(&mut [0]).unwrap_err();
    assert!(
        matches!(nothing.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{nothing}"
    );
    assert_eq!(server.connections(), 2);
    inside.pop();
    outside.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(outside.answer().text(), "hello");
}

#[test]
fn the_limits_on_a_head_are_the_configured_ones() {
    let limits = Limits {
        max_headers: 3,
        max_target_bytes: 10,
        max_head_bytes: 8 << 10,
        ..patient()
    };
    let server = serve(hello(), limits);
    let x = |n| "X: y\r\n".repeat(n);
    for (target, fields, status) in [
        ("/".to_owned(), x(2), 200),
        ("/".to_owned(), x(3), 431),
        ("/3456789012".to_owned(), String::new(), 414),
        ("/345678901".to_owned(), String::new(), 404),
        (
            "/".to_owned(),
            format!("X: {}\r\n", "y".repeat(7 << 10)),
            200,
        ),
        (
            "/".to_owned(),
            format!("X: {}\r\n", "y".repeat(8 << 10)),
            431,
        ),
    ] {
        let mut client = Client::of(&server);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!(
            client.answer().status,
            status,
            "{target} with {} bytes of fields",
            fields.len()
        );
    }
    // More than a hundred fields are possible where somebody wants them.
    let server = serve(
        hello(),
        Limits {
            max_headers: 300,
            ..patient()
        },
    );
    let mut client = Client::of(&server);
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", x(299)));
    assert_eq!(client.answer().status, 200);
}

#[test]
fn past_the_queue_a_client_is_told_to_come_again() {
    let gate = Gate::new();
    let handler = gate.clone();
    let mut builder = hello();
    builder
        .blocking("/slow", move |w, _| {
            handler.pass();
            w.write(b"slow")
        })
        .unwrap();
    builder
        .route("/async", |_| async { Response::new(Body::from("async")) })
        .unwrap();
    let server = serve(builder.threads(1).queue(2), patient());
    let mut clients: Vec<_> = (0..7).map(|_| Client::of(&server)).collect();
    clients[0].get("/slow");
    // From here on one runs, two may wait, and four are turned away.
    gate.await_arrivals(1);
    for client in &mut clients[1..] {
        client.get("/slow");
    }
    eventually("four are turned away", || {
        clients
            .iter()
            .filter(|client| has_something(&client.stream))
            .count()
            == 4
    });
    assert_eq!(server.exchanges(), 3);
    assert_eq!(
        get(&server, "/async").text(),
        "async",
        "what needs no thread waits for none"
    );
    gate.open();
    let answers: Vec<_> = clients.iter_mut().map(Client::answer).collect();
    assert_eq!(answers[0].text(), "slow");
    let refused: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 503)
        .collect();
    assert_eq!(refused.len(), 4);
    assert!(
        refused
            .iter()
            .all(|answer| answer.field("retry-after").parse::<u32>().unwrap() > 0),
        "{refused:?}"
    );
    assert_eq!(
        answers
            .iter()
            .filter(|answer| answer.text() == "slow")
            .count(),
        3
    );
    // It was for then, not for ever.
    assert_eq!(clients[6].get("/").answer().text(), "hello");
}

fn has_something(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let ready = stream.peek(&mut [0]).is_ok();
    stream.set_nonblocking(false).unwrap();
    ready
}

fn hello() -> Builder {
    let mut builder = Server::builder();
    builder.blocking("/{$}", |w, _| w.write(b"hello")).unwrap();
    builder
}

/// Limits of which none bites within a test.
fn patient() -> Limits {
    Limits {
        header_timeout: LONG,
        body_timeout: LONG,
        keep_alive_timeout: LONG,
        write_timeout: LONG,
        ..Limits::default()
    }
}

fn serve(builder: Builder, limits: Limits) -> Server {
    builder
        .limits(limits)
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
