//! Connections that begin with a PROXY header: whose they are then, and which are closed.

mod authority;
mod gate;
mod scratch;
mod wire;

use std::io::Write;
use std::net::{Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use authority::Authority;
use gate::eventually;
use oxbridge::forwarded::Trust;
use oxbridge::log::{Sink, forward};
use oxbridge::tls::TlsConfig;
use oxbridge::{Builder, Limits, Request, Server};
use rustls::{ClientConnection, StreamOwned};
use scratch::ScratchDir;
use tracing::Level;
use wire::{Client, PATIENCE};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_header_of_version_1_names_the_client() {
    let server = serve(builder());
    for (line, client) in [
        (
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443",
            Some("192.0.2.1:56324"),
        ),
        ("PROXY TCP4 0.0.0.0 0.0.0.0 0 65535", Some("0.0.0.0:0")),
        (
            "PROXY TCP6 2001:db8::1 2001:db8::2 56324 443",
            Some("[2001:db8::1]:56324"),
        ),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2", Some("192.0.2.1:1")),
        // The longest there is: 107 bytes with its end.
        (
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            None,
        ),
        ("PROXY UNKNOWN", None),
        ("PROXY UNKNOWN whatever it says", None),
    ] {
        names(&server, format!("{line}\r\n").as_bytes(), client);
    }
}

#[test]
fn a_header_of_version_2_names_the_client() {
    let server = serve(builder());
    let v4 = v4_addresses();
    let mut v6 = [[0x20; 16], [0; 16]].concat();
    v6.extend([0x12, 0x34, 0, 80]);
    let mapped = [
        Ipv6Addr::from_bits(0xffff_c000_0201).octets().as_slice(),
        &[0; 16],
        &[0, 9, 0, 80],
    ]
    .concat();
    let v6_client = format!("[{}]:4660", Ipv6Addr::from([0x20; 16]));
    let mut unix = [0; 216];
    unix[..6].copy_from_slice(b"/run/a");
    let extension = [&v4[..], &[0xe0, 0, 3, 1, 2, 3, 0x04, 0, 0]].concat();
    for (command, family, rest, client) in [
        (0x21, 0x11, &v4[..], Some("192.0.2.1:4660")),
        (0x21, 0x21, &v6, Some(&*v6_client)),
        (0x21, 0x21, &mapped, Some("192.0.2.1:9")),
        (0x21, 0x31, &unix, Some("unix:/run/a")),
        (0x21, 0x31, &[0; 216], Some("unix:")),
        // Extensions are skipped.
        (0x21, 0x11, &extension, Some("192.0.2.1:4660")),
        (
            0x21,
            0x11,
            &[&v4[..], &[0xe0, 0x0f, 0xf1], &[7; 4081]].concat(),
            Some("192.0.2.1:4660"),
        ),
        // LOCAL, and addresses that are not said.
        (0x20, 0x00, &[], None),
        (0x20, 0x11, &v4, None),
        (0x21, 0x00, &[], None),
        (0x21, 0x00, &[0xe0, 0, 1, 7], None),
    ] {
        names(&server, &v2(command, family, rest), client);
    }
}

#[test]
fn a_checksum_is_verified() {
    let server = serve(builder());
    let plain = [
        &v4_addresses()[..],
        &[0x03, 0, 4, 0, 0, 0, 0, 0xe0, 0, 1, 7],
    ]
    .concat();
    let header = v2(0x21, 0x11, &plain);
    let sum = crc32c(&header).to_be_bytes();
    let mut good = header.clone();
    let at = 16 + 12 + 3;
    good[at..at + 4].copy_from_slice(&sum);
    names(&server, &good, Some("192.0.2.1:4660"));
    for changed in [17, at, good.len() - 1] {
        let mut bad = good.clone();
        bad[changed] ^= 1;
        refused(&server, &bad, "its checksum is wrong");
    }
    let short = [&v4_addresses()[..], &[0x03, 0, 2, 0, 0]].concat();
    refused(
        &server,
        &v2(0x21, 0x11, &short),
        "its checksum is not of 4 bytes",
    );
    let mut twice = [
        &v4_addresses()[..],
        &[3, 0, 4, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0],
    ]
    .concat();
    let sum = crc32c_without(&v2(0x21, 0x11, &twice), at..at + 4).to_be_bytes();
    twice[15..19].copy_from_slice(&sum);
    refused(&server, &v2(0x21, 0x11, &twice), "it has two checksums");
}

#[test]
fn what_is_no_header_closes_the_connection_and_the_log_says_why() {
    let server = serve(builder());
    let none = "it does not begin with one";
    let field = "its line";
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
    assert_eq!(long.len(), 108);
    let cases: &[(&[u8], &str)] = &[
        (GET.as_bytes(), none),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00", none),
        (b"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", none),
        (b"PROXX", none),
        (b"\r\n\r\n\0\r\nQUIT\r", none),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", field),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", field),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", field),
        (b"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", field),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", field),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", field),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", field),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", field),
        (b"PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n", field),
        (b"PROXY TCP4 ::1 ::2 1 2\r\n", field),
        (b"PROXY TCP4 192.0.2.1 ::2 1 2\r\n", field),
        (b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", field),
        (b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", "its protocol"),
        (b"PROXY UNKNOWNS\r\n", field),
        (b"PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n", field),
        (
            b"PROXY \xff\xff\xff\xff\xff\xff\xff\xff\r\n",
            "its line is not ASCII",
        ),
        (long.as_bytes(), "its line is longer than 107 bytes"),
        (&v2(0x11, 0x11, &v4_addresses()), "its version"),
        (&v2(0x22, 0x11, &v4_addresses()), "its command"),
        (&v2(0x21, 0x12, &v4_addresses()), "it is about datagrams"),
        (&v2(0x21, 0x41, &v4_addresses()), "its family"),
        (&v2(0x21, 0x10, &v4_addresses()), "its family"),
        (&v2(0x21, 0x01, &v4_addresses()), "its family"),
        (
            &v2(0x21, 0x11, &v4_addresses()[..11]),
            "it is too short for its addresses",
        ),
        (
            &v2(0x21, 0x21, &[0; 35]),
            "it is too short for its addresses",
        ),
        (
            &v2(0x21, 0x31, &[0; 215]),
            "it is too short for its addresses",
        ),
        (
            &v2(0x21, 0x11, &[&v4_addresses()[..], &[1]].concat()),
            "an extension is longer",
        ),
        (
            &v2(0x21, 0x11, &[&v4_addresses()[..], &[1, 0, 1]].concat()),
            "an extension is longer",
        ),
        (
            &v2(
                0x21,
                0x11,
                &[&v4_addresses()[..], &[1, 0xff, 0xff, 1]].concat(),
            ),
            "an extension is longer",
        ),
        (&v2(0x21, 0x11, &[0; 4097]), "it is longer than 4096 bytes"),
    ];
    for (header, why) in cases {
        refused(&server, header, why);
    }
}

