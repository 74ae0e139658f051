//! Compressed responses: who gets them, what their heads say, and how they stream.

mod wire;

use std::io::Read;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, ETAG, HeaderName};
use http::{HeaderValue, Response};
use oxbridge::compression::Algorithm;
use oxbridge::{Body, Builder, Compression, Limits, Request, Server, WriteError};
use serde::Deserialize;
use wire::{Answer, Client, PATIENCE};

const TEXT: &str = "to be or not to be, that is the question\n";

/// A text of `bytes` bytes that compresses well.
fn text(bytes: usize) -> String {
    TEXT.chars().cycle().take(bytes).collect()
}

/// Bytes that do not compress.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

fn decode(coding: &str, coded: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match coding {
        "gzip" => flate2::read::GzDecoder::new(coded).read_to_end(&mut plain),
        "br" => brotli::Decompressor::new(coded, 4096).read_to_end(&mut plain),
        "zstd" => zstd::stream::read::Decoder::new(coded)
            .unwrap()
            .read_to_end(&mut plain),
        "" => return coded.to_vec(),
        other => panic!("the coding {other:?}"),
    }
    .unwrap();
    plain
}

fn serve(builder: Builder, compression: Compression) -> Server {
    builder
        .compression(compression)
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}

fn ask(server: &Server, method: &str, target: &str, accept: &str) -> Answer {
    let mut client = Client::of(server);
    client.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {accept}\r\n\r\n"
    ));
    let mut answer = client.head();
    if method != "HEAD" {
        client.body(&mut answer);
        assert!(answer.whole, "{answer:?}");
    }
    answer
}

#[test]
fn the_client_chooses_the_coding() {
    #[derive(Deserialize)]
    struct Row {
        accept: String,
        coding: String,
    }
    #[derive(Deserialize)]
    struct Table {
        rows: Vec<Row>,
    }
    let mut builder = Server::builder();
    builder
        .route("/small", |_: Request| async { text(4_000) })
        .unwrap();
    builder
        .blocking("/large", |w, _| w.write(text(100_000).as_bytes()))
        .unwrap();
    builder
        .route("/whole", |_: Request| async { text(100_000) })
        .unwrap();
    let server = serve(builder, Compression::default());
    let table: Table = toml::from_str(include_str!("data/accept_encoding.toml")).unwrap();
    for Row { accept, coding } in table.rows {
        for (target, size) in [("/small", 4_000), ("/large", 100_000), ("/whole", 100_000)] {
            let answer = ask(&server, "GET", target, &accept);
            let what = format!("{accept:?} at {target}");
            assert_eq!(answer.field("content-encoding"), coding, "{what}");
            assert_eq!(answer.field("vary"), "Accept-Encoding", "{what}");
            assert_eq!(
                decode(&coding, &answer.body),
                text(size).as_bytes(),
                "{what}"
            );
            assert_eq!(answer.body.len() < size / 4, !coding.is_empty(), "{what}");

            let head = ask(&server, "HEAD", target, &accept);
            assert_eq!(head.field("content-encoding"), coding, "HEAD, {what}");
            assert_eq!(head.field("vary"), "Accept-Encoding", "HEAD, {what}");
            let length = head.field("content-length");
            assert!(
                length.is_empty() || length == answer.field("content-length") || coding.is_empty(),
                "HEAD, {what}: {head:?} but {answer:?}"
            );
        }
    }
    // Without the field too, the answer varies.
    let mut client = Client::of(&server);
    let answer = client.get("/small").answer();
    assert!(!answer.has("content-encoding"));
    assert_eq!(answer.field("vary"), "Accept-Encoding");
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    fields: Vec<(String, String)>,
    coded: bool,
    vary: String,
    #[serde(default)]
    etag: String,
}

fn ok() -> u16 {
    200
}

