//! WebSockets on streams of HTTP/2 (RFC 8441), with h2's client.

mod gate;
mod socket;
mod wire;

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gate::eventually;
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::{Method, Request, Response, StatusCode};
use oxbridge::websocket::{Accept, Event, Message};
use oxbridge::{Exchange, Server};
use socket::frame;
use wire::PATIENCE;

#[test]
fn a_stream_becomes_a_websocket_beside_others() {
    let (server, _closed) = serve();
    run(async {
        let mut send = connect(&server).await;
        let mut one = open(&mut send, "/get").await;
        let mut two = open(&mut send, "/echo").await;
        for n in 0..10 {
            let text = format!("message {n}");
            one.send(&frame(0x81, text.as_bytes()));
            two.send(&frame(0x89, b"ping"));
            assert_eq!(one.frame().await, (0x81, text.into_bytes()));
            assert_eq!(two.frame().await, (0x8a, b"ping".to_vec()));
        }
        one.send(&frame(0x88, &1000_u16.to_be_bytes()));
        assert_eq!(one.frame().await, (0x88, 1000_u16.to_be_bytes().to_vec()));
        one.end().await;
        // The other one, and the connection, go on.
        two.send(&frame(0x81, b"still here"));
        assert_eq!(two.frame().await, (0x81, b"still here".to_vec()));
        assert_eq!(server.connections(), 1);
    });
    eventually("nothing is left", || {
        server.exchanges() == 0 && server.connections() == 0
    });
}

#[test]
fn a_large_message_passes_the_windows_both_ways() {
    let (server, _closed) = serve();
    run(async {
        let mut send = connect(&server).await;
        let mut socket = open(&mut send, "/echo").await;
        let large = vec![7; 1 << 20];
        let mut rest = Bytes::from(frame(0x82, &large));
        let mut up = socket.up.take().unwrap();
        let sending = tokio::spawn(async move {
            while !rest.is_empty() {
                up.reserve_capacity(rest.len());
                let room = std::future::poll_fn(|cx| up.poll_capacity(cx))
                    .await
                    .unwrap()
                    .unwrap();
                up.send_data(rest.split_to(room.min(rest.len())), false)
                    .unwrap();
            }
            up
        });
        let (first, payload) = socket.frame().await;
        assert_eq!(first, 0x82);
        assert!(payload == large);
        drop(sending.await);
    });
}

#[test]
fn refusals_and_other_protocols_are_ordinary_answers() {
    let (server, _closed) = serve();
    run(async {
        let mut send = connect(&server).await;
        let (answer, _up) = ask(&mut send, "/refuse", "websocket", "13").await;
        assert_eq!(answer.status(), 403);
        assert_eq!(text(answer).await, "not you\n");
        let (answer, _up) = ask(&mut send, "/nowhere", "websocket", "13").await;
        assert_eq!(answer.status(), 404);
        let (answer, _up) = ask(&mut send, "/echo", "connect-udp", "13").await;
        assert_eq!(answer.status(), 501);
        let (answer, _up) = ask(&mut send, "/echo", "websocket", "8").await;
        assert_eq!(answer.status(), 426);
        assert_eq!(answer.headers()["sec-websocket-version"], "13");
        let plain = Request::get("http://a.example/echo").body(()).unwrap();
        let answer = send.send_request(plain, true).unwrap().0.await.unwrap();
        assert_eq!(answer.status(), 426);
    });
}

#[test]
fn a_reset_and_a_lost_connection_reach_the_handler() {
    let (server, closed) = serve();
    run(async {
        let mut send = connect(&server).await;
        let mut socket = open(&mut send, "/echo").await;
        socket.up.as_mut().unwrap().send_reset(Reason::CANCEL);
        eventually_async(|| server.exchanges() == 0).await;
        assert_eq!(closed.try_recv(), Ok(1006));
        let _socket = open(&mut send, "/echo").await;
    });
    // The client's runtime is gone, and its connection with it.
    assert_eq!(closed.recv_timeout(PATIENCE), Ok(1006));
    eventually("nothing is left", || {
        server.exchanges() == 0 && server.connections() == 0
    });
}

#[test]
fn a_drain_says_service_restart() {
    let (server, closed) = serve();
    run(async {
        let mut send = connect(&server).await;
        let mut socket = open(&mut send, "/echo").await;
        server.begin_stop(PATIENCE);
        let (first, payload) = socket.frame().await;
        assert_eq!((first, &payload[..2]), (0x88, &1012_u16.to_be_bytes()[..]));
        socket.send(&frame(0x88, &payload[..2]));
        socket.end().await;
    });
    assert_eq!(closed.recv_timeout(PATIENCE), Ok(1012));
    assert!(server.stop(PATIENCE));
}

