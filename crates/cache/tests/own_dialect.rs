//! Clusters of Oxbridge nodes: bulk requests, secrets, certificates.

mod cluster;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
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
    let mut nodes = three(|peers| peers.timeout(Duration::from_millis(500)));
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
