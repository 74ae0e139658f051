//! Clusters of Go nodes, built from the real packages, and Rust nodes.
//!
//! Needs Go 1.24 or newer, as `go` on `PATH` or in `OXBRIDGE_GO`; `OXBRIDGE_SKIP_GO=1` goes without.

#![expect(clippy::print_stdout, reason = "what is not run is said")]

mod cluster;
mod go_node;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use cluster::{RustNode, loaded};
use go_node::GoNode;
use oxbridge_cache::{Dialect, Kind};

const DIALECTS: [Dialect; 3] = [Dialect::Golang, Dialect::Mailgun, Dialect::GroupcacheGo];

/// Two Go nodes and two Rust nodes that know each other.
struct Mixed {
    go: [GoNode; 2],
    rust: [RustNode; 2],
}

fn mixed(dialect: Dialect) -> Option<Mixed> {
    if std::env::var_os("OXBRIDGE_SKIP_GO").is_some() {
        println!("NOT RUN: clusters with {dialect:?} (OXBRIDGE_SKIP_GO is set)");
        return None;
    }
    let patience = Duration::from_secs(20);
    let mut go = [GoNode::start(dialect), GoNode::start(dialect)];
    let rust = [
        RustNode::start(dialect, |peers| peers.timeout(patience)),
        RustNode::start(dialect, |peers| peers.timeout(patience)),
    ];
    let mut addresses: Vec<String> = go.iter().map(|node| node.address.clone()).collect();
    addresses.extend(rust.iter().map(|node| node.address.clone()));
    for node in &mut go {
        node.peers(&addresses);
    }
    for node in &rust {
        node.cache.set_peers(&addresses).expect("good addresses");
    }
    Some(Mixed { go, rust })
}

impl Mixed {
    /// What the getter of a key's owner gives, and how many keys each side has loaded.
    fn value_by_owner(&self, key: &[u8]) -> Vec<u8> {
        let owner = self.rust[0].cache.owner(key).expect("there are peers");
        let name = if self.go.iter().any(|node| node.address == owner) {
            "go"
        } else {
            "rust"
        };
        loaded(name, key)
    }