#[test]
fn a_header_that_ends_early_closes_the_connection() {
    let server = serve(builder());
    let lengths = [1, 5, 6, 11, 12, 13, 20, 40];
    for header in [
        b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".to_vec(),
        v2(0x21, 0x21, &[0; 40]),
    ] {
        for length in lengths {
            let mut client = Client::of(&server);
            let me = client.stream.local_addr().unwrap();
            client.send(&header[..length]);
            client.finish();
            client.assert_end();
            logged(me, "it ends within the header");
        }
    }
}

#[test]
fn a_header_may_come_in_pieces_and_with_what_follows() {
    let server = serve(builder());
    for header in [
        b"PROXY TCP4 192.0.2.1 198.51.100.1 4660 443\r\n".to_vec(),
        v2(
            0x21,
            0x11,
            &[&v4_addresses()[..], &[0xe0, 0, 1, b'\n']].concat(),
        ),
    ] {
        let mut client = Client::of(&server);
        for byte in header.iter().chain(GET.as_bytes()) {
            client.send([*byte]);
        }
        assert_eq!(client.answer().text(), "192.0.2.1:4660 http");
        // The address holds for every request of the connection; a second header is none.
        client.send(GET);
        assert_eq!(client.answer().text(), "192.0.2.1:4660 http");
        client.send(&header);
        assert_eq!(client.answer().status, 400);
        client.assert_end();
    }
}

#[test]
fn the_header_comes_before_tls() {
    let authority = Authority::new("a test's");
    let identity = authority.server();
    let tls = TlsConfig::from_pem_bytes(identity.chain, identity.key);
    let server = serve(builder().tls(tls.build().unwrap()));
    let config = authority.trusting_client(rustls::ALL_VERSIONS, &["http/1.1"], None);
    for header in [
        b"PROXY TCP4 192.0.2.1 198.51.100.1 4660 443\r\n".to_vec(),
        v2(0x21, 0x11, &v4_addresses()),
    ] {
        let mut tcp = TcpStream::connect(address(&server)).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.write_all(&header).unwrap();
        let name = "localhost".try_into().unwrap();
        let session = ClientConnection::new(config.clone(), name).unwrap();
        let mut client = Client::over(StreamOwned::new(session, tcp));
        client.send(GET);
        assert_eq!(client.answer().text(), "192.0.2.1:4660 https");
    }
}

#[test]
fn http_2_and_unix_sockets_have_it_too() {
    let directory = ScratchDir::new();
    let path = directory.join("s");
    let server = builder()
        .bind(format!("unix:{}", path.display()).parse().unwrap())
        .start()
        .unwrap();
    for header in [
        b"PROXY TCP4 192.0.2.1 198.51.100.1 4660 443\r\n".to_vec(),
        v2(0x21, 0x11, &v4_addresses()),
    ] {
        let mut client = Client::over(UnixStream::connect(&path).unwrap());
        client.send([&header, GET.as_bytes()].concat());
        assert_eq!(client.answer().text(), "192.0.2.1:4660 http");

        // HTTP/2 by prior knowledge: its preface is found behind the header.
        let mut client = Client::over(UnixStream::connect(&path).unwrap());
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        client.send([&header, &preface[..]].concat());
        // A SETTINGS frame.
        assert_eq!(client.take(9)[3], 4);
    }
    drop(server);
}