#[test]
fn a_cut_does_not_wait_for_the_client() {
    let (server, closed) = serve();
    run(async {
        let mut send = connect(&server).await;
        let _socket = open(&mut send, "/echo").await;
        server.begin_stop(Duration::ZERO);
        eventually_async(|| server.connections() == 0).await;
    });
    assert_eq!(closed.recv_timeout(PATIENCE), Ok(1006));
    assert!(server.stop(Duration::ZERO));
}

/// One stream that has become a WebSocket.
struct Socket {
    up: Option<SendStream<Bytes>>,
    down: RecvStream,
    ahead: BytesMut,
}

impl Socket {
    fn send(&mut self, bytes: &[u8]) {
        let up = self.up.as_mut().unwrap();
        up.send_data(bytes.to_vec().into(), false).unwrap();
    }

    /// Exactly so many bytes.
    async fn take(&mut self, n: usize) -> Vec<u8> {
        while self.ahead.len() < n {
            let data = self.down.data().await.expect("more").unwrap();
            self.ahead.extend_from_slice(&data);
            self.down
                .flow_control()
                .release_capacity(data.len())
                .unwrap();
        }
        self.ahead.split_to(n).to_vec()
    }

    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.take(2).await;
        let length = match head[1] {
            126 => u16::from_be_bytes(self.take(2).await.try_into().unwrap()).into(),
            127 => u64::from_be_bytes(self.take(8).await.try_into().unwrap()) as usize,
            length => usize::from(length),
        };
        (head[0], self.take(length).await)
    }

    /// Requires that the server ends the stream.
    async fn end(&mut self) {
        assert!(self.ahead.is_empty());
        while let Some(data) = self.down.data().await {
            assert_eq!(data.unwrap(), "", "a frame that only ends is empty");
        }
    }
}

async fn connect(server: &Server) -> SendRequest<Bytes> {
    let address = server.addresses()[0].tcp().unwrap();
    let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let (send, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    // RFC 8441 §3: not before the server has said that it may.
    eventually_async(|| send.is_extended_connect_protocol_enabled()).await;
    send
}

async fn ask(
    send: &mut SendRequest<Bytes>,
    path: &str,
    protocol: &str,
    version: &str,
) -> (Response<RecvStream>, SendStream<Bytes>) {
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("http://a.example{path}"))
        .header("sec-websocket-version", version)
        .header("sec-websocket-protocol", "chat, superchat")
        .body(())
        .unwrap();
    request.extensions_mut().insert(Protocol::from(protocol));
    let (answer, up) = send.send_request(request, false).unwrap();
    (answer.await.unwrap(), up)
}

async fn open(send: &mut SendRequest<Bytes>, path: &str) -> Socket {
    let (answer, up) = ask(send, path, "websocket", "13").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["sec-websocket-protocol"], "superchat");
    assert!(!answer.headers().contains_key("sec-websocket-accept"));
    Socket {
        up: Some(up),
        down: answer.into_body(),
        ahead: BytesMut::new(),
    }
}

async fn text(answer: Response<RecvStream>) -> String {
    let mut body = answer.into_body();
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        all.extend_from_slice(&data.unwrap());
    }
    String::from_utf8(all).unwrap()
}

async fn eventually_async(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn run(client: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, client)
            .await
            .expect("the client hangs")
    });
}

/// A server that echoes, and says with which codes its conversations ended.
fn serve() -> (Server, Receiver<u16>) {
    let (ended, endings) = channel();
    let echo = move |mut exchange: Exchange| {
        assert_eq!(exchange.request().method(), Method::GET);
        let is_plain = !exchange.request().is_websocket();
        let accept = Accept {
            subprotocol: (!is_plain).then(|| "superchat".to_owned()),
            ..Accept::default()
        };
        let socket = match exchange.accept_websocket(accept) {
            Ok((_, socket)) => socket,
            Err((exchange, error)) => return exchange.refuse_websocket(&error),
        };
        loop {
            let message = match socket.recv_blocking().unwrap() {
                Event::Text(text) => Message::Text(text),
                Event::Binary(bytes) => Message::Binary(bytes),
                Event::Closed { code, .. } => return ended.send(code).unwrap_or(()),
            };
            let _ = socket.send_blocking(message);
        }
    };
    let refuse = |mut exchange: Exchange| {
        let response = exchange.response();
        response
            .set_status(StatusCode::FORBIDDEN.as_u16())
            .and_then(|()| response.write(b"not you\n"))
            .unwrap();
        exchange.end().unwrap();
    };
    let mut builder = Server::builder();
    builder
        .blocking_exchange("/echo", echo.clone(), String::new())
        .unwrap()
        .blocking_exchange("GET /get", echo, String::new())
        .unwrap()
        .blocking_exchange("/refuse", refuse, String::new())
        .unwrap();
    let server = builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    (server, endings)
}
