//! A server in a process that does not ignore SIGPIPE, as programs in C do not: clients that hang up cost
//! it nothing. The signal is the process's, so this file has one test, which ends the process where the
//! server is wrong.

mod authority;
mod gate;
mod scratch;
mod wire;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use authority::Authority;
use gate::{Gate, eventually};
use oxbridge::files::queue_part;
use oxbridge::tls::TlsConfig;
use oxbridge::{Builder, Exchange, Server, WriteError};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use scratch::ScratchDir;
use wire::{Client, PATIENCE};

/// How often each way to hang up is tried: whether the server writes into a closed socket is a race.
const ROUNDS: usize = 10;
/// The length of the file, in bytes.
const LARGE: u64 = 20 << 20;

#[test]
fn a_client_that_hangs_up_does_not_end_the_process() {
    // SAFETY: no handler of ours is installed, and the default one needs nothing.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let directory = ScratchDir::new();
    let unix = format!("unix:{}", directory.join("socket").display());
    let authority = Authority::new("a test's");
    let identity = authority.server();
    let tls = TlsConfig::from_pem_bytes(identity.chain, identity.key)
        .build()
        .unwrap();
    let config = authority.trusting_client(rustls::ALL_VERSIONS, &["http/1.1"], None);
    let (plain, plain_gate) = serve(&directory, |builder| {
        builder
            .bind("127.0.0.1:0".parse().unwrap())
            .bind(unix.parse().unwrap())
    });
    let (secret, secret_gate) = serve(&directory, |builder| {
        builder.tls(tls).bind("127.0.0.1:0".parse().unwrap())
    });
    for target in ["/wait", "/queue", "/early", "/file"] {
        for _ in 0..ROUNDS {
            hang_up(&plain, &plain_gate, target, || tcp(&plain), |s| s);
            let path = directory.join("socket");
            let dial = || UnixStream::connect(&path).unwrap();
            hang_up(&plain, &plain_gate, target, dial, |s| s);
            hang_up(
                &secret,
                &secret_gate,
                target,
                || encrypted(&secret, &config),
                |s| &mut s.sock,
            );
        }
    }
    // The server was in the middle of it, and lives.
    assert_eq!(
        Client::over(tcp(&plain)).get("/well").answer().text(),
        "well"
    );
    let mut client = Client::over(encrypted(&secret, &config));
    assert_eq!(client.get("/well").answer().text(), "well");
    let mut client = Client::over(UnixStream::connect(directory.join("socket")).unwrap());
    assert_eq!(client.get("/well").answer().text(), "well");
}

/// A socket that can be closed under a client.
trait Socket {
    fn close(&self);
}

impl Socket for TcpStream {
    fn close(&self) {
        // The server may have been quicker.
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Socket for UnixStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

/// Asks for a large answer, and goes while the server writes it.
fn hang_up<S: Read + Write, T: Socket>(
    server: &Server,
    writing: &Gate,
    target: &str,
    dial: impl Fn() -> S,
    socket: impl Fn(&mut S) -> &mut T,
) {
    let before = writing.arrived();
    let mut client = Client::over(dial());
    client.get(target);
    if target != "/early" {
        client.take(100);
    }
    writing.await_arrivals(before + 1);
    socket(&mut client.stream).close();
    drop(client);
    eventually("the exchange is over", || server.exchanges() == 0);
}

/// Routes that write more than any socket takes: waiting for the client, queueing for it, or in pieces
/// of their own (103 Early Hints, RFC 8297).
fn serve(files: &ScratchDir, bind: impl FnOnce(Builder) -> Builder) -> (Server, Gate) {
    let gate = Gate::new();
    let (waiting, queueing, early) = (gate.clone(), gate.clone(), gate.clone());
    let filing = gate.clone();
    let file = files.join("file");
    File::create(&file).unwrap().set_len(LARGE).unwrap();
    let mut builder = Server::builder();
    builder
        .blocking("/wait", move |w, _| {
            w.write(&[b'x'; 100 << 10])?;
            waiting.mark();
            loop {
                if let Err(e) = w.write(&[b'x'; 100 << 10]) {
                    assert_eq!(e, WriteError::ClientGone);
                    return Ok(());
                }
            }
        })
        .unwrap();
    builder
        .inline_exchange(
            "/queue",
            move |mut exchange: Exchange| {
                for _ in 0..200 {
                    let piece = vec![b'x'; 100 << 10];
                    exchange.response().write_bytes(piece.into()).unwrap();
                }
                queueing.mark();
                exchange.end().unwrap();
            },
            "here".into(),
        )
        .unwrap();
    builder
        .blocking("/early", move |w, _| {
            early.mark();
            while !w.is_client_gone() {
                w.set_status(103)?;
            }
            Ok(())
        })
        .unwrap();
    builder
        .inline_exchange(
            "/file",
            move |mut exchange: Exchange| {
                // sendfile(2) has no flag that keeps the signal away.
                let part = File::open(&file).unwrap();
                queue_part(exchange.response(), &part, &file, 0, LARGE).unwrap();
                filing.mark();
                exchange.end().unwrap();
            },
            "here".into(),
        )
        .unwrap();
    builder.blocking("/well", |w, _| w.write(b"well")).unwrap();
    (bind(builder).start().unwrap(), gate)
}

fn tcp(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.addresses()[0].tcp().unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn encrypted(
    server: &Server,
    config: &Arc<ClientConfig>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let name = "localhost".try_into().unwrap();
    let session = ClientConnection::new(config.clone(), name).unwrap();
    StreamOwned::new(session, tcp(server))
}
