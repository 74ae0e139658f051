//! A second tier whose network fails, whose master dies, and which is a cluster.
//!
//! Needs redis-server or valkey-server: see `second_tier.rs`.

mod engine;
mod tiered;

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use engine::{Engine, Network, PATIENCE, Proxy, eventually, free_port, is_skipped, until};
use oxbridge_cache::{Dialect, Instance, Invalidation, Peers, Redis, Source, Tier};
use tiered::Process;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_network_fails_nothing_old_is_given_past_the_bound() {
    if is_skipped("when_the_network_fails_nothing_old_is_given_past_the_bound") {
        return;
    }
    let engine = Engine::start();
    let direct = Redis::single(&engine.url()).expect("a URL");
    for (network, invalidation) in [
        (Network::Hangs, Invalidation::PubSub),
        (Network::Broken, Invalidation::PubSub),
        (Network::Hangs, Invalidation::Tracking),
    ] {
        let proxy = Proxy::to(engine.port).await;
        let bound = Duration::from_millis(300);
        let behind = Redis::single(&proxy.url())
            .expect("a URL")
            .max_stale(bound)
            .timeout(Duration::from_millis(200))
            .invalidation(invalidation);
        let direct = direct.clone().invalidation(invalidation);
        let (cut_off, well) = (Process::start(&behind).await, Process::start(&direct).await);
        well.group.set("k", "old").await.expect("it is set");
        until("both have it", async || {
            cut_off.group.get("k").await.expect("a value").bytes() == "old"
                && cut_off.group.peek("k").is_some()
        })
        .await;

        proxy.becomes(network);
        let changed = Instant::now();
        well.group.set("k", "new").await.expect("it is set");
        let mut last_old = Duration::ZERO;
        while cut_off.tier.is_listening() {
            let asked = changed.elapsed();
            assert!(asked < PATIENCE, "memory is believed for ever");
            if cut_off
                .group
                .peek("k")
                .is_some_and(|value| value.bytes() == "old")
            {
                last_old = asked;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // The bound is the clock's own: what is measured here is that it was held.
        assert!(last_old <= bound, "old after {last_old:?}");
        for _ in 0..5 {
            assert!(cut_off.group.peek("k").is_none());
            let value = cut_off.group.get("k").await.expect("it is loaded");
            assert_ne!(value.bytes(), "old");
        }
        assert!(
            cut_off.group.set("k", "lost").await.is_err(),
            "it cannot be known"
        );

        proxy.becomes(Network::Works);
        until("changes are told again", async || {
            cut_off.tier.is_listening()
        })
        .await;
        until("the engine is asked again", async || {
            let value = cut_off.group.get("k").await.expect("a value");
            // What hung may have arrived after all, and nobody was told that it had not.
            value.bytes() == "new" || value.bytes() == "lost"
        })
        .await;
        well.group.delete("k").await.expect("it is deleted");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_do_not_join_a_load_from_before_the_network_failed() {
    if is_skipped("callers_do_not_join_a_load_from_before_the_network_failed") {
        return;
    }
    let engine = Engine::start();
    let proxy = Proxy::to(engine.port).await;
    let settings = Redis::single(&proxy.url())
        .expect("a URL")
        .max_stale(Duration::from_millis(500))
        .timeout(Duration::from_millis(500));
    let process = Process::start(&settings).await;
    process.gate.close();
    let group = process.group.clone();
    let slow = tokio::spawn(async move { group.get("k").await.expect("a value") });
    until("the load is under way", async || {
        process.loads.load(SeqCst) == 1
    })
    .await;
    proxy.becomes(Network::Broken);
    until("memory is not believed", async || {
        !process.tier.is_listening()
    })
    .await;
    let group = process.group.clone();
    let later = tokio::spawn(async move { group.get("k").await.expect("a value") });
    until("a second load has begun", async || {
        process.loads.load(SeqCst) == 2
    })
    .await;
    process.gate.open();
    let (slow, later) = (
        slow.await.expect("no panic"),
        later.await.expect("no panic"),
    );
    assert_ne!(slow, later);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_say_who_the_master_is() {
    if is_skipped("sentinels_say_who_the_master_is") {
        return;
    }
    let first = Engine::start();
    let replica = Engine::on(
        free_port(),
        &[&format!("replicaof 127.0.0.1 {}", first.port)],
    );
    eventually("the replica follows", || {
        replica
            .order("INFO replication")
            .contains("master_link_status:up")
    });
    let watch = format!("sentinel monitor main 127.0.0.1 {} 1", first.port);
    let sentinel = Engine::sentinel(
        free_port(),
        &[
            &watch,
            "sentinel down-after-milliseconds main 500",
            "sentinel failover-timeout main 3000",
        ],
    );
    eventually("the sentinel knows the replica", || {
        let known = sentinel.order("SENTINEL replicas main");
        known.contains(&replica.port.to_string())
    });
    let settings = Redis::sentinel([sentinel.url()], "main").expect("a URL");
    let [one, other] = Process::two(&settings).await;
    one.group.set("k", "before").await.expect("it is set");
    until("the other has it", async || {
        other.group.get("k").await.expect("a value").bytes() == "before"
    })
    .await;
    eventually("the replica has it", || {
        replica.order("EXISTS oxbridge/values/k").starts_with(":1")
    });

    drop(first);
    until("there is a new master", async || {
        one.group.set("k", "after").await.is_ok()
    })
    .await;
    until("changes are told again", async || other.tier.is_listening()).await;
    until("the other has it", async || {
        other.group.get("k").await.expect("a value").bytes() == "after"
    })
    .await;
    assert!(replica.order("EXISTS oxbridge/values/k").starts_with(":1"));
}

/// Three masters that share the slots.
fn cluster() -> Vec<Engine> {
    let lines = [
        "cluster-enabled yes",
        "cluster-config-file nodes.conf",
        "cluster-node-timeout 5000",
    ];
    let nodes: Vec<Engine> = (0..3)
        .map(|_| {
            // The cluster's own port is the other one and 10,000.
            let mut port = free_port();
            while port > 50_000 {
                port = free_port();
            }
            Engine::on(port, &lines)
        })
        .collect();
    for (node, slots) in nodes.iter().zip(["0 5460", "5461 10922", "10923 16383"]) {
        node.order(&format!("CLUSTER ADDSLOTSRANGE {slots}"));
        nodes[0].order(&format!("CLUSTER MEET 127.0.0.1 {}", node.port));
    }
    for node in &nodes {
        eventually("the cluster is whole", || {
            let info = node.order("CLUSTER INFO");
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        });
    }
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_spread_over_a_cluster() {
    if is_skipped("keys_are_spread_over_a_cluster") {
        return;
    }
    let nodes = cluster();
    let settings = Redis::cluster([nodes[0].url()]).expect("a URL");
    let [one, other] = Process::two(&settings).await;
    let keys: Vec<String> = (0..60).map(|n| format!("key {n}")).collect();
    for key in &keys {
        let value = one.group.get(key).await.expect("a value");
        assert_eq!(other.group.get(key).await.expect("a value"), value, "{key}");
    }
    assert_eq!(other.loads.load(SeqCst), 0);
    for node in &nodes {
        let size = node.order("DBSIZE");
        let size: usize = size
            .trim()
            .trim_start_matches(':')
            .parse()
            .expect("a number");
        assert!((5..50).contains(&size), "{size} of 60 keys on one node");
    }
    for key in &keys {
        one.group.set(key, "new").await.expect("it is set");
    }
    for key in &keys {
        until("the other has the new value", async || {
            other.group.get(key).await.expect("a value").bytes() == "new"
        })
        .await;
    }
    other
        .group
        .delete_many(&keys)
        .await
        .expect("they are deleted");
    let again = one.group.get_many(&keys).await;
    assert!(again.into_iter().all(|value| value.is_ok()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_register_themselves() {
    if is_skipped("nodes_register_themselves") {
        return;
    }
    let engine = Engine::start();
    let every = Duration::from_millis(100);
    let node = |name: &str| {
        let cache = Instance::with_peers(Peers::new(Dialect::Oxbridge, name));
        let tier = Tier::new(Redis::single(&engine.url()).expect("a URL")).expect("good settings");
        let following = cache.follow(Source::Registry(tier), every);
        (cache, following)
    };
    let owners = |cache: &Instance| {
        let mut owners: Vec<String> = (0..500)
            .filter_map(|n| cache.owner(format!("{n}")))
            .collect();
        owners.sort();
        owners.dedup();
        owners
    };
    let (a, _a) = node("http://a:1");
    let (b, b_follows) = node("http://b:1");
    for cache in [&a, &b] {
        until("both know both", async || {
            owners(cache) == ["http://a:1", "http://b:1"]
        })
        .await;
    }
    // One that crashed some time ago, and one that has just registered and never comes back.
    engine.order("ZADD oxbridge:nodes 1 http://long-dead:1");
    let soon = engine.order("TIME");
    let seconds: u64 = soon
        .split("\r\n")
        .nth(2)
        .and_then(|s| s.parse().ok())
        .expect("a time");
    engine.order(&format!(
        "ZADD oxbridge:nodes {} http://c:1",
        (seconds + 2) * 1000
    ));
    until("the third is there", async || {
        owners(&a).contains(&"http://c:1".to_owned())
    })
    .await;
    assert!(!owners(&a).contains(&"http://long-dead:1".to_owned()));
    until("the third has fallen out", async || {
        owners(&a) == ["http://a:1", "http://b:1"]
    })
    .await;
    // One that leaves.
    drop(b_follows);
    until("the second has left", async || owners(&a) == ["http://a:1"]).await;
    // Nobody is thrown out because the registry is gone.
    drop(engine);
    tokio::time::sleep(every * 5).await;
    assert_eq!(owners(&a), ["http://a:1"]);
}
