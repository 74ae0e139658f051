//! What a node tells of itself, to programs that watch.

mod cluster;

use std::sync::atomic::Ordering::SeqCst;

use cluster::RustNode;
use oxbridge_cache::Dialect;
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Asks a node as any HTTP client does; gives the status and the body.
async fn ask(node: &RustNode, target: &str, fields: &str) -> (u16, String) {
    let place = node.address.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(place)
        .await
        .expect("it listens");
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}Connection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it takes it");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head[9..12].parse().expect("a status");
    (status, body.to_owned())
}

fn cluster(dialect: Dialect) -> [RustNode; 2] {
    let nodes = [
        RustNode::start(dialect, |peers| peers),
        RustNode::start(dialect, |peers| peers),
    ];
    let addresses: Vec<&String> = nodes.iter().map(|node| &node.address).collect();
    for node in &nodes {
        node.cache.set_peers(&addresses).expect("good addresses");
    }
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_tells_what_it_is_and_does_in_every_dialect() {
    for dialect in [
        Dialect::Golang,
        Dialect::Mailgun,
        Dialect::GroupcacheGo,
        Dialect::Oxbridge,
    ] {
        let nodes = cluster(dialect);
        for n in 0..50 {
            nodes[0]
                .group
                .get(format!("key {n}"))
                .await
                .expect("a value");
        }
        let (status, body) = ask(&nodes[0], "/_groupcache/?snapshot", "").await;
        assert_eq!(status, 200, "{dialect:?}: {body}");
        let told: Json = serde_json::from_str(&body).expect("JSON");
        assert_eq!(told["dialect"], dialect.name());
        assert_eq!(told["node"], nodes[0].address);
        let group = &told["groups"][0];
        assert_eq!(group["stats"]["gets"], 50);
        let loads = group["stats"]["local_loads"].as_u64().expect("a number");
        let sum = |counts: &Json| -> u64 {
            let counts = counts["counts"].as_array().expect("numbers").iter();
            counts.map(|count| count.as_u64().expect("a number")).sum()
        };
        assert_eq!(sum(&group["getter"]), loads);
        assert_eq!(nodes[0].loads.load(SeqCst) as u64, loads);
        assert_eq!(sum(&group["peers"]), 50 - loads);
        let shares: f64 = told["nodes"]
            .as_array()
            .expect("nodes")
            .iter()
            .map(|node| node["share"].as_f64().expect("a number"))
            .sum();
        assert!((shares - 1.0).abs() < 1e-9);
        let other = &told["nodes"][1];
        assert_eq!(other["is_self"], false);
        assert_eq!(other["answers"], true);
        assert_eq!(other["answered"], 50 - loads);

        let (status, text) = ask(&nodes[0], "/_groupcache/?metrics", "").await;
        assert_eq!(status, 200);
        assert_eq!(text, nodes[0].cache.snapshot().prometheus());
        let name = nodes[0].group.name();
        assert!(text.contains(&format!(
            "oxbridge_cache_gets_total{{group=\"{name}\"}} 50\n"
        )));
        // What is neither is as wrong as it was.
        let (status, _) = ask(&nodes[0], "/_groupcache/?other", "").await;
        assert_eq!(status, 400, "{dialect:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_gone_is_seen_to_be() {
    let [one, other] = cluster(Dialect::Oxbridge);
    let gone = other.address.clone();
    let key = (0..)
        .map(|n| format!("{n}"))
        .find(|key| one.cache.owner(key).as_ref() == Some(&gone))
        .expect("it owns some");
    drop(other);
    one.group.get(&key).await.expect("it is loaded here");
    let told = one.cache.snapshot();
    let node = told.nodes.iter().find(|node| node.address == gone);
    let node = node.expect("it is in the list");
    assert!(!node.answers);
    assert!(node.failed > 0);
    assert!(
        told.prometheus()
            .contains(&format!("oxbridge_cache_node_up{{node=\"{gone}\"}} 0\n"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_is_asked_for() {
    let node = RustNode::start(Dialect::Oxbridge, |peers| peers.secret("s"));
    for what in ["snapshot", "metrics"] {
        let target = format!("/_groupcache/?{what}");
        assert_eq!(ask(&node, &target, "").await.0, 401);
        assert_eq!(
            ask(&node, &target, "Authorization: Bearer 74\r\n").await.0,
            401
        );
        // RFC 6750, the secret in hexadecimal.
        assert_eq!(
            ask(&node, &target, "Authorization: Bearer 73\r\n").await.0,
            200
        );
    }
}
