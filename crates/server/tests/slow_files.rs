//! Clients that take a file slowly, but all the time, are no dead ones, however long it takes.

mod scratch;
mod wire;

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use oxbridge::files::{serve_file, write_part};
use oxbridge::{Builder, Exchange, Limits, Server, WriteError};
use scratch::ScratchDir;
use socket2::{Domain, Socket, Type};
use wire::{Client, PATIENCE};

/// A client that takes nothing for so long counts as gone.
const TIMEOUT: Duration = Duration::from_millis(1500);

#[test]
fn a_file_over_http_2_may_take_longer_than_the_write_timeout() {
    const SIZE: usize = 2 << 20;
    const PACE: Duration = Duration::from_millis(60);
    let files = ScratchDir::new();
    let path = files.write("file", content(SIZE));
    let (server, held) = holding();
    let handling = std::thread::spawn(move || {
        let mut exchange = held.recv_timeout(PATIENCE).unwrap();
        let (response, request) = exchange.parts();
        serve_file(response, request, &path).unwrap();
        exchange.end().unwrap();
    });
    let address = server.addresses()[0].tcp().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let begun = Instant::now();
    let body = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        // The window opens by half of it at a time, far more often than the timeout.
        let (mut send, connection) = h2::client::Builder::new()
            .initial_window_size(256 << 10)
            .initial_connection_window_size(256 << 10)
            .handshake::<_, &[u8]>(stream)
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = http::Request::get(format!("http://{address}/")).body(());
        let (response, _) = send.send_request(request.unwrap(), true).unwrap();
        let mut body = response.await.unwrap().into_body();
        let mut taken = Vec::new();
        while let Some(Ok(piece)) = body.data().await {
            taken.extend_from_slice(&piece);
            tokio::time::sleep(PACE).await;
            // What is given back here opens the window for more (RFC 9113 §5.2).
            // Fails when the stream has ended, which the next piece tells.
            let _ = body.flow_control().release_capacity(piece.len());
        }
        taken
    });
    assert!(begun.elapsed() > 2 * TIMEOUT, "{:?}", begun.elapsed());
    assert!(body == content(SIZE), "{} bytes of {SIZE}", body.len());
    handling.join().unwrap();
}

#[test]
fn whoever_writes_behind_a_queued_file_waits_for_as_long_as_it_is_taken() {
    // More than the server's socket takes before the client has taken any.
    const SIZE: usize = 16 << 20;
    const BEHIND: usize = 1 << 20;
    let files = ScratchDir::new();
    let path = files.write("file", content(SIZE));
    let (server, held) = holding();
    let writing = std::thread::spawn(move || -> Result<(), WriteError> {
        let mut exchange = held.recv_timeout(PATIENCE).unwrap();
        let file = File::open(&path).unwrap();
        write_part(exchange.response(), &file, &path, 0, SIZE as u64).unwrap();
        // It was inline, and queued the file; from here on it waits.
        exchange.set_may_wait(true);
        exchange.response().write(&content(BEHIND))?;
        exchange.end()
    });
    let mut client = Client::over(Slow::to(server.addresses()[0].tcp().unwrap()));
    let begun = Instant::now();
    let answer = client.get("/").answer();
    assert!(begun.elapsed() > 2 * TIMEOUT, "{:?}", begun.elapsed());
    writing.join().unwrap().expect("the client was there");
    assert!(answer.whole);
    assert!(answer.body == [content(SIZE), content(BEHIND)].concat());
}

/// A connection with a small buffer, from which little is read at a time.
struct Slow(TcpStream);

impl Slow {
    fn to(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
        socket.connect(&address.into()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Slow(socket.into())
    }
}

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        std::thread::sleep(Duration::from_millis(3));
        let n = buffer.len().min(16 << 10);
        self.0.read(&mut buffer[..n])
    }
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Bytes that tell where they belong.
fn content(size: usize) -> Vec<u8> {
    (0..size as u32 / 4).flat_map(u32::to_be_bytes).collect()
}

/// A server that hands its exchanges over; those must not wait.
fn holding() -> (Server, mpsc::Receiver<Exchange>) {
    let (send, held) = mpsc::channel();
    let mut builder: Builder = Server::builder();
    builder
        .inline_exchange(
            "/",
            move |exchange| send.send(exchange).unwrap(),
            "here".into(),
        )
        .unwrap();
    let server = builder
        .limits(Limits {
            write_timeout: TIMEOUT,
            ..Limits::default()
        })
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    (server, held)
}
