//! Conversations with another implementation's client, tungstenite.

mod authority;
mod wire;

use std::net::TcpStream;

use authority::Authority;
use oxbridge::tls::TlsConfig;
use oxbridge::websocket::{self, Accept, Event, Message as Ours};
use oxbridge::{Builder, Request, Server};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};
use wire::PATIENCE;

#[test]
fn what_it_says_comes_back() {
    let server = serve();
    let mut client = connect(&server);
    for length in [0, 1, 125, 126, 65_535, 65_536, 3 << 20] {
        let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
        client.send(Message::Binary(bytes.clone().into())).unwrap();
        assert!(
            client.read().unwrap() == Message::Binary(bytes.into()),
            "{length}"
        );
        let text = "é".repeat(length / 2);
        client.send(Message::Text(text.clone().into())).unwrap();
        assert!(
            client.read().unwrap() == Message::Text(text.into()),
            "{length}"
        );
    }
    client.send(Message::Ping("are you there".into())).unwrap();
    assert_eq!(
        client.read().unwrap(),
        Message::Pong("are you there".into())
    );
}

#[test]
fn many_messages_under_way_come_back_in_their_order() {
    let server = serve();
    let mut client = connect(&server);
    for n in 0..2000 {
        client.write(Message::Text(n.to_string().into())).unwrap();
    }
    client.flush().unwrap();
    for n in 0..2000 {
        assert_eq!(client.read().unwrap(), Message::Text(n.to_string().into()));
    }
}

#[test]
fn both_sides_close() {
    let server = serve();
    let mut client = connect(&server);
    let farewell = CloseFrame {
        code: CloseCode::Away,
        reason: "going".into(),
    };
    client.close(Some(farewell)).unwrap();
    let answer = client.read().unwrap();
    assert!(
        matches!(&answer, Message::Close(Some(frame)) if frame.code == CloseCode::Away),
        "{answer:?}"
    );
    assert!(matches!(
        client.read(),
        Err(tungstenite::Error::ConnectionClosed)
    ));

    let mut client = connect(&server);
    client.send(Message::Text("close".into())).unwrap();
    let farewell = client.read().unwrap();
    assert!(
        matches!(&farewell, Message::Close(Some(frame))
            if frame.code == CloseCode::Library(4000) && frame.reason == "as you wish"),
        "{farewell:?}"
    );
}

fn connect(server: &Server) -> WebSocket<TcpStream> {
    tungstenite::client("ws://localhost/", tcp(server))
        .unwrap()
        .0
}

fn tcp(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.addresses()[0].tcp().unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn tls_makes_no_difference() {
    let authority = Authority::new("a test's");
    let identity = authority.server();
    let tls = TlsConfig::from_pem_bytes(identity.chain, identity.key)
        .build()
        .unwrap();
    let server = start(builder().tls(tls));
    let config = authority.trusting_client(rustls::ALL_VERSIONS, &["http/1.1"], None);
    let session = rustls::ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
    let stream = rustls::StreamOwned::new(session, tcp(&server));
    let (mut client, _) = tungstenite::client("ws://localhost/", stream).unwrap();
    for length in [0, 100, 1 << 20] {
        let text = "x".repeat(length);
        client.send(Message::Text(text.clone().into())).unwrap();
        assert!(
            client.read().unwrap() == Message::Text(text.into()),
            "{length}"
        );
    }
    client.close(None).unwrap();
    assert_eq!(client.read().unwrap(), Message::Close(None));
}

fn serve() -> Server {
    start(builder())
}

fn start(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}

/// A server whose handlers are futures.
fn builder() -> Builder {
    let mut builder = Server::builder();
    builder
        .route("/", |request: Request| async {
            let (response, socket) = match websocket::upgrade(request, Accept::default()) {
                Ok(accepted) => accepted,
                Err((_, error)) => return error.response(),
            };
            tokio::spawn(converse(socket));
            response
        })
        .unwrap();
    builder
}

async fn converse(socket: websocket::WebSocket) {
    loop {
        let sent = match socket.recv().await {
            Event::Text(text) if &*text == "close" => socket.close(4000, "as you wish"),
            Event::Text(text) => socket.send_when_room(Ours::Text(text)).await,
            Event::Binary(bytes) => socket.send_when_room(Ours::Binary(bytes)).await,
            Event::Closed { .. } => return,
        };
        if sent.is_err() {
            return;
        }
    }
}
