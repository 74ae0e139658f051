//! Who the client is behind proxies: every row of `tests/data/forwarded.toml`, and who is believed.

mod scratch;
mod wire;

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;

use oxbridge::forwarded::Trust;
use oxbridge::listen::PeerAddr;
use oxbridge::{Connection, Request, Server};
use scratch::ScratchDir;
use serde::Deserialize;
use wire::Client;

#[test]
fn every_row_gives_the_client_and_the_scheme_that_it_says() {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/forwarded.toml");
    let table: Table = toml::from_str(&fs::read_to_string(table).unwrap()).unwrap();
    assert!(table.rows.len() > 50, "{}", table.rows.len());
    let mut wrong = Vec::new();
    for row in &table.rows {
        let server = serve(&row.trust);
        let mut client = Client::of(&server);
        let me = client.stream.local_addr().unwrap().to_string();
        let fields: String = row.fields.iter().map(|f| format!("{f}\r\n")).collect();
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        let answer = client.answer();
        let expected = (row.client.clone().unwrap_or(me), row.scheme.clone());
        let got = answer.text().split_once(' ').unwrap();
        if (got.0, got.1) != (&expected.0, &expected.1) {
            wrong.push(format!("{}: {got:?} instead of {expected:?}", row.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[derive(Deserialize)]
struct Table {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    #[serde(default = "loopback")]
    trust: String,
    fields: Vec<String>,
    /// Absent: the peer, untouched.
    client: Option<String>,
    #[serde(default = "http")]
    scheme: String,
}

fn loopback() -> String {
    "127.0.0.1, 10.0.0.0/8, 2001:db8:ffff::/48".to_owned()
}

fn http() -> String {
    "http".to_owned()
}

#[test]
fn a_peer_on_a_unix_socket_is_trusted_by_its_word_or_by_the_star() {
    let directory = ScratchDir::new();
    for (n, (trust, expected)) in [
        ("unix", "192.0.2.1:0 https"),
        ("unix:, 10.0.0.0/8", "192.0.2.1:0 https"),
        ("*", "192.0.2.1:0 https"),
        ("127.0.0.1", "unix: http"),
        ("", "unix: http"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = directory.join(&format!("s{n}"));
        let _server = builder()
            .trust_forwarded(Trust::parse(trust).unwrap())
            .bind(format!("unix:{}", path.display()).parse().unwrap())
            .start()
            .unwrap();
        let mut client = Client::over(UnixStream::connect(&path).unwrap());
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\r\n");
        assert_eq!(client.answer().text(), expected, "{trust:?}");
    }
}

#[test]
fn without_trust_nothing_is_read() {
    let server = builder()
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    let mut client = Client::of(&server);
    let me = client.stream.local_addr().unwrap();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1;proto=https\r\nX-Forwarded-Proto: https\r\n\r\n");
    assert_eq!(client.answer().text(), format!("{me} http"));
}

#[test]
fn peer_stays_the_sockets_and_services_are_told_too() {
    let mut builder = Server::builder();
    builder
        .route("/peer", |r: Request| async move { r.peer().to_string() })
        .unwrap();
    let service = tower::service_fn(|request: http::Request<_>| async move {
        let _: &oxbridge::RequestBody = request.body();
        let connection = request.extensions().get::<Connection>().unwrap();
        let text = format!(
            "{} {} {}",
            connection.peer(),
            connection.client(),
            connection.scheme()
        );
        Ok::<_, std::convert::Infallible>(http::Response::new(oxbridge::Body::from(text)))
    });
    builder.service("/service", service).unwrap();
    let server = builder
        .trust_forwarded(Trust::everyone())
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    let mut client = Client::of(&server);
    let me = client.stream.local_addr().unwrap();
    let fields = "Host: a\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n";
    client.send(format!("GET /peer HTTP/1.1\r\n{fields}"));
    assert_eq!(client.answer().text(), me.to_string());
    client.send(format!("GET /service HTTP/1.1\r\n{fields}"));
    assert_eq!(client.answer().text(), format!("{me} 192.0.2.7:0 https"));
}

#[test]
fn trust_is_read_strictly() {
    for (text, written) in [
        ("", ""),
        (" , ,", ""),
        ("*", "*"),
        ("127.0.0.1,*", "*"),
        ("127.0.0.1", "127.0.0.1"),
        (" 10.0.0.0/8 ,unix, ::1 ", "10.0.0.0/8,::1,unix"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1/32", "192.0.2.1"),
        ("2001:db8::/32", "2001:db8::/32"),
    ] {
        let trust = Trust::parse(text).unwrap();
        assert_eq!(trust.to_string(), written, "{text:?}");
        assert_eq!(trust.to_string().parse(), Ok(trust), "{text:?}");
    }
    for (text, error) in [
        (
            "localhost",
            "\"localhost\" is no address that can be trusted; wanted \"*\", \"unix\", an IP address or a network like 10.0.0.0/8",
        ),
        (
            "127.0.0.1, 10.0.0.1/8",
            "\"10.0.0.1/8\" is an address within its network; wanted the network 10.0.0.0/8",
        ),
        (
            "10.0.0.0/33",
            "\"10.0.0.0/33\" has no good prefix length; wanted 0 to 32",
        ),
        (
            "::/129",
            "\"::/129\" has no good prefix length; wanted 0 to 128",
        ),
        (
            "::/+1",
            "\"::/+1\" has no good prefix length; wanted 0 to 128",
        ),
        (
            "1.2.3.0/",
            "\"1.2.3.0/\" has no good prefix length; wanted 0 to 32",
        ),
    ] {
        assert_eq!(Trust::parse(text).unwrap_err().to_string(), error);
    }
    for text in [
        "[::1]",
        "127.0.0.1:80",
        "127.1",
        "fe80::1%eth0",
        "10.0.0.0/255.0.0.0",
        "/8",
    ] {
        Trust::parse(text).unwrap_err();
    }
}

#[test]
fn networks_cover_what_is_in_them() {
    for (trust, covered, not) in [
        ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
        ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("::/0", "2001:db8::1", "127.0.0.1"),
        ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
    ] {
        let trust = Trust::parse(trust).unwrap();
        assert!(
            trust.covers_ip(covered.parse().unwrap()),
            "{trust} {covered}"
        );
        assert!(!trust.covers_ip(not.parse().unwrap()), "{trust} {not}");
        assert!(!trust.covers(&PeerAddr::Unix(None)));
    }
}

fn builder() -> oxbridge::Builder {
    let mut builder = Server::builder();
    builder
        .route("/", |r: Request| async move {
            format!("{} {}", r.client(), r.scheme())
        })
        .unwrap();
    builder
}

fn serve(trust: &str) -> Server {
    builder()
        .trust_forwarded(Trust::parse(trust).unwrap())
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
