//! Clusters of Oxbridge nodes: bulk requests, secrets, certificates.

mod cluster;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use cluster::{RustNode, load, loaded};
use oxbridge::listen::{Bind, LocalAddr};
use oxbridge::tls::{ClientAuth, TlsConfig};
use oxbridge_cache::{Dialect, Instance, Kind, Peers};

const PATIENCE: Duration = Duration::from_secs(20);

fn three(settings: impl Fn(Peers) -> Peers) -> Vec<RustNode> {
    let node = || RustNode::start(Dialect::Oxbridge, |p| settings(p.timeout(PATIENCE)));
    let nodes: Vec<RustNode> = (0..3).map(|_| node()).collect();
    let addresses: Vec<&String> = nodes.iter().map(|node| &node.address).collect();
    for node in &nodes {
        node.cache.set_peers(&addresses).expect("good addresses");
    }
    nodes
}

fn loads(nodes: &[RustNode]) -> usize {
    nodes.iter().map(|node| node.loads.load(SeqCst)).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_keys_travel_in_one_request_and_come_in_their_order() {
    let nodes = three(|peers| peers);
    let mut keys: Vec<Vec<u8>> = (0..200).map(|i| format!("k {i}/..").into_bytes()).collect();
    keys.extend((0..=255).map(|byte| vec![0xff, byte]));
    keys.extend([b"missing".to_vec(), b"broken".to_vec(), b"".to_vec()]);
    // The same key twice is one load.
    keys.push(keys[0].clone());
    for node in &nodes {
        let outcomes = node.group.get_many(&keys).await;
        assert_eq!(outcomes.len(), keys.len());
        for (key, outcome) in keys.iter().zip(outcomes) {
            match outcome {
                Ok(value) => assert_eq!(value.bytes(), &loaded("rust", key)),
                Err(error) if key == b"missing" => assert!(error.is_not_found(), "{error}"),
                Err(error) => {
                    assert_eq!(key, b"broken", "{error}");
                    assert!(
                        error.to_string().contains("the getter is broken"),
                        "{error}"
                    );
                }
            }
        }
    }
    // Failures are not kept: each of the three asks the owner anew.
    assert_eq!(loads(&nodes), keys.len() - 3 + 2 * 3);
    // One for each owner and what is left over, instead of one for each key.
    for node in &nodes {
        let stats = node.group.stats();
        let others = stats.peer_loads + stats.peer_errors;
        assert!(others > 200, "{stats:?}");
    }

    nodes[1]
        .group
        .delete_many(&keys)
        .await
        .expect("all are there");
    for node in &nodes {
        assert_eq!(
            node.group.stats().main.items + node.group.stats().hot.items,
            0
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_is_seen_by_every_node_when_it_is_acknowledged() {
    let nodes = three(|peers| peers);
    for i in 0..60 {
        let key = format!("key-{i}");
        for node in &nodes {
            node.group.get(&key).await.expect("it loads");
        }
        let setter = &nodes[i % 3].group;
        setter.set(&key, "new").await.expect("all are there");
        for node in &nodes {
            assert_eq!(node.group.get(&key).await.expect("set").bytes(), "new");
        }
    }
    assert_eq!(loads(&nodes), 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_that_a_node_does_not_hear_of_is_not_acknowledged() {
    let mut nodes = three(|peers| peers.timeout(Duration::from_secs(5)));
    let dead = nodes.pop().expect("three nodes");
    let key = (0..)
        .map(|i| format!("key-{i}"))
        .find(|key| nodes[0].cache.owner(key).as_ref() == Some(&nodes[0].address));
    let key = key.expect("it owns some");
    let address = dead.address.clone();
    drop(dead);
    let error = nodes[0]
        .group
        .set(&key, "v")
        .await
        .expect_err("one is dead");
    assert!(
        matches!(error.kind(), Kind::Peer { peer, .. } if *peer == address),
        "{error}"
    );
    // The others have it all the same: what is set at its owner does not come back.
    assert_eq!(nodes[1].group.get(&key).await.expect("set").bytes(), "v");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_know_the_secret_reads_nothing_and_changes_nothing() {
    let nodes = three(|peers| peers.secret("open sesame"));
    let outsiders = [None, Some("open sesame!"), Some("")];
    for secret in outsiders {
        let stranger = RustNode::start(Dialect::Oxbridge, |peers| match secret {
            Some(secret) => peers.secret(secret),
            None => peers,
        });
        let mut list: Vec<&String> = nodes.iter().map(|node| &node.address).collect();
        list.push(&stranger.address);
        stranger.cache.set_peers(list).expect("good addresses");
        let theirs: Vec<String> = (0..50)
            .map(|i| format!("key-{i}"))
            .filter(|key| stranger.cache.owner(key).as_ref() != Some(&stranger.address))
            .collect();
        nodes[0]
            .group
            .set(&theirs[0], "secret")
            .await
            .expect("all are there");
        for outcome in [
            stranger.group.set(&theirs[0], "poison").await,
            stranger.group.delete(&theirs[0]).await,
        ] {
            let error = outcome.expect_err("nobody listens to it");
            assert!(error.to_string().contains("401"), "{error}");
        }
        // It gets what its own getter gives, and nothing of ours.
        for outcome in stranger.group.get_many(&theirs).await {
            assert!(outcome.expect("it loads").bytes().starts_with(b"rust:"));
        }
        assert_eq!(stranger.loads.load(SeqCst), theirs.len());
        for node in &nodes {
            let value = node.group.get(&theirs[0]).await.expect("it is set");
            assert_eq!(value.bytes(), "secret");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_when_nobody_waits_for_it_any_more_is_not_done() {
    use std::io::{Read as _, Write as _};
    let node = RustNode::start(Dialect::Oxbridge, |peers| peers);
    node.group.set("k", "new").await.expect("it is set");
    let now = oxbridge_cache::Expiry::now().unix_nanos();
    let hour = 3_600_000_000_000;
    // A SetRequest for the group "things", the key "k" and the value "old".
    let body = b"\x0a\x06things\x12\x01k\x1a\x03old";
    for (deadline, status, value) in [(now - 1, 408, "new"), (now + hour, 200, "old")] {
        let place = node.address.trim_start_matches("http://").to_owned();
        let mut request = format!(
            "PUT /_groupcache/things/k HTTP/1.1\r\nhost: {place}\r\nconnection: close\r\n\
             oxbridge-deadline: {deadline}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(place).expect("it listens");
            stream.write_all(&request).expect("it listens");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("it answers");
            answer
        });
        let answer = answer.await.expect("no panic");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert_eq!(node.group.peek("k").expect("it is there").bytes(), value);
    }
}

/// A certificate for 127.0.0.1, signed by `ca`.
fn certificate(ca: &rcgen::Issuer<'_, rcgen::KeyPair>) -> (rcgen::Certificate, rcgen::KeyPair) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, ca).expect("it is signed");
    (certificate, key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_with_certificates_talk_and_others_do_not() {
    let ca_key = rcgen::KeyPair::generate().expect("a key");
    let mut ca_params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
    ca_params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_pem = ca_params.self_signed(&ca_key).expect("it is signed");
    let ca = rcgen::Issuer::new(ca_params, ca_key);

    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca_pem.der().clone()).expect("a certificate");
    let roots = Arc::new(roots);
    let client = |with_certificate: bool| {
        let config = rustls::ClientConfig::builder().with_root_certificates(roots.clone());
        Arc::new(if with_certificate {
            let (certificate, key) = certificate(&ca);
            let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der());
            let chain = vec![certificate.der().clone()];
            config
                .with_client_auth_cert(chain, key.expect("a key"))
                .expect("they fit")
        } else {
            config.with_no_client_auth()
        })
    };
    let start = |with_certificate: bool| {
        let (certificate, key) = certificate(&ca);
        let tls = TlsConfig::from_pem_bytes(certificate.pem(), key.serialize_pem())
            .client_ca_bytes(ca_pem.pem())
            .client_auth(ClientAuth::Required);
        // A port that is free now: the address is in the certificate of nobody but us.
        let place = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port");
        let address = format!("https://{place}");
        let peers = Peers::new(Dialect::Oxbridge, &address).tls(client(with_certificate));
        let cache = Instance::with_peers(peers.timeout(PATIENCE));
        let group = cache
            .group("things")
            .getter(|key: Bytes| async move { load("rust", &key) })
            .expect("the group is new");
        let bind: Bind = place.to_string().parse().expect("an address");
        let server = cache
            .serve_tls(bind, tls.build().expect("good"))
            .expect("it listens");
        assert!(matches!(server.addresses()[0], LocalAddr::Tcp(at) if at == place));
        (address, cache, group, server)
    };
    let nodes = [start(true), start(true)];
    let stranger = start(false);
    let all = [&nodes[0].0, &nodes[1].0, &stranger.0];
    for node in nodes.iter().chain([&stranger]) {
        node.1.set_peers(all).expect("good addresses");
    }
    let owned_by = |address: &String| {
        let key = (0..).map(|i| format!("key-{i}"));
        key.clone()
            .find(|key| nodes[0].1.owner(key).as_ref() == Some(address))
            .expect("it owns some")
    };
    let key = owned_by(&nodes[1].0);
    nodes[0].2.get(&key).await.expect("it is there");
    assert_eq!(nodes[0].2.stats().peer_loads, 1);
    stranger.2.get(&key).await.expect("it loads itself");
    assert_eq!(stranger.2.stats().peer_loads, 0);
    assert_eq!(stranger.2.stats().peer_errors, 1);
    let owners: HashSet<_> = (0..100)
        .filter_map(|i| nodes[0].1.owner(format!("{i}")))
        .collect();
    assert_eq!(owners.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_cleared_on_every_node() {
    let nodes = three(|peers| peers);
    let keys: Vec<String> = (0..60).map(|i| format!("key {i}")).collect();
    for node in &nodes {
        node.group.get_many(&keys).await;
    }
    assert_eq!(loads(&nodes), keys.len());
    nodes[0]
        .group
        .clear_everywhere()
        .await
        .expect("all are there");
    for node in &nodes {
        assert!(keys.iter().all(|key| node.group.peek(key).is_none()));
    }
    nodes[1].group.get_many(&keys).await;
    assert_eq!(loads(&nodes), 2 * keys.len());

    let nobody = "http://127.0.0.1:1";
    let addresses = [nodes[0].address.as_str(), &nodes[1].address, nobody];
    nodes[0].cache.set_peers(addresses).expect("good addresses");
    let error = nodes[0].group.clear_everywhere().await;
    let error = error.expect_err("one is not there");
    assert!(
        matches!(error.kind(), Kind::Peer { peer, .. } if peer == nobody),
        "{error}"
    );
    assert!(
        keys.iter().all(|key| nodes[1].group.peek(key).is_none()),
        "the others were told"
    );
}

/// A node whose server is known.
struct Served {
    cache: Instance,
    group: oxbridge_cache::Group,
    _server: oxbridge::Server,
}

/// Three nodes, of which the second is slow.
struct OneSlow {
    nodes: Vec<Served>,
    addresses: Vec<String>,
    /// Its getter waits until this is true.
    gate: Arc<tokio::sync::watch::Sender<bool>>,
    /// What the getters read, and say before who they are.
    database: Arc<AtomicUsize>,
}

fn one_slow(settings: impl Fn(Peers) -> Peers) -> OneSlow {
    let gate = Arc::new(tokio::sync::watch::Sender::new(false));
    let database = Arc::new(AtomicUsize::new(0));
    let mut nodes = Vec::new();
    let mut addresses = Vec::new();
    for number in 0..3 {
        let place = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port");
        let address = format!("http://{place}");
        let peers = settings(Peers::new(Dialect::Oxbridge, &address).timeout(PATIENCE));
        let cache = Instance::with_peers(peers);
        let (gate, database) = (gate.clone(), database.clone());
        let group = cache.group("things").getter(move |_: Bytes| {
            let mut opened = gate.subscribe();
            let database = database.clone();
            async move {
                if number == 1 {
                    // The other end is in the test, which may be over.
                    let _ = opened.wait_for(|open| *open).await;
                }
                Ok(oxbridge_cache::Value::new(format!(
                    "{} by {number}",
                    database.load(SeqCst)
                )))
            }
        });
        let server = cache.serve(place.to_string().parse::<Bind>().expect("an address"));
        nodes.push(Served {
            cache,
            group: group.expect("it is new"),
            _server: server.expect("it listens"),
        });
        addresses.push(address);
    }
    for node in &nodes {
        node.cache.set_peers(&addresses).expect("good addresses");
    }
    OneSlow {
        nodes,
        addresses,
        gate,
        database,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_too_much_to_do_hands_some_on_and_changes_reach_what_it_handed_on() {
    let OneSlow {
        nodes,
        addresses,
        gate,
        database,
    } = one_slow(|peers| peers.bounded_load(Some(1.25)));
    let (cache, group) = (&nodes[0].cache, &nodes[0].group);
    let mut slow = (0..)
        .map(|n| format!("key {n}"))
        .filter(|key| cache.owner(key).as_ref() == Some(&addresses[1]));
    let mut first = Vec::new();
    for key in slow.by_ref().take(128) {
        let group = group.clone();
        first.push(tokio::spawn(async move {
            group.get(key).await.expect("a value")
        }));
    }
    let handed_on: Vec<String> = slow.take(40).collect();
    while nodes[1].group.stats().server_requests < 128 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut values = Vec::new();
    for key in &handed_on {
        values.push(group.get(key).await.expect("a value"));
    }
    let by = |number: u32| {
        let end = format!(" by {number}");
        values
            .iter()
            .filter(|value| value.bytes().ends_with(end.as_bytes()))
            .count()
    };
    assert_eq!(by(1), 0);
    assert!(
        by(0) > 0 && by(2) > 0,
        "both others take their share: {} and {}",
        by(0),
        by(2)
    );

    // Whoever has a copy hears of a change.
    for (round, key) in handed_on.iter().enumerate() {
        let new = round + 1;
        database.store(new, SeqCst);
        if round % 2 == 0 {
            nodes[2].group.delete(key).await.expect("all are told");
        } else {
            let value = format!("{new} by somebody");
            nodes[2].group.set(key, value).await.expect("all are told");
        }
        let value = group.get(key).await.expect("a value");
        assert!(
            value.bytes().starts_with(format!("{new} ").as_bytes()),
            "{round}: {value:?}"
        );
    }
    gate.send_replace(true);
    for load in first {
        assert!(load.await.expect("no panic").bytes().ends_with(b" by 1"));
    }
    // It has nothing to do any more, and is asked again.
    let value = group.get("later").await.expect("a value");
    let owner = addresses
        .iter()
        .position(|a| Some(a) == cache.owner("later").as_ref());
    assert!(
        value
            .bytes()
            .ends_with(format!(" by {}", owner.expect("somebody")).as_bytes())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_bound_every_key_is_its_owners() {
    let OneSlow {
        nodes,
        addresses,
        gate,
        ..
    } = one_slow(|peers| peers);
    let (cache, group) = (&nodes[0].cache, &nodes[0].group);
    let slow = (0..)
        .map(|n| format!("key {n}"))
        .filter(|key| cache.owner(key).as_ref() == Some(&addresses[1]));
    let loads: Vec<_> = slow
        .take(300)
        .map(|key| {
            let group = group.clone();
            tokio::spawn(async move { group.get(key).await.expect("a value") })
        })
        .collect();
    let asked = || nodes[1].group.stats().server_requests;
    while asked() < 300 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gate.send_replace(true);
    for load in loads {
        assert!(load.await.expect("no panic").bytes().ends_with(b" by 1"));
    }
}