#[test]
fn the_response_says_whether_it_may_be_coded() {
    #[derive(Deserialize)]
    struct Table {
        rows: Vec<Kind>,
    }
    let table: Table = toml::from_str(include_str!("data/compressible.toml")).unwrap();
    for row in table.rows {
        let (kind, fields, status) = (row.kind.clone(), row.fields.clone(), row.status);
        let mut builder = Server::builder();
        builder
            .route("/", move |_: Request| {
                let mut response = Response::new(Body::from(text(4_000)));
                *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, kind.parse().unwrap());
                for (name, value) in &fields {
                    headers.append(
                        name.parse::<HeaderName>().unwrap(),
                        value.parse::<HeaderValue>().unwrap(),
                    );
                }
                async { response }
            })
            .unwrap();
        let server = serve(builder, Compression::default());
        let what = format!("{} {:?}", row.kind, row.fields);
        let answer = ask(&server, "GET", "/", "gzip");
        let coding = if row.coded { "gzip" } else { "" };
        assert_eq!(answer.field("content-encoding"), coding, "{what}");
        assert_eq!(answer.field("vary"), row.vary, "{what}");
        assert_eq!(answer.field("etag"), row.etag, "{what}");
        assert!(!(row.coded && answer.has("accept-ranges")), "{what}");
        assert_eq!(
            decode(coding, &answer.body),
            text(4_000).as_bytes(),
            "{what}"
        );
    }
}

#[test]
fn sizes_bound_what_is_coded() {
    let mut builder = Server::builder();
    builder
        .blocking("/{size}", |w, r| {
            let size = r.path_value("size").unwrap().parse().unwrap();
            w.headers_mut()?
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            w.write(text(size).as_bytes())
        })
        .unwrap();
    let server = serve(
        builder,
        Compression {
            algorithms: vec![Algorithm::Gzip],
            min_size: 100,
            ..Compression::default()
        },
    );
    for (target, accept, coding) in [
        ("/99", "gzip", ""),
        ("/100", "gzip", "gzip"),
        ("/0", "gzip", ""),
        // A client that refuses what is not coded gets it coded.
        ("/1", "identity;q=0, gzip", "gzip"),
        ("/100", "br, zstd", ""),
    ] {
        let answer = ask(&server, "GET", target, accept);
        assert_eq!(
            answer.field("content-encoding"),
            coding,
            "{target} {accept}"
        );
        let head = ask(&server, "HEAD", target, accept);
        if target != "/0" {
            assert_eq!(head.field("content-encoding"), coding, "{target} {accept}");
        }
    }
}

#[test]
fn a_copy_of_the_coded_form_is_revalidated() {
    let mut builder = Server::builder();
    builder
        .blocking("/", |w, _| {
            w.headers_mut()?
                .insert(ETAG, HeaderValue::from_static("\"a\""));
            w.set_status(304)
        })
        .unwrap();
    let server = serve(builder, Compression::default());
    for (held, etag) in [
        ("W/\"a\"", "W/\"a\""),
        ("\"a\"", "\"a\""),
        ("\"b\", W/\"a\"", "W/\"a\""),
        ("*", "\"a\""),
    ] {
        let mut client = Client::of(&server);
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nIf-None-Match: {held}\r\n\r\n"
        ));
        let answer = client.answer();
        assert_eq!(answer.status, 304);
        assert_eq!(answer.field("etag"), etag, "{held}");
        assert_eq!(answer.field("vary"), "Accept-Encoding");
        assert!(!answer.has("content-encoding"));
    }
}

/// Bytes of a chunked body as they come.
struct Arriving<'a>(&'a mut Client<std::net::TcpStream>, Vec<u8>);

impl Read for Arriving<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.1.is_empty() {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.extend(self.0.take(1));
            }
            let line = std::str::from_utf8(&line).unwrap().trim_end();
            let size = usize::from_str_radix(line, 16).unwrap();
            self.1 = self.0.take(size);
            assert_eq!(self.0.take(2), b"\r\n");
        }
        let taken = buffer.len().min(self.1.len());
        buffer[..taken].copy_from_slice(&self.1[..taken]);
        self.1.drain(..taken);
        Ok(taken)
    }
}