    fn loads(&mut self) -> usize {
        let go: usize = self.go.iter_mut().map(GoNode::loads).sum();
        let rust = self.rust.iter().map(|node| node.loads.load(SeqCst));
        go + rust.sum::<usize>()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_has_the_same_owner_on_both_sides() {
    for dialect in DIALECTS {
        let Some(mut cluster) = mixed(dialect) else {
            return;
        };
        for prefix in ["", "key-", "a/b c+%"] {
            let theirs = cluster.go[0].owners(prefix, 10_000);
            assert_eq!(theirs.len(), 10_000);
            for (i, owner) in theirs.iter().enumerate() {
                let key = format!("{prefix}{i}");
                let ours = cluster.rust[0].cache.owner(&key);
                assert_eq!(ours.as_ref(), Some(owner), "{dialect:?} {key:?}");
            }
        }
    }
}

/// Keys that a path may get wrong, and that are on every side of the cluster.
fn keys(dialect: Dialect) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = (0..60).map(|i| format!("key {i}").into_bytes()).collect();
    for key in [
        "a b/c,d",
        "1+1=2",
        "100%",
        "%2F",
        "a?b#c;d",
        "..",
        "../..",
        "a//b",
        "a/",
        "/",
        "h\u{e9}llo",
        "\u{1F600}",
        "tab\tand\nline",
        "$&:=@",
        "nul\0",
    ] {
        for i in 0..4 {
            // Several of each, so that both sides own some.
            keys.push(format!("{key}{i}").into_bytes());
            keys.push(format!("{i}{key}").into_bytes());
        }
    }
    keys.extend(["..", ".", "a//b", "a/", "/", " "].map(|key| key.as_bytes().to_vec()));
    if dialect != Dialect::GroupcacheGo {
        for i in 0..8 {
            keys.push(vec![0xff, 0xfe, i]);
        }
    }
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_is_loaded_once_by_its_owner_and_arrives_whole() {
    for dialect in DIALECTS {
        let Some(mut cluster) = mixed(dialect) else {
            return;
        };
        let keys = keys(dialect);
        for key in &keys {
            let expected = cluster.value_by_owner(key);
            let owner = cluster.rust[0].cache.owner(key).expect("there are peers");
            let to_rust = cluster.rust.iter().any(|node| node.address == owner);
            for node in &cluster.rust {
                let value = node.group.get(key).await;
                let value = value.unwrap_or_else(|e| panic!("{dialect:?} {key:?}: {e}"));
                assert_eq!(value.bytes(), &expected, "{dialect:?} {key:?}");
            }
            for i in 0..2 {
                // A Go server of version 1 takes the "+" that a Go client of version 1 writes for a space
                // for a "+". Ours does not.
                let misread = dialect == Dialect::Golang && !to_rust && key.contains(&b' ');
                let value = cluster.go[i].get(key).value();
                if !misread || cluster.go[i].address == owner {
                    assert_eq!(value, expected, "{dialect:?} {key:?}");
                }
            }
        }
        let spaced = keys.iter().filter(|key| key.contains(&b' ')).count();
        let loads = cluster.loads();
        if dialect == Dialect::Golang {
            assert!(
                (keys.len()..=keys.len() + spaced).contains(&loads),
                "{loads}"
            );
        } else {
            assert_eq!(loads, keys.len(), "{dialect:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_owner_says_of_a_key_without_a_value_is_said_everywhere() {
    for dialect in DIALECTS {
        let Some(mut cluster) = mixed(dialect) else {
            return;
        };
        for i in 0..20 {
            for (what, text) in [
                ("missing", "no such thing"),
                ("broken", "the getter is broken"),
            ] {
                let key = format!("{what}-{i}");
                let error = cluster.rust[0].group.get(&key).await;
                let error = error.expect_err("it has no value");
                assert!(
                    error.to_string().contains(text),
                    "{dialect:?} {key}: {error}"
                );
                assert_eq!(error.is_not_found(), what == "missing", "{dialect:?} {key}");
                let told = cluster.go[0].get(key.as_bytes());
                assert!(
                    told.error.contains(text),
                    "{dialect:?} {key}: {}",
                    told.error
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_side_sets_the_other_gets_and_what_it_removes_is_loaded_anew() {
    for dialect in [Dialect::Mailgun, Dialect::GroupcacheGo] {
        let Some(mut cluster) = mixed(dialect) else {
            return;
        };
        for i in 0..20 {
            let key = format!("a b/{i}+%");
            let bytes: Vec<u8> = (0..=255).collect();
            // By Rust.
            let set = cluster.rust[0].group.set(&key, bytes.clone()).await;
            set.unwrap_or_else(|e| panic!("{dialect:?} {key}: {e}"));
            assert_eq!(cluster.go[1].get(key.as_bytes()).value(), bytes);
            let value = cluster.rust[1].group.get(&key).await.expect("it is set");
            assert_eq!(value.bytes(), &bytes);
            let deleted = cluster.rust[1].group.delete(&key).await;
            deleted.unwrap_or_else(|e| panic!("{dialect:?} {key}: {e}"));
            let expected = cluster.value_by_owner(key.as_bytes());
            assert_eq!(cluster.go[1].get(key.as_bytes()).value(), expected);
            let value = cluster.rust[0].group.get(&key).await.expect("it loads");
            assert_eq!(value.bytes(), &expected);

            // By Go.
            let told = cluster.go[0].remove(key.as_bytes());
            assert_eq!(told.error, "", "{dialect:?} {key}");
            let told = cluster.go[0].set(key.as_bytes(), b"by Go");
            assert_eq!(told.error, "", "{dialect:?} {key}");
            for node in &cluster.rust {
                assert_eq!(node.group.get(&key).await.expect("set").bytes(), "by Go");
            }
            let told = cluster.go[1].remove(key.as_bytes());
            assert_eq!(told.error, "", "{dialect:?} {key}");
            for node in &cluster.rust {
                let value = node.group.get(&key).await.expect("it loads");
                assert_eq!(value.bytes(), &expected, "{dialect:?} {key}");
            }
        }
        let many: Vec<String> = (0..20).map(|i| format!("a b/{i}+%")).collect();
        let before = cluster.loads();
        let deleted = cluster.rust[0].group.delete_many(&many).await;
        deleted.unwrap_or_else(|e| panic!("{dialect:?}: {e}"));
        for key in &many {
            cluster.go[0].get(key.as_bytes()).value();
        }
        assert_eq!(cluster.loads(), before + many.len(), "{dialect:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn golang_groupcache_has_no_set_and_no_delete() {
    let Some(cluster) = mixed(Dialect::Golang) else {
        return;
    };
    let theirs = (0..)
        .map(|i| format!("key-{i}"))
        .find(|key| cluster.rust[0].cache.owner(key).as_ref() != Some(&cluster.rust[0].address))
        .expect("the others own some");
    let group = &cluster.rust[0].group;
    for outcome in [group.set(&theirs, "v").await, group.delete(&theirs).await] {
        let error = outcome.expect_err("there is no such request");
        assert!(matches!(error.kind(), Kind::Unsupported(_)), "{error}");
    }
}
