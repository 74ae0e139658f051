//! Which files the system sends without this process reading them. That is told from what the whole process
//! has written, so this file has one test.
#![cfg(target_os = "linux")]

mod authority;
mod one_file;
mod scratch;
mod wire;

use std::fs;
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;

use authority::Authority;
use one_file::{SIZE, content, site, start};
use oxbridge::Server;
use oxbridge::compression::Compression;
use oxbridge::tls::TlsConfig;
use rustls::{ClientConnection, StreamOwned};
use scratch::ScratchDir;
use wire::{Client, get};

#[test]
fn a_file_is_read_only_where_its_bytes_have_to_be_seen() {
    let files = ScratchDir::new();
    let path = files.write("file", content(SIZE));
    let socket = files.join("socket");
    let address_of_socket = format!("unix:{}", socket.display());
    let authority = Authority::new("a test's");
    let identity = authority.server();
    let tls = TlsConfig::from_pem_bytes(identity.chain, identity.key)
        .build()
        .unwrap();
    let plain = start(site(&path));
    // It lives to the end of the test.
    let _local = start(site(&path).bind(address_of_socket.parse().unwrap()));
    let secret = start(site(&path).tls(tls));
    let coded = start(site(&path).compression(Compression::default()));

    assert_sent("TCP", true, || get(&plain, "/whole").body);
    assert_sent("a Unix socket", true, || {
        let mut client = Client::over(UnixStream::connect(&socket).unwrap());
        client.get("/whole").answer().body
    });
    assert_sent("chunked", true, || get(&plain, "/chunked").body);
    assert_sent("TLS", false, || {
        let config = authority.trusting_client(rustls::ALL_VERSIONS, &["http/1.1"], None);
        let name = "localhost".try_into().unwrap();
        let session = ClientConnection::new(config, name).unwrap();
        let mut client = Client::over(StreamOwned::new(session, connect(address(&secret))));
        client.get("/whole").answer().body
    });
    assert_sent("HTTP/2", false, || over_http_2(address(&plain)));
    assert_sent("compressed", false, || {
        let mut client = Client::of(&coded);
        client.send("GET /text HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
        let answer = client.answer();
        assert_eq!(answer.field("content-encoding"), "gzip");
        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(&answer.body[..])
            .read_to_end(&mut plain)
            .unwrap();
        plain
    });
}

/// Fetches the file, and requires that the system sent it, or that it was read.
fn assert_sent(how: &str, sent: bool, fetch: impl FnOnce() -> Vec<u8>) {
    let before = written();
    let body = fetch();
    let wrote = written() - before;
    assert!(body == content(SIZE), "{how}: {} bytes", body.len());
    // Clients write little, and TLS and HTTP/2 use send(2).
    assert_eq!(wrote > SIZE as u64 / 2, sent, "{how}: {wrote} bytes");
}

fn address(server: &Server) -> SocketAddr {
    server
        .addresses()
        .iter()
        .find_map(|address| address.tcp())
        .unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(wire::PATIENCE)).unwrap();
    stream
}

/// The body of `/whole`.
fn over_http_2(address: SocketAddr) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::get(format!("http://{address}/whole")).body(());
        let (response, _) = send.send_request(request.unwrap(), true).unwrap();
        let mut body = response.await.unwrap().into_body();
        let mut taken = Vec::new();
        while let Some(piece) = body.data().await {
            let piece = piece.unwrap();
            taken.extend_from_slice(&piece);
            body.flow_control().release_capacity(piece.len()).unwrap();
        }
        taken
    })
}

/// What this process has written with `write(2)` and `sendfile(2)`, but not with `send(2)`: see proc(5).
fn written() -> u64 {
    let counts = fs::read_to_string("/proc/self/io").unwrap();
    let line = counts
        .lines()
        .find_map(|line| line.strip_prefix("wchar: "))
        .unwrap();
    line.parse().unwrap()
}