#[test]
fn only_those_who_may_are_listened_to() {
    let from = |text: &str| builder().proxy_protocol_from(Trust::parse(text).unwrap());
    let header = b"PROXY TCP4 192.0.2.1 198.51.100.1 4660 443\r\n";
    names(&serve(from("127.0.0.0/8")), header, Some("192.0.2.1:4660"));
    refused(&serve(from("10.0.0.0/8")), header, "it is none of those");
    refused(&serve(from("unix")), header, "it is none of those");
}

#[test]
fn the_address_that_it_names_is_the_one_to_trust() {
    let fields = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
    for (trust, client) in [
        ("192.0.2.1", "203.0.113.9:0 http"),
        ("127.0.0.1", "192.0.2.1:4660 http"),
    ] {
        let server = serve(builder().trust_forwarded(Trust::parse(trust).unwrap()));
        let mut wire = Client::of(&server);
        wire.send(format!(
            "PROXY TCP4 192.0.2.1 198.51.100.1 4660 443\r\n{fields}"
        ));
        assert_eq!(wire.answer().text(), client, "{trust}");
    }
}

#[test]
fn a_header_that_does_not_come_is_not_waited_for() {
    let server = serve(builder().limits(Limits {
        header_timeout: Duration::from_millis(50),
        ..Limits::default()
    }));
    for sent in [
        &b""[..],
        b"PROXY TCP4 192.0.2.1 ",
        &v2(0x21, 0x11, &[])[..14],
    ] {
        let mut client = Client::of(&server);
        client.send(sent);
        client.assert_end();
    }
}

#[test]
fn a_server_that_stops_does_not_wait_for_headers() {
    let server = serve(builder());
    let mut client = Client::of(&server);
    client.send("PROXY ");
    eventually("the connection is open", || server.connections() == 1);
    let began = Instant::now();
    assert!(server.stop(PATIENCE));
    assert!(began.elapsed() < PATIENCE / 2);
    client.assert_end();
}

/// Requires that a connection that begins with `header` is that of `client`; none: its own.
fn names(server: &Server, header: &[u8], client: Option<&str>) {
    let mut wire = Client::of(server);
    let me = wire.stream.local_addr().unwrap().to_string();
    wire.send([header, GET.as_bytes()].concat());
    let answer = wire.answer();
    let expected = format!("{} http", client.unwrap_or(&me));
    assert_eq!(answer.text(), expected, "{}", header.escape_ascii());
}

/// Requires that a connection that begins with `header` is closed, and that the log names it.
fn refused(server: &Server, header: &[u8], why: &str) {
    let mut client = Client::of(server);
    let me = client.stream.local_addr().unwrap();
    client.send(header);
    client.assert_end();
    logged(me, why);
}

fn logged(peer: SocketAddr, why: &str) {
    let peer = format!("peer={peer}");
    eventually(&format!("a warning of {peer}: {why}"), || {
        let lines = notebook().0.lock().unwrap();
        lines
            .iter()
            .any(|line| line.starts_with("WARN") && line.contains(&peer) && line.contains(why))
    });
}

/// What the server logs, of all tests of this file.
#[derive(Clone, Default)]
struct Notebook(Arc<Mutex<Vec<String>>>);

impl Sink for Notebook {
    fn wants(&self, level: Level) -> bool {
        level <= Level::WARN
    }

    fn line(&self, level: Level, text: &str) {
        self.0.lock().unwrap().push(format!("{level} {text}"));
    }
}

fn notebook() -> &'static Notebook {
    static NOTEBOOK: OnceLock<Notebook> = OnceLock::new();
    NOTEBOOK.get_or_init(|| {
        let notebook = Notebook::default();
        assert!(forward(notebook.clone()));
        notebook
    })
}

fn v4_addresses() -> [u8; 12] {
    [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x34, 1, 187]
}

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    header.extend(rest);
    header
}

/// CRC-32C by its polynomial, the slow way round: bits reversed, most significant first.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        for bit in 0..8 {
            let one = (byte >> bit) & 1 == 1;
            let top = crc >> 31 == 1;
            crc <<= 1;
            if one != top {
                crc ^= 0x1edc_6f41;
            }
        }
    }
    !crc.reverse_bits()
}

fn crc32c_without(bytes: &[u8], blank: std::ops::Range<usize>) -> u32 {
    let mut bytes = bytes.to_vec();
    bytes[blank].fill(0);
    crc32c(&bytes)
}

fn builder() -> Builder {
    notebook();
    let mut builder = Server::builder();
    builder
        .route("/", |r: Request| async move {
            format!("{} {}", r.client(), r.scheme())
        })
        .unwrap();
    builder.proxy_protocol(true)
}

fn serve(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}

fn address(server: &Server) -> SocketAddr {
    server.addresses()[0].tcp().unwrap()
}
