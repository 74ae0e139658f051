//! Peers that say anything at all: to a node that asks them, and to a node that they ask. The tests feed them by
//! chance and the fuzz targets by search.
#![allow(
    dead_code,
    reason = "neither the tests nor a fuzz target uses all of it"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use oxbridge::Server;
use oxbridge::listen::LocalAddr;
use oxbridge_cache::{Dialect, Error, Group, Instance, Kind, Peers, Value};
use tokio::runtime::Runtime;

/// Long enough for a loaded machine; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const DIALECTS: [Dialect; 4] = [
    Dialect::Golang,
    Dialect::Mailgun,
    Dialect::GroupcacheGo,
    Dialect::Oxbridge,
];

/// The most bytes that an answer may have.
pub(crate) const MAX_ANSWER: usize = 4096;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

async fn load(key: Bytes) -> Result<Value, Error> {
    Ok(Value::new([b"loaded ", &key[..]].concat()))
}

/// A node that a stranger asks.
pub(crate) struct Asked {
    place: SocketAddr,
    group: Group,
    _server: Server,
    _runtime: Runtime,
}

impl Asked {
    pub(crate) fn start(dialect: Dialect) -> Asked {
        let runtime = runtime();
        let me = match dialect {
            Dialect::GroupcacheGo => "127.0.0.1:1",
            _ => "http://127.0.0.1:1",
        };
        let cache = Instance::on(runtime.handle().clone(), Some(Peers::new(dialect, me)));
        let group = cache
            .group("things")
            .max_bytes(1 << 20)
            .getter(load)
            .expect("it is new");
        let bind = "127.0.0.1:0".parse().expect("an address");
        let server = cache.serve(bind).expect("it listens");
        let LocalAddr::Tcp(place) = server.addresses()[0] else {
            unreachable!("it is bound to TCP");
        };
        Asked {
            place,
            group,
            _server: server,
            _runtime: runtime,
        }
    }

    /// Says something and takes what comes back: nothing, or answers in HTTP. The node is well afterwards.
    pub(crate) fn hear(&self, said: &[u8]) {
        let mut stream = TcpStream::connect(self.place).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        // It may have closed already, as one may who is asked nonsense.
        let _ = stream.write_all(said);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(e) => panic!("the node neither answers nor closes: {e}"),
        }
        // What begins as HTTP/2 is answered in HTTP/2.
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 ") || said.starts_with(b"PRI"),
            "{:?}",
            String::from_utf8_lossy(&answer)
        );
        let stats = self.group.stats();
        assert!(stats.main.bytes + stats.hot.bytes <= 1 << 20, "{stats:?}");
    }

    /// Asks as a peer does.
    pub(crate) fn is_well(&self) {
        let mut stream = TcpStream::connect(self.place).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        let request =
            "GET /_groupcache/things/well HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("it takes it");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "it is not well");
    }
}

/// A node that asks a stranger, who says the same to everybody.
pub(crate) struct Asking {
    group: Group,
    said: Arc<Mutex<Vec<u8>>>,
    keys: Vec<String>,
    _runtime: Runtime,
}

impl Asking {
    pub(crate) fn start(dialect: Dialect) -> Asking {
        let runtime = runtime();
        let said = Arc::new(Mutex::new(Vec::new()));
        let stranger = stranger(said.clone());
        let scheme = match dialect {
            Dialect::GroupcacheGo => "",
            _ => "http://",
        };
        let me = format!("{scheme}127.0.0.1:1");
        let peers = Peers::new(dialect, &me)
            .timeout(PATIENCE)
            .max_answer(MAX_ANSWER);
        let cache = Instance::on(runtime.handle().clone(), Some(peers));
        let theirs = format!("{scheme}{stranger}");
        cache.set_peers([&me, &theirs]).expect("good addresses");
        let group = cache
            .group("things")
            .max_bytes(0)
            .getter(load)
            .expect("it is new");
        let keys = (0..)
            .map(|n| format!("key {n}"))
            .filter(|key| cache.owner(key).as_ref() == Some(&theirs))
            .take(3)
            .collect();
        Asking {
            group,
            said,
            keys,
            _runtime: runtime,
        }
    }

    /// Asks for keys that the stranger owns, and tells it to change them. Whatever it says, there is a value or
    /// an error in words.
    pub(crate) fn hear(&self, said: &[u8]) {
        *self.said.lock().expect("nobody panics") = said.to_vec();
        let judge = |outcome: Result<Value, Error>| match outcome {
            Ok(value) => assert!(value.bytes().len() <= MAX_ANSWER.max(32)),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert!(
                    !matches!(error.kind(), Kind::Panicked(_) | Kind::Closed),
                    "{error}"
                );
            }
        };
        self._runtime.block_on(async {
            judge(self.group.get(&self.keys[0]).await);
            for outcome in self.group.get_many(&self.keys).await {
                judge(outcome);
            }
            judge(
                self.group
                    .set(&self.keys[0], "new")
                    .await
                    .map(|()| Value::new("")),
            );
            judge(
                self.group
                    .delete_many(&self.keys)
                    .await
                    .map(|()| Value::new("")),
            );
        });
    }
}

/// Listens, and says to each who asks something what is to be said, and no more.
fn stranger(said: Arc<Mutex<Vec<u8>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let said = said.lock().expect("nobody panics").clone();
            let _ = stream.set_read_timeout(Some(PATIENCE));
            // The whole request, or nobody would read the answer.
            let mut request = Vec::new();
            let mut bytes = [0; 4096];
            while !whole(&request) {
                match stream.read(&mut bytes) {
                    Ok(length) if length > 0 => request.extend_from_slice(&bytes[..length]),
                    _ => break,
                }
            }
            // Whoever asked may have had enough.
            let _ = stream.write_all(&said);
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    });
    place
}

/// Whether a request has come to its end: ours have lengths.
fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let body = head
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = body
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or(0);
    let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return false;
    };
    request.len() >= end + 4 + length
}
