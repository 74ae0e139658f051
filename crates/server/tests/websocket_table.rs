//! Every row of `tests/data/websocket.toml`, said to a server on a connection of its own.

mod socket;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use oxbridge::websocket::{Accept, Event, Message, Options};
use oxbridge::{Exchange, Server};
use serde::Deserialize;
use socket::{Frame, Socket, frame};
use wire::{Client, PATIENCE};

#[derive(Deserialize)]
struct Table {
    rows: Vec<Row>,
    handshakes: Vec<Handshake>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    send: Vec<String>,
    expect: Vec<String>,
    #[serde(default = "normal")]
    closed: u16,
    reason: Option<String>,
    chop: Option<usize>,
    #[serde(default)]
    query: String,
    offer: Option<String>,
    answer: Option<String>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Handshake {
    name: String,
    bytes: String,
    status: u16,
    #[serde(default)]
    fields: std::collections::BTreeMap<String, String>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

fn normal() -> u16 {
    1000
}

fn table() -> Table {
    toml::from_str(include_str!("data/websocket.toml")).unwrap()
}

#[test]
fn every_row_is_answered_as_it_says() {
    let table = table();
    assert!(table.rows.len() > 250);
    let (server, closed) = serve();
    let failed = failures(table.rows.iter().map(|row| row.name.as_str()), |place| {
        while closed.try_recv().is_ok() {}
        run(&table.rows[place], &server, &closed);
    });
    assert!(failed.is_empty(), "{} rows: {failed:#?}", failed.len());
}

#[test]
fn every_handshake_is_answered_as_it_says() {
    let table = table();
    let (server, _closed) = serve();
    let failed = failures(
        table.handshakes.iter().map(|row| row.name.as_str()),
        |place| {
            let row = &table.handshakes[place];
            let mut client = Client::of(&server);
            client.send(&row.bytes);
            let answer = client.head();
            assert_eq!(answer.status, row.status, "{answer:?}");
            for (name, value) in &row.fields {
                assert_eq!(answer.field(name), value, "{answer:?}");
            }
            if row.status == 101 {
                assert!(!answer.has("content-length") && !answer.has("transfer-encoding"));
                client.send(frame(0x88, &[]));
                assert_eq!(client.rest(), [0x88, 0]);
            }
        },
    );
    assert!(failed.is_empty(), "{} rows: {failed:#?}", failed.len());
}

/// Runs the rows; gives the names of those that fail.
fn failures<'a>(names: impl Iterator<Item = &'a str>, run: impl Fn(usize)) -> Vec<&'a str> {
    names
        .enumerate()
        .filter(|&(place, _)| catch_unwind(AssertUnwindSafe(|| run(place))).is_err())
        .map(|(_, name)| name)
        .collect()
}

fn run(row: &Row, server: &Server, closed: &Receiver<(u16, String)>) {
    let fields = match &row.offer {
        Some(offer) => format!("Sec-WebSocket-Extensions: {offer}\r\n"),
        None => String::new(),
    };
    let mut socket = Socket::open(server, &format!("/echo?{}", row.query), &fields);
    let answer = row.answer.as_deref().unwrap_or("");
    assert_eq!(socket.answer.field("sec-websocket-extensions"), answer);
    let mut packer = Packer::new(answer);
    let mut unpacker = Unpacker::new(answer);
    let mut expected = row.expect.iter();
    let mut last = 0;
    for write in &row.send {
        if write == "await" {
            last = expect(&mut socket, &mut unpacker, expected.next().unwrap());
            continue;
        }
        let bytes: Vec<u8> = write
            .split("; ")
            .flat_map(|words| packer.bytes(words))
            .collect();
        for piece in bytes.chunks(row.chop.unwrap_or(usize::MAX)) {
            // The server may have closed after a fault in the first of them.
            let _ = socket.client.try_send(piece);
        }
    }
    for words in expected {
        last = expect(&mut socket, &mut unpacker, words);
    }
    if last != 0x88 {
        socket.close(1000).expect_close(1000);
    }
    socket.client.assert_end();
    let (code, reason) = closed.recv_timeout(PATIENCE).unwrap();
    assert_eq!(code, row.closed, "{reason:?}");
    if let Some(expected) = &row.reason {
        assert_eq!(&reason, expected);
    }
}

