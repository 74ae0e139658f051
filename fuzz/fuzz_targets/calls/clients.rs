//! Clients: what they send is as random as the calls.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::calls::arguments::Data;
use crate::calls::script::{Body, ClientAct, Frame, Opening, Request};
use crate::calls::servers;
use crate::calls::world::{is_threaded, world};

/// The first client of the first server.
pub(super) fn open(opening: Opening) {
    perform(0, ClientAct::Connect(0));
    match opening {
        Opening::Request(request) | Opening::Request2(request) | Opening::Request3(request) => {
            perform(0, ClientAct::Request(request));
        }
        Opening::Preface => perform(0, ClientAct::Preface),
        Opening::Nothing => {}
    }
    wait(0);
}

/// A client is outside of the world while it acts: threads do not wait for it.
pub(super) fn perform(number: u8, act: ClientAct) {
    let slot = slot_of(number);
    let client = world().clients[slot].take();
    let client = match (act, client) {
        (ClientAct::Connect(server), _) => connect(server),
        (ClientAct::Close, _) | (_, None) => None,
        (act, Some(client)) => {
            do_it(&client, act);
            Some(client)
        }
    };
    world().clients[slot] = client;
}

pub(super) fn close_all() {
    world().clients = [const { None }; 4];
}

/// Lets servers answer a client: in turns, or for a moment.
pub(super) fn wait(number: u8) {
    if !is_threaded() {
        return servers::settle();
    }
    let fd = world().clients[slot_of(number)]
        .as_ref()
        .map(AsRawFd::as_raw_fd);
    if let Some(fd) = fd {
        let mut answer = libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one descriptor. If another thread has closed it, the answer is at once.
        unsafe { libc::poll(&mut answer, 1, 2) };
    }
}

fn slot_of(number: u8) -> usize {
    usize::from(number) % 4
}

/// Without waiting: where a server takes no more connections, there is none.
fn connect(server: u8) -> Option<UnixStream> {
    let number = {
        let slot = servers::slot_of(server);
        let world = world();
        let held = &world.servers[slot];
        if held.is_empty() {
            return None;
        }
        held.number
    };
    let name = servers::socket_name(number);
    // SAFETY: all zeros is an address without a name.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    // A first byte of zero: a name without a file.
    for (to, from) in address.sun_path[1..].iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    let length = size_of::<libc::sa_family_t>() + 1 + name.len();
    // SAFETY: the descriptor is new, the address is ours, and as long as we say.
    unsafe {
        let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let fd = libc::socket(libc::AF_UNIX, kind, 0);
        if fd < 0 {
            return None;
        }
        let client = OwnedFd::from_raw_fd(fd);
        let connected = libc::connect(fd, (&raw const address).cast(), length as libc::socklen_t);
        (connected == 0).then(|| client.into())
    }
}

fn do_it(client: &UnixStream, act: ClientAct) {
    match act {
        ClientAct::Request(request) | ClientAct::Request2(request) => send(client, &head(&request)),
        ClientAct::Raw(data) => {
            if let Data::Bytes(bytes) = data {
                send(client, &bytes);
            }
        }
        ClientAct::Preface => {
            send(
                client,
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
            );
        }
        ClientAct::Frame(frame) => send(client, &encode(frame)),
        ClientAct::Receive => receive(client),
        // A server that is gone says no to it.
        ClientAct::ShutDown => drop(client.shutdown(Shutdown::Write)),
        ClientAct::Connect(_) | ClientAct::Close => {}
    }
}

/// As much as the kernel takes: nobody reads at the other end now.
fn send(mut client: &UnixStream, bytes: &[u8]) {
    let _ = client.write(bytes);
}

fn receive(mut client: &UnixStream) {
    let mut room = [0; 4096];
    loop {
        match client.read(&mut room) {
            Ok(0) => return,
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

const METHODS: [&str; 6] = ["GET", "POST", "HEAD", "PUT", "OPTIONS", "x"];
const TARGETS: [&str; 14] = [
    "/cb/one?x=1&y=%20+z&&x",
    "/in/a/b%2fc?x",
    "/q/job",
    "/cb/%00%ff",
    "/in/",
    "/q/",
    "/d/Cargo.toml",
    "/d/",
    "/d/../x",
    "*",
    "http://example.com/cb/x",
    "/new/x",
    "/nothing",
    "/d2/README.md",
];

fn some<'a>(list: &[&'a str], number: u8) -> &'a str {
    list[usize::from(number) % list.len()]
}

fn head(request: &Request) -> Vec<u8> {
    let version = if request.old { "1.0" } else { "1.1" };
    let (method, target) = (
        some(&METHODS, request.method),
        some(&TARGETS, request.target),
    );
    let mut bytes =
        format!("{method} {target} HTTP/{version}\r\nHost: example.com\r\n").into_bytes();
    for (name, value) in &request.fields.0 {
        if let (Data::Bytes(name), Data::Bytes(value)) = (name, value) {
            bytes.extend([&name[..], b": ", &value[..], b"\r\n"].concat());
        }
    }
    match &request.body {
        Body::None | Body::None2 => bytes.extend(b"\r\n"),
        Body::Length { said, sent } => {
            bytes.extend(format!("Content-Length: {said}\r\n\r\n").bytes());
            bytes.extend(vec![b'b'; usize::from(*sent)]);
        }
        Body::Expected => bytes.extend(b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"),
        Body::Chunked {
            sizes,
            trailers,
            ended,
        } => {
            bytes.extend(b"Transfer-Encoding: chunked\r\nTE: trailers\r\n\r\n");
            for size in &sizes.0 {
                // A chunk of nothing would be the last one.
                let size = usize::from(*size).max(1);
                bytes.extend(format!("{size:x}\r\n").bytes());
                bytes.extend(vec![b'c'; size]);
                bytes.extend(b"\r\n");
            }
            bytes.extend(if *ended { &b"0\r\n"[..] } else { b"" });
            bytes.extend(if *trailers { &b"x-a: 1\r\n"[..] } else { b"" });
            bytes.extend(if *ended { &b"\r\n"[..] } else { b"" });
        }
    }
    bytes
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn encode(frame: Frame) -> Vec<u8> {
    // Streams of a client have odd numbers.
    let odd = |stream: u8| u32::from(stream % 8) * 2 + 1;
    let (kind, flags, stream, payload) = match frame {
        Frame::Request {
            stream,
            method,
            target,
            ended,
        } => {
            let fields = [
                (":method", some(&METHODS, method)),
                (":scheme", "http"),
                (":path", some(&TARGETS, target)),
                (":authority", "example.com"),
            ];
            // Literals that are not indexed, with new names (RFC 7541 §6.2.2).
            let block = fields.iter().flat_map(|(name, value)| {
                [
                    &[0, name.len() as u8],
                    name.as_bytes(),
                    &[value.len() as u8],
                    value.as_bytes(),
                ]
                .concat()
            });
            (1, 4 | u8::from(ended), odd(stream), block.collect())
        }
        Frame::Data { stream, len, ended } => (
            0,
            u8::from(ended),
            odd(stream),
            vec![b'h'; usize::from(len)],
        ),
        Frame::Reset { stream } => (3, 0, odd(stream), vec![0, 0, 0, 8]),
        Frame::Any {
            kind,
            flags,
            stream,
            payload,
        } => match payload {
            Data::Bytes(mut payload) => {
                payload.truncate(1 << 14);
                (kind % 12, flags, u32::from(stream), payload)
            }
            _ => (6, 0, 0, vec![0; 8]),
        },
    };
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}
