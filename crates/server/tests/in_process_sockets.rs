//! WebSockets that reach a server through its host: an axum router that hyper serves by HTTP/1.1 and
//! HTTP/2, and another server of ours.

mod gate;
mod host;
mod socket;
mod wire;

use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use gate::eventually;
use host::{Host, Speaks};
use http::{Method, Request as HttpRequest, StatusCode};
use http_body_util::Empty;
use oxbridge::websocket::{self, Accept, Event, Message as Ours, Options};
use oxbridge::{Builder, Exchange, Request, Server, block_on};
use socket::{frame, handshake};
use tower::Service as _;
use tungstenite::{Message, WebSocket};
use wire::{Client, PATIENCE};

#[test]
fn messages_come_back_by_every_kind_of_handler() {
    let (builder, _closed) = echoes();
    let server = builder.start().unwrap();
    let host = Host::whole(Speaks::Http1, server.in_process());
    for path in ["/blocking", "/async"] {
        let mut client = connect(host.address, path);
        for length in [0, 1, 126, 65_536, 3 << 20] {
            let text = "é".repeat(length / 2);
            client.send(Message::Text(text.clone().into())).unwrap();
            assert!(
                client.read().unwrap() == Message::Text(text.into()),
                "{path} {length}"
            );
        }
        client.send(Message::Ping("there?".into())).unwrap();
        assert_eq!(client.read().unwrap(), Message::Pong("there?".into()));
        client.close(None).unwrap();
        assert_eq!(client.read().unwrap(), Message::Close(None));
        assert!(matches!(
            client.read(),
            Err(tungstenite::Error::ConnectionClosed)
        ));
    }
    eventually("nothing is left", || server.exchanges() == 0);
    assert!(server.stop(PATIENCE), "no socket is waited for");
}

#[test]
fn a_server_of_ours_hands_its_connection_in() {
    let (builder, closed) = echoes();
    let inner = builder.start().unwrap();
    let mut builder = Server::builder();
    builder.service("/", inner.in_process()).unwrap();
    let outer = builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    let address = outer.addresses()[0].tcp().unwrap();
    for path in ["/blocking", "/async"] {
        let mut client = connect(address, path);
        client.send(Message::Text("hello".into())).unwrap();
        assert_eq!(client.read().unwrap(), Message::Text("hello".into()));
        client.close(None).unwrap();
        assert_eq!(client.read().unwrap(), Message::Close(None));
        assert_eq!(closed.recv_timeout(PATIENCE), Ok(1005));
    }
    // Without its server, nothing is left of a socket that the other one moves.
    let mut client = connect(address, "/blocking");
    client.send(Message::Text("hello".into())).unwrap();
    assert_eq!(client.read().unwrap(), Message::Text("hello".into()));
    drop(inner);
    assert_eq!(closed.recv_timeout(PATIENCE), Ok(1006));
}

#[test]
fn a_stream_of_http_2_becomes_one() {
    let (builder, closed) = echoes();
    let server = builder.start().unwrap();
    let host = Host::whole(Speaks::Http2, server.in_process());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(host.address).await.unwrap();
        let (mut send, connection) = h2::client::handshake(tcp).await.unwrap();
        tokio::spawn(connection);
        send = send.ready().await.unwrap();
        // The settings of the host come first.
        let plain = HttpRequest::get("http://a.example/none").body(()).unwrap();
        let (answer, _) = send.send_request(plain, true).unwrap();
        assert_eq!(answer.await.unwrap().status(), 404);
        let request = HttpRequest::builder()
            .method(Method::CONNECT)
            .uri("http://a.example/blocking")
            .header("sec-websocket-version", "13")
            .extension(h2::ext::Protocol::from_static("websocket"))
            .body(())
            .unwrap();
        let (answer, mut up) = send.send_request(request, false).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut down = answer.into_body();
        up.send_data(frame(0x81, b"hello").into(), false).unwrap();
        assert_eq!(down.data().await.unwrap().unwrap(), &b"\x81\x05hello"[..]);
        up.send_data(frame(0x88, &1000_u16.to_be_bytes()).into(), false)
            .unwrap();
        assert_eq!(
            down.data().await.unwrap().unwrap(),
            &b"\x88\x02\x03\xe8"[..]
        );
        while let Some(data) = down.data().await {
            assert_eq!(data.unwrap(), "", "nothing but the end of the stream");
        }
    });
    assert_eq!(closed.recv_timeout(PATIENCE), Ok(1000));
}

