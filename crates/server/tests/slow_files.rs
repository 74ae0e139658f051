//! Clients that take a file slowly, but all the time, are no dead ones, however long it takes.

mod gate;
mod scratch;
mod wire;

use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use oxbridge::files::{serve_file, write_part};
use oxbridge::{Builder, Exchange, Limits, Server, WriteError};
use scratch::ScratchDir;
use socket2::{Domain, Socket, Type};
use wire::{Client, PATIENCE};

/// A client that takes nothing for so long counts as gone. Sweeps come in a quarter of it.
const TIMEOUT: Duration = Duration::from_millis(600);
/// A slow client takes a little this often.
const PACE: Duration = Duration::from_millis(25);
const SIZE: usize = 2 << 20;

#[test]
fn a_file_over_http_2_may_take_longer_than_the_write_timeout() {
    let files = ScratchDir::new();
    let path = files.write("file", content());
    let mut builder = Server::builder();
    builder
        .inline_exchange(
            "/file",
            move |mut exchange: Exchange| {
                let (response, request) = exchange.parts();
                serve_file(response, request, &path).unwrap();
                exchange.end().unwrap();
            },
            "here".into(),
        )
        .unwrap();
    let server = serve(builder);
    let address = server.addresses()[0].tcp().unwrap();
    let begun = Instant::now();
    let body = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(take_slowly(address));
    assert!(begun.elapsed() > 2 * TIMEOUT, "{:?}", begun.elapsed());
    assert!(body == content(), "{} bytes of {SIZE}", body.len());
}

/// Reads a frame now and then, which is what opens the window for more (RFC 9113 §5.2).
async fn take_slowly(address: SocketAddr) -> Bytes {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(format!("http://{address}/file")).body(());
    let (response, _) = send.send_request(request.unwrap(), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let mut taken = Vec::new();
    while let Some(piece) = body.data().await {
        let Ok(piece) = piece else { break };
        taken.extend_from_slice(&piece);
        tokio::time::sleep(PACE).await;
        // Fails when the stream has ended, which the next piece tells.
        let _ = body.flow_control().release_capacity(piece.len());
    }
    taken.into()
}

#[test]
fn whoever_writes_behind_a_queued_file_waits_for_as_long_as_it_is_taken() {
    let files = ScratchDir::new();
    let path = files.write("file", content());
    let (send, held) = mpsc::channel::<Exchange>();
    let mut builder = Server::builder();
    builder
        .inline_exchange(
            "/file",
            move |mut exchange: Exchange| {
                let file = File::open(&path).unwrap();
                write_part(exchange.response(), &file, &path, 0, SIZE as u64).unwrap();
                send.send(exchange).unwrap();
            },
            "here".into(),
        )
        .unwrap();
    let server = serve(builder);
    let mut client = Client::over(small_socket(server.addresses()[0].tcp().unwrap()));
    client.get("/file");
    let mut exchange = held.recv_timeout(PATIENCE).unwrap();
    let writing = std::thread::spawn(move || -> Result<(), WriteError> {
        exchange.set_may_wait(true);
        exchange.response().write(&content())?;
        exchange.end()
    });
    let begun = Instant::now();
    let mut answer = client.head();
    // A little now and then until the time of a dead client is over, then the rest at once.
    let mut slow = Slow(client, begun);
    slow.take();
    let mut client = slow.0;
    client.body(&mut answer);
    writing.join().unwrap().unwrap();
    assert!(answer.whole);
    assert!(answer.body == [content(), content()].concat());
}