fn expect(socket: &mut Socket, unpacker: &mut Unpacker, words: &str) -> u8 {
    let (first, payload) = unpacker.open(socket.frame());
    let (verb, rest) = words.split_once(' ').unwrap();
    if verb == "close" {
        assert_eq!(first, 0x88, "{words} expected");
        assert_eq!(payload[..2], rest.parse::<u16>().unwrap().to_be_bytes());
        return first;
    }
    let expected: Frame = match verb {
        "text" => (0x81, rest.into()),
        "frame" => hex_frame(rest),
        "fill" => fill(rest),
        "packedfill" => {
            let (first, payload) = fill(rest);
            (first | 0x40, payload)
        }
        _ => panic!("{words}"),
    };
    assert_eq!(first, expected.0, "{words} expected");
    assert!(
        payload == expected.1,
        "{words} expected, {} bytes came",
        payload.len()
    );
    first
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split(' ').collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

fn hex_frame(words: &str) -> Frame {
    let bytes = hex(words);
    (bytes[0], bytes[1..].to_vec())
}

fn fill(words: &str) -> Frame {
    let (first, length) = words.split_once(' ').unwrap();
    (hex(first)[0], vec![b'x'; length.parse().unwrap()])
}

/// Makes what the client sends, compressed as was agreed.
struct Packer {
    stream: Compress,
    keeps: bool,
}

impl Packer {
    fn new(answer: &str) -> Self {
        Packer {
            stream: Compress::new(Compression::default(), false),
            keeps: !answer.contains("client_no_context_takeover"),
        }
    }

    fn bytes(&mut self, words: &str) -> Vec<u8> {
        if let Some((n, words)) = words.split_once(" x ") {
            return (0..n.parse().unwrap())
                .flat_map(|_| self.bytes(words))
                .collect();
        }
        let (verb, rest) = words.split_once(' ').unwrap();
        let (first, payload) = match verb {
            "raw" => return hex(rest),
            "frame" => hex_frame(rest),
            "fill" => fill(rest),
            "text" => (0x81, rest.into()),
            "close" => {
                let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
                let mut payload = code.parse::<u16>().unwrap().to_be_bytes().to_vec();
                payload.extend(reason.as_bytes());
                (0x88, payload)
            }
            "packed" => {
                let (first, text) = rest.split_once(' ').unwrap();
                (hex(first)[0] | 0x40, self.pack(text.as_bytes()))
            }
            "packedhex" => {
                let (first, payload) = hex_frame(rest);
                (first | 0x40, self.pack(&payload))
            }
            "packedfill" => {
                let (first, payload) = fill(rest);
                (first | 0x40, self.pack(&payload))
            }
            "packedparts" => {
                let (rest, parts) = rest.rsplit_once(' ').unwrap();
                let (first, payload) = fill(rest);
                let packed = self.pack(&payload);
                let size = packed.len().div_ceil(parts.parse().unwrap());
                let mut bytes = frame(first & 0x0f | 0x40, &[]);
                for part in packed.chunks(size) {
                    bytes.extend(frame(0x00, part));
                }
                bytes.extend(frame(0x80, &[]));
                return bytes;
            }
            _ => panic!("{words}"),
        };
        frame(first, &payload)
    }

    fn pack(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + 1024);
        self.stream
            .compress_vec(bytes, &mut out, FlushCompress::Sync)
            .unwrap();
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
        out.truncate(out.len() - 4);
        if !self.keeps {
            self.stream.reset();
        }
        out
    }
}

/// Reads what the server sends, compressed as was agreed.
struct Unpacker {
    stream: Decompress,
    keeps: bool,
}

impl Unpacker {
    fn new(answer: &str) -> Self {
        // A message that needs a larger window than was agreed on fails.
        let bits = answer
            .split_once("server_max_window_bits=")
            .map_or(15, |(_, bits)| bits.parse().unwrap());
        Unpacker {
            stream: Decompress::new_with_window_bits(false, bits),
            keeps: !answer.contains("server_no_context_takeover"),
        }
    }

    fn open(&mut self, (first, mut payload): Frame) -> Frame {
        if first & 0x40 == 0 {
            return (first, payload);
        }
        payload.extend([0, 0, 0xff, 0xff]);
        let mut out = Vec::with_capacity(2 << 20);
        self.stream
            .decompress_vec(&payload, &mut out, FlushDecompress::Sync)
            .unwrap();
        if !self.keeps {
            self.stream.reset(false);
        }
        (first, out)
    }
}

/// A server that echoes, and says how its conversations ended.
fn serve() -> (Server, Receiver<(u16, String)>) {
    let (ended, endings) = channel();
    let mut builder = Server::builder();
    builder
        .blocking_exchange("/echo", echo(ended), String::new())
        .unwrap();
    let server = builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    (server, endings)
}

fn echo(ended: Sender<(u16, String)>) -> impl Fn(Exchange) + Send + Sync + 'static {
    move |mut exchange: Exchange| {
        let accept = accept(exchange.request().query().unwrap_or(""));
        let accept = match accept {
            Ok(accept) => accept,
            Err(status) => return exchange.refuse(status.try_into().unwrap()),
        };
        let asked = exchange.request().is_websocket();
        let socket = match exchange.accept_websocket(accept) {
            Ok((request, socket)) => {
                assert!(asked && request.is_websocket());
                socket
            }
            Err((exchange, error)) => {
                assert_eq!(asked, error.status() == 500);
                return exchange.refuse_websocket(&error);
            }
        };
        loop {
            let message = match socket.recv_blocking().unwrap() {
                Event::Text(text) => Message::Text(text),
                Event::Binary(bytes) => Message::Binary(bytes),
                Event::Closed { code, reason } => {
                    // The rows that look at handshakes do not listen.
                    let _ = ended.send((code, reason));
                    return;
                }
            };
            let _ = socket.send_blocking(message);
        }
    }
}

fn accept(query: &str) -> Result<Accept, u16> {
    let mut accept = Accept::default();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "max" => {
                accept.options = Options {
                    max_message: value.parse().unwrap(),
                    ..accept.options
                }
            }
            "deflate" => accept.options.deflate = value != "off",
            "sub" => accept.subprotocol = Some(value.to_owned()),
            "header" => {
                let name: http::HeaderName = value.parse().unwrap();
                accept.headers.insert(name, "handler".parse().unwrap());
            }
            "refuse" => return Err(value.parse().unwrap()),
            _ => panic!("{name}"),
        }
    }
    Ok(accept)
}