#[test]
fn a_slow_client_holds_up_its_sender_and_a_lost_one_ends_it() {
    let (sent, progress) = mpsc::channel();
    let mut builder = Server::builder();
    builder
        .blocking_exchange(
            "/",
            move |exchange: Exchange| {
                let (_, socket) = exchange.accept_websocket(Accept::default()).unwrap();
                while socket
                    .send_blocking(Ours::Binary(vec![7; 256 << 10].into()))
                    .is_ok()
                {
                    sent.send(Some(())).unwrap();
                }
                sent.send(None).unwrap();
            },
            "here".into(),
        )
        .unwrap();
    let server = builder.start().unwrap();
    let host = Host::whole(Speaks::Http1, server.in_process());
    let client = connect(host.address, "/");
    let mut mebibytes = 0;
    while progress.recv_timeout(Duration::from_millis(500)).is_ok() {
        mebibytes += 1;
        assert!(mebibytes < 400, "nothing holds it up");
    }
    drop(client);
    let last = std::iter::from_fn(|| progress.recv_timeout(PATIENCE).ok()).find(Option::is_none);
    assert_eq!(last, Some(None));
    eventually("nothing is left", || server.exchanges() == 0);
}

#[test]
fn stopping_closes_with_service_restart_and_then_cuts() {
    let (builder, closed) = echoes();
    let server = builder.start().unwrap();
    let host = Host::whole(Speaks::Http1, server.in_process());
    let mut polite = connect(host.address, "/blocking");
    let mut deaf = connect(host.address, "/blocking");
    for client in [&mut polite, &mut deaf] {
        client.send(Message::Text("hello".into())).unwrap();
        assert_eq!(client.read().unwrap(), Message::Text("hello".into()));
    }
    server.begin_stop(Duration::from_secs(1));
    let Message::Close(Some(close)) = polite.read().unwrap() else {
        panic!("no close frame with a code");
    };
    assert_eq!(u16::from(close.code), 1012);
    assert!(polite.read().is_err());
    assert_eq!(closed.recv_timeout(PATIENCE), Ok(1012));
    // The other one never answers the close frame.
    assert!(server.stop(Duration::from_secs(1)));
    assert_eq!(closed.recv_timeout(PATIENCE), Ok(1006));
    assert!(deaf.read().is_ok(), "the close frame");
    assert!(deaf.read().is_err(), "the host's connection has ended");
}

#[test]
fn refusals_are_ordinary_answers() {
    let (builder, _closed) = echoes();
    let server = builder.start().unwrap();
    let host = Host::whole(Speaks::Http1, server.in_process());
    let mut client = Client::to(host.address);
    client.send(handshake("/nowhere", ""));
    assert_eq!(client.answer().status, 404);
    client.send("GET /blocking HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 426);
    // A host that cannot upgrade.
    let request = HttpRequest::get("/blocking")
        .header("host", "a")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = block_on(server.in_process().call(request)).unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_IMPLEMENTED);
}

fn connect(address: SocketAddr, path: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    tungstenite::client(format!("ws://localhost{path}"), stream)
        .unwrap()
        .0
}

/// Handlers that send back what comes, and tell with which code a socket was closed.
fn echoes() -> (Builder, mpsc::Receiver<u16>) {
    let (closed, codes) = mpsc::channel();
    let accept = || Accept {
        options: Options {
            max_message: 8 << 20,
            ..Options::default()
        },
        ..Accept::default()
    };
    let mut builder = Server::builder();
    let blocking = closed.clone();
    builder
        .blocking_exchange(
            "/blocking",
            move |exchange: Exchange| {
                let socket = match exchange.accept_websocket(accept()) {
                    Ok((_, socket)) => socket,
                    Err((exchange, error)) => return exchange.refuse_websocket(&error),
                };
                block_on(converse(socket, blocking.clone()));
            },
            "here".into(),
        )
        .unwrap();
    builder
        .route("/async", move |request: Request| {
            let closed = closed.clone();
            async move {
                match websocket::upgrade(request, accept()) {
                    Ok((response, socket)) => {
                        tokio::spawn(converse(socket, closed));
                        response
                    }
                    Err((_, error)) => error.response(),
                }
            }
        })
        .unwrap();
    (builder, codes)
}

async fn converse(socket: websocket::WebSocket, closed: mpsc::Sender<u16>) {
    loop {
        let message = match socket.recv().await {
            Event::Text(text) => Ours::Text(text),
            Event::Binary(bytes) => Ours::Binary(bytes),
            Event::Closed { code, .. } => {
                // Not every test listens.
                let _ = closed.send(code);
                return;
            }
        };
        // What ends the conversation is the event above.
        let _ = socket.send_when_room(message).await;
    }
}
