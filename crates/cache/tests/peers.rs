//! Peers that are dead, hung, slow, or answer nonsense; and lists of peers that change.

mod cluster;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use cluster::{RustNode, loaded};
use oxbridge_cache::{Dialect, Instance, Kind, PeerError, Peers};

const PATIENCE: Duration = Duration::from_secs(20);

/// A node, and another one of which it knows only the address.
fn with_peer(dialect: Dialect, peer: &str, timeout: Duration) -> RustNode {
    let node = RustNode::start(dialect, |peers| peers.timeout(timeout));
    let peer = cluster::address(dialect, peer);
    node.cache
        .set_peers([&node.address, &peer])
        .expect("good addresses");
    node
}

/// Keys that the other node owns.
fn theirs(node: &RustNode) -> impl Iterator<Item = String> {
    let (cache, me) = (node.cache.clone(), node.address.clone());
    (0..)
        .map(|i| format!("{i}-key"))
        .filter(move |key| cache.owner(key).as_ref() != Some(&me))
}

#[tokio::test]
async fn the_keys_of_a_dead_peer_are_loaded_here() {
    // A port that was free a moment ago.
    let place = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port");
    let node = with_peer(Dialect::Mailgun, &place.to_string(), PATIENCE);
    for (i, key) in theirs(&node).take(50).enumerate() {
        let value = node.group.get(&key).await.expect("it loads here");
        assert_eq!(value.bytes(), &loaded("rust", key.as_bytes()));
        assert_eq!(node.loads.load(SeqCst), i + 1);
        assert_eq!(node.group.get(&key).await.expect("it is kept"), value);
        assert_eq!(node.loads.load(SeqCst), i + 1);
    }
    assert_eq!(node.group.stats().peer_errors, 50);
    let key = theirs(&node).next().expect("there are more");
    let error = node
        .group
        .set(&key, "v")
        .await
        .expect_err("its owner is dead");
    assert!(matches!(error.kind(), Kind::Peer { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_peer_costs_one_timeout_and_is_then_left_alone() {
    // It takes connections, by its backlog, and never says a word.
    let hung = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = hung.local_addr().expect("it has one").to_string();
    let timeout = Duration::from_millis(300);
    let node = with_peer(Dialect::Golang, &place, timeout);
    let began = Instant::now();
    for key in theirs(&node).take(20) {
        node.group.get(&key).await.expect("it loads here");
    }
    let took = began.elapsed();
    assert!(took >= timeout, "the first one waits: {took:?}");
    assert!(took < timeout * 10, "the others do not: {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_from_a_peer_is_an_error_and_the_key_is_loaded_here() {
    let answers: [&[u8]; 8] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n\xff\xff\xff\xff",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n",
        b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\nno",
        b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0\0\0\0",
        b"",
    ];
    for answer in answers {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let place = listener.local_addr().expect("it has one").to_string();
        let server = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().expect("it is asked");
            let mut request = [0; 1 << 10];
            let read = peer.read(&mut request).expect("a request comes");
            assert_ne!(read, 0);
            peer.write_all(answer).expect("it is there");
        });
        let node = with_peer(Dialect::Mailgun, &place, PATIENCE);
        let key = theirs(&node).next().expect("it owns some");
        let value = node.group.get(&key).await;
        let value = value.unwrap_or_else(|e| panic!("{answer:?}: {e}"));
        assert_eq!(value.bytes(), &loaded("rust", key.as_bytes()), "{answer:?}");
        assert_eq!(node.group.stats().peer_errors, 1, "{answer:?}");
        server.join().expect("it was asked once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_loaded_once_however_many_nodes_are_asked_at_once() {
    for dialect in [Dialect::Golang, Dialect::Mailgun, Dialect::GroupcacheGo] {
        let nodes: Vec<RustNode> = (0..5)
            .map(|_| RustNode::start(dialect, |peers| peers.timeout(PATIENCE)))
            .collect();
        let addresses: Vec<&String> = nodes.iter().map(|node| &node.address).collect();
        for node in &nodes {
            node.cache.set_peers(&addresses).expect("good addresses");
        }
        let callers: Vec<_> = (0..10_000)
            .map(|i| {
                let group = nodes[i % nodes.len()].group.clone();
                tokio::spawn(async move { group.get("the one").await })
            })
            .collect();
        for caller in callers {
            let value = caller.await.expect("no caller panics").expect("it loads");
            assert_eq!(value.bytes(), &loaded("rust", b"the one"));
        }
        let loads: usize = nodes.iter().map(|node| node.loads.load(SeqCst)).sum();
        assert_eq!(loads, 1, "{dialect:?}");
    }
}

#[tokio::test]
async fn a_change_of_the_list_moves_the_keys_that_it_must() {
    for dialect in [Dialect::Golang, Dialect::Mailgun] {
        let cache = Instance::with_peers(Peers::new(dialect, "http://127.0.0.1:1"));
        let list = |n: u16| (1..=n).map(|port| format!("http://127.0.0.1:{port}"));
        cache.set_peers(list(9)).expect("good addresses");
        let before: Vec<_> = (0..10_000).map(|i| cache.owner(format!("{i}"))).collect();
        cache.set_peers(list(10)).expect("good addresses");
        for (i, before) in before.into_iter().enumerate() {
            let after = cache.owner(format!("{i}"));
            let new = after.as_deref() == Some("http://127.0.0.1:10");
            assert!(
                new || after == before,
                "{dialect:?}: a key moves to the new node only"
            );
        }
    }
}

#[tokio::test]
async fn addresses_must_be_those_of_the_dialect() {
    for (dialect, me, good, wrong) in [
        (Dialect::Golang, "http://a:1", "http://b:1", "b:1"),
        (
            Dialect::Mailgun,
            "http://a:1",
            "http://[::1]:1",
            "https://b:1",
        ),
        (Dialect::Mailgun, "http://a:1", "http://b", "http://"),
        (Dialect::GroupcacheGo, "a:1", "b.svc.local:1", "http://b:1"),
        (Dialect::GroupcacheGo, "a:1", "b:1", "user@b:1"),
        (Dialect::GroupcacheGo, "a:1", "b:1", "b:1/path"),
    ] {
        let cache = Instance::with_peers(Peers::new(dialect, me));
        assert_eq!(cache.set_peers([me, good]), Ok(()));
        let error = cache.set_peers([me, wrong]).expect_err("it is no address");
        assert!(
            matches!(&error, PeerError::Address { address, .. } if address == wrong),
            "{dialect:?} {wrong}: {error}"
        );
        assert_eq!(
            cache.set_peers([good]),
            Err(PeerError::NotInIt(me.to_owned()))
        );
        // Neither has changed anything.
        let owners: std::collections::HashSet<_> = (0..2000)
            .filter_map(|i| cache.owner(format!("{i} key")))
            .collect();
        assert!(owners.contains(good) || owners.contains(me));
    }
    assert_eq!(
        Instance::new().set_peers(["http://a:1"]),
        Err(PeerError::Alone)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_told_what_go_tells_them() {
    let v1 = RustNode::start(Dialect::Golang, |peers| peers.timeout(PATIENCE));
    let v2 = RustNode::start(Dialect::Mailgun, |peers| peers.timeout(PATIENCE));
    let v3 = RustNode::start(Dialect::GroupcacheGo, |peers| peers.timeout(PATIENCE));
    for (node, request, status, body) in [
        (&v1, "GET /_groupcache/none/k", 404, "no such group: none\n"),
        (&v1, "GET /_groupcache/things", 400, "bad request\n"),
        (&v1, "GET /elsewhere", 400, "bad request\n"),
        (
            &v1,
            "GET /_groupcache/things/missing",
            500,
            "no such thing\n",
        ),
        (
            &v2,
            "GET /_groupcache/things/missing",
            404,
            "no such thing\n",
        ),
        (
            &v2,
            "GET /_groupcache/things/broken",
            503,
            "the getter is broken\n",
        ),
        (&v2, "DELETE /_groupcache/things/k", 200, ""),
        (
            &v3,
            "PATCH /_groupcache/things/k",
            405,
            "method not allowed\n",
        ),
        (&v3, "POST /_groupcache/things/k", 404, "not found\n"),
    ] {
        let place = node.address.trim_start_matches("http://").to_owned();
        let request = format!("{request} HTTP/1.1\r\nhost: {place}\r\nconnection: close\r\n\r\n");
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(place).expect("it listens");
            stream.write_all(request.as_bytes()).expect("it listens");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("it answers");
            answer
        });
        let answer = answer.await.expect("no panic");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
        assert!(
            status == 200 || answer.contains("text/plain; charset=utf-8"),
            "{answer}"
        );
    }
}
