//! Answers that come before their requests are complete, over HTTP/2: the client is told to stop sending
//! (RFC 9113 §8.1), and the connection goes on.

mod wire;

use std::future::poll_fn;
use std::net::SocketAddr;

use bytes::Bytes;
use oxbridge::{Exchange, Limits, Server};
use wire::PATIENCE;

#[test]
fn who_ignores_an_upload_stops_its_sender_without_an_error() {
    let server = serve();
    let address = server.addresses()[0].tcp().unwrap();
    for target in ["/blocking", "/inline", "/part", "/none", "/missing"] {
        in_time(upload(address, target, None));
    }
}

#[test]
fn an_upload_that_is_too_large_is_refused_and_stopped_in_the_same_way() {
    let server = serve();
    let address = server.addresses()[0].tcp().unwrap();
    in_time(upload(address, "/read", Some(1 << 30)));
}

/// Begins an upload of more than a window, and requires an answer and then the order to stop sending; then
/// asks for something else on the same connection.
async fn upload(address: SocketAddr, target: &str, length: Option<u64>) {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::post(format!("http://{address}{target}"));
    if let Some(length) = length {
        request = request.header("content-length", length);
    }
    let (response, mut body) = send.send_request(request.body(()).unwrap(), false).unwrap();
    // As much as the window takes, and far more waits behind it.
    body.send_data(Bytes::from(vec![b'x'; 16 << 20]), false)
        .unwrap();
    let response = response.await.unwrap();
    let expected = match target {
        "/missing" => 404,
        "/read" => 413,
        _ => 200,
    };
    assert_eq!(response.status(), expected, "{target}");
    let mut answer = response.into_body();
    while let Some(piece) = answer.data().await {
        piece.unwrap_or_else(|e| panic!("{target}: {e}"));
    }
    let reason = poll_fn(|cx| body.poll_reset(cx)).await.unwrap();
    assert_eq!(reason, h2::Reason::NO_ERROR, "{target}");
    let request = http::Request::get(format!("http://{address}/none")).body(());
    let (response, _) = send.send_request(request.unwrap(), true).unwrap();
    assert_eq!(response.await.unwrap().status(), 200, "{target}");
}

fn in_time(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(PATIENCE, work).await })
        .expect("the client is told to stop");
}

fn serve() -> Server {
    let mut builder = Server::builder();
    let end = |mut exchange: Exchange| {
        exchange.response().write(b"enough").unwrap();
        exchange.end().unwrap();
    };
    builder
        .blocking("/blocking", |w, _| w.write(b"enough"))
        .unwrap()
        .blocking("/part", |w, r| {
            let mut some = [0; 1000];
            std::io::Read::read_exact(r.body_mut(), &mut some).unwrap();
            w.write(b"enough")
        })
        .unwrap()
        // The length that is announced is over the limit.
        .blocking("/read", |w, _| w.write(b"not reached"))
        .unwrap()
        .blocking("/none", |_, _| Ok(()))
        .unwrap()
        .inline_exchange("/inline", end, "here".into())
        .unwrap();
    builder
        .limits(Limits {
            max_body: Some(64 << 20),
            ..Limits::default()
        })
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
