//! Every row of `tests/data/wire.toml`, sent to a server: its answers, and that it closes after a fault.

mod authority;
mod wire;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use authority::Authority;
use oxbridge::tls::TlsConfig;
use oxbridge::{Body, Request, ResponseWriter, Server, WriteError};
use rustls::{ClientConnection, StreamOwned};
use serde::Deserialize;
use wire::{Client, PATIENCE};

#[test]
fn every_row_sent_at_once_gets_its_answers() {
    let servers = [serve(echo_server()), serve(async_server())];
    require(rows().iter(), |row| {
        for server in &servers {
            let mut client = Client::of(server);
            // A server that has refused already may have closed.
            let _ = client.try_send(row.wire());
            row.expect(&mut client, &[&row.verdict]);
        }
    });
    for server in servers {
        assert_eq!(server.exchanges(), 0, "an exchange is left behind");
    }
}

#[test]
fn every_row_sent_byte_by_byte_gets_its_answers() {
    let servers = [serve(echo_server()), serve(async_server())];
    require(rows().iter().filter(|row| row.fill.is_none()), |row| {
        // A handler that has begun to read a body when its fault comes answers as handlers do; and
        // hyper, which reads along, finds fault with a version before its line is whole.
        let verdicts = if row.in_body || row.verdict == "505" {
            vec![&*row.verdict, "400"]
        } else {
            vec![&*row.verdict]
        };
        for server in &servers {
            let mut client = Client::of(server);
            for byte in row.wire() {
                if client.try_send([byte]).is_err() {
                    break;
                }
            }
            row.expect(&mut client, &verdicts);
        }
    });
}

#[test]
fn rows_get_the_same_answers_through_tls() {
    let authority = Authority::new("the table's");
    let identity = authority.server();
    let tls = TlsConfig::from_pem_bytes(identity.chain, identity.key)
        .build()
        .unwrap();
    let server = serve(echo_server().tls(tls));
    let config = authority.trusting_client(rustls::ALL_VERSIONS, &["http/1.1"], None);
    require(rows().iter().step_by(7), |row| {
        let tcp = TcpStream::connect(server.addresses()[0].tcp().unwrap()).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let tls =
            ClientConnection::new(Arc::clone(&config), "localhost".try_into().unwrap()).unwrap();
        let mut client = Client::over(StreamOwned::new(tls, tcp));
        let _ = client.try_send(row.wire());
        row.expect(&mut client, &[&row.verdict]);
    });
}

/// Tries every row, and fails with the names of those that `check` panics for.
fn require<'a>(rows: impl Iterator<Item = &'a Row>, check: impl Fn(&Row)) {
    let wrong: Vec<&str> = rows
        .filter(|row| catch_unwind(AssertUnwindSafe(|| check(row))).is_err())
        .map(|row| row.name.as_str())
        .collect();
    assert!(
        wrong.is_empty(),
        "rows that went wrong, see above: {wrong:#?}"
    );
}

#[derive(Deserialize)]
struct Table {
    rows: Vec<Row>,
}

/// See the head of the table.
#[derive(Deserialize)]
struct Row {
    name: String,
    bytes: String,
    verdict: String,
    messages: Option<usize>,
    #[serde(default)]
    in_body: bool,
    fill: Option<Fill>,
}

#[derive(Deserialize)]
struct Fill {
    text: String,
    times: usize,
}

impl Row {
    fn wire(&self) -> Vec<u8> {
        let fill = self
            .fill
            .as_ref()
            .map_or(String::new(), |fill| fill.text.repeat(fill.times));
        self.bytes
            .replace('…', &fill)
            .chars()
            .map(|c| u8::try_from(c).unwrap())
            .collect()
    }

    /// Requires the answers to the good messages and then one of `verdicts`.
    fn expect<S: Read + Write + Finish>(&self, client: &mut Client<S>, verdicts: &[&str]) {
        let good = self.messages.unwrap_or(usize::from(self.verdict == "ok"));
        for number in 0..good {
            let answer = client.answer();
            assert!(
                matches!(answer.status, 200 | 301 | 307 | 308 | 404 | 405),
                "{}, message {number}: {answer:?}",
                self.name
            );
            assert!(answer.whole, "{}, message {number}: {answer:?}", self.name);
        }
        if self.verdict != "ok" {
            let answer = client.answer();
            let status = answer.status.to_string();
            assert!(
                verdicts.contains(&status.as_str()),
                "{}: {answer:?}",
                self.name
            );
            if !self.in_body {
                assert_eq!(
                    answer.field("connection"),
                    "close",
                    "{}: {answer:?}",
                    self.name
                );
            }
            assert!(answer.whole, "{}: {answer:?}", self.name);
        } else {
            client.stream.finish();
        }
        let rest = client.rest();
        assert_eq!(
            String::from_utf8_lossy(&rest),
            "",
            "{}: more than the answers",
            self.name
        );
    }
}

/// A stream whose sending side closes alone.
trait Finish {
    fn finish(&mut self);
}

impl Finish for TcpStream {
    fn finish(&mut self) {
        // An HTTP/1.0 connection is closed by the server already.
        let _ = self.shutdown(std::net::Shutdown::Write);
    }
}

impl Finish for StreamOwned<ClientConnection, TcpStream> {
    fn finish(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
    }
}

fn rows() -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/wire.toml");
    let mut rows = toml::from_str::<Table>(&fs::read_to_string(path).unwrap())
        .unwrap()
        .rows;
    // A server looks for HTTP/2 before it shows the connection to the guard.
    rows.retain(|row| row.name != "HTTP/2 preface");
    assert!(rows.len() >= 150, "the table has lost rows: {}", rows.len());
    rows
}

fn serve(builder: oxbridge::Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}

/// Answers every request with the length of its body, read by a handler that blocks.
fn echo_server() -> oxbridge::Builder {
    let mut builder = Server::builder();
    builder.blocking("/", echo).unwrap();
    builder
}

fn echo(w: &mut ResponseWriter, r: &mut Request) -> Result<(), WriteError> {
    match r.body_mut().read_all_blocking() {
        Ok(body) => w.write(body.len().to_string().as_bytes()),
        Err(e) => {
            w.refuse(e.status());
            Ok(())
        }
    }
}

/// The same by an async handler, for which no body is read ahead.
fn async_server() -> oxbridge::Builder {
    let mut builder = Server::builder();
    builder
        .route("/", |mut request: Request| async move {
            let mut response = http::Response::new(Body::empty());
            match request.body_mut().read_all().await {
                Ok(body) => *response.body_mut() = body.len().to_string().into(),
                Err(e) => *response.status_mut() = e.status(),
            }
            response
        })
        .unwrap();
    builder
}
