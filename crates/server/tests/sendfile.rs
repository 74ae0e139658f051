//! Files that the system sends: what arrives is what stands in them, whatever becomes of file and client.
#![cfg(target_os = "linux")]

mod gate;
mod one_file;
mod scratch;
mod wire;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use gate::eventually;
use one_file::{SIZE, content, site, start};
use oxbridge::files::{StaticDir, queue_part};
use oxbridge::{Exchange, Server};
use scratch::ScratchDir;
use wire::{Client, get};

#[test]
fn parts_stand_among_other_bytes_in_every_framing() {
    let files = ScratchDir::new();
    let path = files.write("file", content(SIZE));
    let server = start(site(&path));
    let expected = [
        b"<".to_vec(),
        content(SIZE)[100_000..1_300_001].to_vec(),
        b",".to_vec(),
        content(SIZE)[..70_000].to_vec(),
        b">".to_vec(),
    ]
    .concat();
    let answer = get(&server, "/parts");
    assert_eq!(answer.field("transfer-encoding"), "chunked");
    assert!(answer.body == expected);
    let answer = get(&server, "/parts?declared");
    assert_eq!(answer.field("content-length"), expected.len().to_string());
    assert!(answer.body == expected);
    // RFC 9112 §6.3: without either, the end of the connection is the end of the body.
    let mut client = Client::of(&server);
    client.send("GET /parts HTTP/1.0\r\n\r\n");
    let head = client.head();
    assert!(!head.has("content-length") && !head.has("transfer-encoding"));
    assert!(client.rest() == expected);
}

#[test]
fn ranges_and_heads_are_those_of_the_file() {
    let files = ScratchDir::new();
    let path = files.write("file", content(SIZE));
    let server = start(site(&path));
    let mut client = Client::of(&server);
    let range =
        |range: &str| format!("GET /whole HTTP/1.1\r\nHost: a\r\nRange: bytes={range}\r\n\r\n");
    let answer = client.send(range("65535-1065536")).answer();
    assert_eq!(answer.status, 206);
    assert!(answer.body == content(SIZE)[65_535..=1_065_536]);
    let answer = client.send(range("-200000")).answer();
    assert!(answer.body == content(SIZE)[SIZE - 200_000..]);
    let answer = client.send(range("0-99999,1000000-1199999")).answer();
    let boundary = answer
        .field("content-type")
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("several parts");
    let part = |first: usize, last: usize| {
        let head = format!(
            "--{boundary}\r\nContent-Type: application/octet-stream\r\n\
             Content-Range: bytes {first}-{last}/{SIZE}\r\n\r\n"
        );
        [head.as_bytes(), &content(SIZE)[first..=last], b"\r\n"].concat()
    };
    let end = format!("--{boundary}--\r\n");
    let expected = [part(0, 99_999), part(1_000_000, 1_199_999), end.into()].concat();
    assert!(answer.body == expected);
    client.send("HEAD /whole HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().field("content-length"), SIZE.to_string());
    // The next answer begins where the one without a body ended.
    assert!(client.get("/whole").answer().body == content(SIZE));
}

#[test]
fn pipelined_files_come_in_order_over_one_connection() {
    let files = ScratchDir::new();
    fs::create_dir(files.join("root")).unwrap();
    let sizes = [200_000, 1, 65_536, 0, 65_537, 1_000_000, 16_384];
    for (i, size) in sizes.iter().enumerate() {
        files.write(&format!("root/{i}"), vec![b'a' + i as u8; *size]);
    }
    let mut builder = Server::builder();
    builder
        .mount_static("/", StaticDir::new(files.join("root")).unwrap())
        .unwrap();
    let server = start(builder);
    let mut client = Client::of(&server);
    let requests: String = (0..sizes.len())
        .cycle()
        .take(3 * sizes.len())
        .map(|i| format!("GET /{i} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .collect();
    client.send(requests);
    for (i, size) in sizes.iter().enumerate().cycle().take(3 * sizes.len()) {
        let answer = client.answer();
        assert!(answer.body == vec![b'a' + i as u8; *size], "{i}");
    }
}

#[test]
fn a_client_that_takes_little_at_a_time_gets_every_byte() {
    let files = ScratchDir::new();
    let path = files.write("file", content(SIZE));
    let server = start(site(&path));
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    // The server's writes stop again and again in the middle of a piece.
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let address = server.addresses()[0].tcp().unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream
        .write_all(b"GET /whole HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut all = Vec::new();
    let mut few = [0; 1499];
    loop {
        match stream.read(&mut few).unwrap() {
            0 => break,
            n => all.extend_from_slice(&few[..n]),
        }
    }
    assert!(all.ends_with(&content(SIZE)));
}

#[test]
fn a_file_that_shrinks_ends_the_connection_and_nothing_is_made_up() {
    const LONG: u64 = 64 << 20;
    let files = ScratchDir::new();
    let path = files.join("file");
    let file = File::create(&path).unwrap();
    file.write_all_at(&content(SIZE), 0).unwrap();
    file.set_len(LONG).unwrap();
    let server = start(site(&path));
    for target in ["/whole", "/chunked"] {
        file.set_len(LONG).unwrap();
        let mut client = Client::of(&server);
        let mut answer = client.get(target).head();
        // Of what is left, the sockets hold a part only.
        file.set_len(SIZE as u64).unwrap();
        client.body(&mut answer);
        assert!(!answer.whole, "{target}");
        let known = answer.body.len().min(SIZE);
        assert!(answer.body[..known] == content(SIZE)[..known], "{target}");
        client.assert_end();
    }
    eventually("the exchanges are over", || server.exchanges() == 0);
    // The server serves on.
    let mut client = Client::of(&server);
    assert!(client.get("/whole").answer().body == content(SIZE));
}

#[test]
fn files_of_clients_that_leave_are_closed() {
    let files = ScratchDir::new();
    let path = files.join("file");
    File::create(&path).unwrap().set_len(256 << 20).unwrap();
    let server = start(site(&path));
    let mut clients: Vec<_> = (0..5).map(|_| Client::of(&server)).collect();
    for client in &mut clients {
        assert_eq!(client.get("/whole").head().status, 200);
        client.take(1000);
    }
    assert_eq!(open_descriptors(&path), 5);
    drop(clients);
    eventually("all are closed", || open_descriptors(&path) == 0);
    eventually("the exchanges are over", || server.exchanges() == 0);
}

#[test]
fn a_file_that_the_system_cannot_send_is_read() {
    const LENGTH: usize = 200_000;
    // sendfile(2) answers EINVAL for it.
    let path = Path::new("/proc/kallsyms");
    let Ok(file) = File::open(path) else {
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN: a_file_that_the_system_cannot_send_is_read (needs /proc/kallsyms)"
        );
        return;
    };
    let mut expected = Vec::new();
    (&file)
        .take(LENGTH as u64)
        .read_to_end(&mut expected)
        .unwrap();
    assert_eq!(expected.len(), LENGTH);
    let mut builder = Server::builder();
    builder
        .inline_exchange(
            "/",
            move |mut exchange: Exchange| {
                queue_part(exchange.response(), &file, path, 0, LENGTH as u64).unwrap();
                exchange.end().unwrap();
            },
            "here".into(),
        )
        .unwrap();
    let server = start(builder);
    assert!(get(&server, "/").body == expected);
}

/// How often this process has the file open.
fn open_descriptors(path: &Path) -> usize {
    fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter(|entry| {
            let entry = entry.as_ref().unwrap();
            fs::read_link(entry.path()).is_ok_and(|target| target == path)
        })
        .count()
}