#[test]
fn what_the_handler_flushes_can_be_decoded_at_once() {
    for coding in ["gzip", "br", "zstd"] {
        let (go, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let mut builder = Server::builder();
        builder
            .blocking("/", move |w, _| {
                let gate = gate.lock().unwrap();
                for piece in ["first\n", "second\n", "third\n"] {
                    w.write(piece.as_bytes())?;
                    w.flush()?;
                    gate.recv_timeout(PATIENCE).unwrap();
                }
                Ok(())
            })
            .unwrap();
        let server = serve(builder, Compression::default());
        let mut client = Client::of(&server);
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n"
        ));
        assert_eq!(client.head().field("content-encoding"), coding);
        let arriving = Arriving(&mut client, Vec::new());
        let mut decoder: Box<dyn Read> = match coding {
            "gzip" => Box::new(flate2::read::GzDecoder::new(arriving)),
            "br" => Box::new(brotli::Decompressor::new(arriving, 4096)),
            _ => Box::new(zstd::stream::read::Decoder::new(arriving).unwrap()),
        };
        for piece in ["first\n", "second\n", "third\n"] {
            let mut got = vec![0; piece.len()];
            // Waits for ever, and so fails by the client's timeout, if the piece is held back.
            decoder.read_exact(&mut got).unwrap();
            assert_eq!(got, piece.as_bytes(), "{coding}");
            go.send(()).unwrap();
        }
        let mut rest = Vec::new();
        decoder.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "{coding}");
    }
}

/// How many bytes a handler wrote, and what the last write said.
type Outcome = (u64, Result<(), WriteError>);

/// A handler that writes `SIZE` bytes of noise as text, and how it fared.
fn noisy(limits: Limits) -> (Server, mpsc::Receiver<Outcome>) {
    let (outcomes, outcome) = mpsc::channel();
    let piece = noise(1 << 20);
    let mut builder = Server::builder();
    builder
        .blocking("/", move |w, _| {
            w.headers_mut()?
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            let mut result = Ok(());
            for _ in 0..SIZE >> 20 {
                result = w.write(&piece);
                if result.is_err() {
                    break;
                }
            }
            outcomes.send((w.written(), result)).unwrap();
            Ok(())
        })
        .unwrap();
    (
        serve(builder.limits(limits), Compression::default()),
        outcome,
    )
}

const SIZE: u64 = 256 << 20;

#[test]
fn a_slow_client_holds_the_handler_up() {
    let limits = Limits {
        write_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let (server, outcome) = noisy(limits);
    let mut client = Client::of(&server);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_eq!(client.head().field("content-encoding"), "gzip");
    // It reads no further; a handler that were not held up would write all.
    let (written, result) = outcome.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(result, Err(WriteError::ClientGone)), "{result:?}");
    assert!(written < SIZE, "{written}");
}

#[test]
fn a_client_that_goes_ends_the_handler() {
    let (server, outcome) = noisy(Limits::default());
    let mut client = Client::of(&server);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: zstd\r\n\r\n");
    assert_eq!(client.head().field("content-encoding"), "zstd");
    drop(client);
    let (written, result) = outcome.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(result, Err(WriteError::ClientGone)), "{result:?}");
    assert!(written < SIZE, "{written}");
}

#[test]
fn a_response_that_is_given_up_is_not_whole() {
    let mut builder = Server::builder();
    builder
        .blocking("/", |w, _| {
            w.write(text(100_000).as_bytes())?;
            w.flush()?;
            w.abort();
            Ok(())
        })
        .unwrap();
    let server = serve(builder, Compression::default());
    for coding in ["gzip", "br", "zstd"] {
        let mut client = Client::of(&server);
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n"
        ));
        assert!(!client.answer().whole, "{coding}");
    }
}

#[test]
fn events_are_coded_when_asked_for() {
    for (event_streams, coding) in [(false, ""), (true, "gzip")] {
        let mut builder = Server::builder();
        builder
            .blocking("/", |w, _| {
                let kind = HeaderValue::from_static("text/event-stream");
                w.headers_mut()?.insert(CONTENT_TYPE, kind);
                w.write(b"data: a\n\n")?;
                w.flush()
            })
            .unwrap();
        let server = serve(
            builder,
            Compression {
                event_streams,
                ..Compression::default()
            },
        );
        let answer = ask(&server, "GET", "/", "gzip");
        assert_eq!(answer.field("content-encoding"), coding);
        assert_eq!(decode(coding, &answer.body), b"data: a\n\n");
    }
}
