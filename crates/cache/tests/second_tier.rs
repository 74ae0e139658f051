//! A Valkey or Redis behind the memory of several instances.
//!
//! Needs redis-server or valkey-server, on `PATH` or in `OXBRIDGE_REDIS_SERVER`; `OXBRIDGE_SKIP_REDIS=1` goes
//! without.

mod engine;
mod tiered;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use engine::{Engine, is_skipped, until};
use oxbridge_cache::{Dialect, Instance, Invalidation, Kind, Peers, Redis, Tier};
use tiered::Process;

const BOTH: [Invalidation; 2] = [Invalidation::PubSub, Invalidation::Tracking];

fn single(engine: &Engine) -> Redis {
    Redis::single(&engine.url()).expect("a URL")
}

/// A cache of its own for each way of being told.
fn told_by(engine: &Engine, invalidation: Invalidation) -> Redis {
    single(engine)
        .prefix(format!("{invalidation:?}"))
        .invalidation(invalidation)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_has_loaded_the_others_read() {
    if is_skipped("what_one_has_loaded_the_others_read") {
        return;
    }
    let engine = Engine::start();
    for invalidation in BOTH {
        let settings = told_by(&engine, invalidation);
        let [one, other] = Process::two(&settings).await;
        let strange: Vec<Vec<u8>> = vec![b"".to_vec(), b"a/b c".to_vec(), (0..=255).collect()];
        for key in &strange {
            let value = one.group.get(key).await.expect("a value");
            assert_eq!(other.group.get(key).await.expect("a value"), value);
        }
        assert_eq!(one.loads.load(SeqCst), strange.len());
        assert_eq!(other.loads.load(SeqCst), 0);
        assert_eq!(other.group.stats().tier_hits, strange.len() as u64);

        for _ in 0..2 {
            let missing = other.group.get("missing").await.expect_err("there is none");
            assert!(missing.is_not_found(), "{missing}");
            assert_eq!(missing.to_string(), "no missing");
            let missing = one.group.get("missing").await.expect_err("there is none");
            assert_eq!(missing.to_string(), "no missing", "the words are kept, too");
        }
        assert_eq!(
            one.loads.load(SeqCst) + other.loads.load(SeqCst),
            strange.len() + 1
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_reaches_the_memory_of_the_others() {
    if is_skipped("a_change_reaches_the_memory_of_the_others") {
        return;
    }
    let engine = Engine::start();
    for invalidation in BOTH {
        let settings = told_by(&engine, invalidation);
        let [one, other] = Process::two(&settings).await;
        let (one, other) = (&one.group, &other.group);
        for round in 0..20 {
            let new = format!("value {round}");
            one.set("k", new.clone()).await.expect("it is set");
            assert_eq!(
                one.get("k").await.expect("a value").bytes(),
                &new,
                "here at once"
            );
            until("the other has the new value", async || {
                other.get("k").await.expect("a value").bytes() == new.as_bytes()
            })
            .await;
            other
                .delete_many(["k", "l"])
                .await
                .expect("they are deleted");
            let loaded = other.get("k").await.expect("a value");
            assert!(loaded.bytes().starts_with(b"k loaded"), "{loaded:?}");
            until("the one has what was loaded", async || {
                one.get("k").await.expect("a value") == loaded
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_under_way_does_not_undo_a_change() {
    if is_skipped("a_load_under_way_does_not_undo_a_change") {
        return;
    }
    let engine = Engine::start();
    let settings = single(&engine);
    let [one, other] = Process::two(&settings).await;
    for (round, deletes, deleted_before) in [
        (0, true, false),
        (1, false, false),
        (2, true, true),
        (3, false, true),
    ] {
        let key = format!("slow {round}");
        if deleted_before {
            // The load begins with the mark of a deletion in the engine.
            other.group.delete(&key).await.expect("it is deleted");
        }
        one.gate.close();
        let before = one.loads.load(SeqCst);
        let group = one.group.clone();
        let asked = key.clone();
        let load = tokio::spawn(async move { group.get(asked).await.expect("a value") });
        until("the load is under way", async || {
            one.loads.load(SeqCst) > before
        })
        .await;
        if deletes {
            other.group.delete(&key).await.expect("it is deleted");
        } else {
            other
                .group
                .set(&key, "set meanwhile")
                .await
                .expect("it is set");
        }
        one.gate.open();
        let old = load.await.expect("it does not panic");
        // Neither memory nor the engine has what the load gave.
        let third = Process::start(&settings).await;
        for process in [&third, &one, &other] {
            let value = process.group.get(&key).await.expect("a value");
            assert_ne!(value, old, "round {round}");
            if !deletes {
                assert_eq!(value.bytes(), "set meanwhile");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_a_change_has_overtaken_is_not_kept_even_before_the_change_is_told() {
    if is_skipped("a_load_that_a_change_has_overtaken_is_not_kept_even_before_the_change_is_told") {
        return;
    }
    let engine = Engine::start();
    let process = Process::start(&single(&engine)).await;
    process.gate.close();
    let group = process.group.clone();
    let load = tokio::spawn(async move { group.get("k").await.expect("a value") });
    until("the load is under way", async || {
        process.loads.load(SeqCst) == 1
    })
    .await;
    // A change that nobody tells.
    engine.order(r#"SET oxbridge/values/k "oxc1v\x00\x00\x00\x00\x00\x00\x00\x00changed""#);
    process.gate.open();
    let old = load.await.expect("it does not panic");
    assert_ne!(old.bytes(), "changed");
    assert!(process.group.peek("k").is_none());
    assert_eq!(
        process.group.get("k").await.expect("a value").bytes(),
        "changed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_expire_in_the_engine_and_here_at_the_same_time() {
    if is_skipped("values_expire_in_the_engine_and_here_at_the_same_time") {
        return;
    }
    let engine = Engine::start();
    let settings = single(&engine);
    let [one, other] = Process::two(&settings).await;
    let short = oxbridge_cache::Value::new("short").with_ttl(Duration::from_millis(800));
    one.group.set("k", short.clone()).await.expect("it is set");
    let left = engine.order("PTTL oxbridge/values/k");
    let left: i64 = left
        .trim()
        .trim_start_matches(':')
        .parse()
        .expect("a number");
    assert!((0..=800).contains(&left), "{left}");
    if let Ok(value) = other.group.get("k").await
        && value.bytes() == "short"
    {
        assert_eq!(value.expires(), short.expires());
    }
    until("it is over", async || {
        other.group.get("k").await.expect("a value").bytes() != "short"
    })
    .await;
    let loaded = other.group.get("k").await.expect("a value");
    assert_eq!(one.group.get("k").await.expect("a value"), loaded);
    // What has expired takes the place of what is there all the same.
    let over = oxbridge_cache::Value::new("over").with_ttl(Duration::ZERO);
    one.group.set("k", over).await.expect("it is set");
    assert_ne!(one.group.get("k").await.expect("a value"), loaded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_programs_may_change_keys() {
    if is_skipped("other_programs_may_change_keys") {
        return;
    }
    let engine = Engine::start();
    let mut foreign = redis::Client::open(engine.url())
        .and_then(|client| client.get_connection())
        .expect("a connection");
    // As the guide says: the envelope of a value that is good for ever.
    let value = [&b"oxc1v"[..], &[0; 8], b"foreign"].concat();
    for invalidation in BOTH {
        let prefix = format!("{invalidation:?}");
        let settings = single(&engine).prefix(&prefix).invalidation(invalidation);
        let process = Process::start(&settings).await;
        let group = &process.group;
        let loaded = group.get("k").await.expect("a value");
        let place = format!("{prefix}/values/k");
        let mut change = |command: &mut redis::Cmd| {
            command
                .query::<redis::Value>(&mut foreign)
                .expect("it is done");
            if invalidation == Invalidation::PubSub {
                let channel = format!("{prefix}:invalidate");
                let mut tell = redis::cmd("PUBLISH");
                tell.arg(channel).arg("/values/k");
                tell.query::<redis::Value>(&mut foreign)
                    .expect("it is told");
            }
        };
        change(redis::cmd("SET").arg(&place).arg(&value));
        until("the foreign value is here", async || {
            group.get("k").await.expect("a value").bytes() == "foreign"
        })
        .await;
        change(redis::cmd("DEL").arg(&place));
        until("it is gone", async || {
            group.get("k").await.expect("a value").bytes() != "foreign"
        })
        .await;
        assert_ne!(group.get("k").await.expect("a value"), loaded);

        // What is no entry is as good as nothing, and is replaced.
        let before = process.loads.load(SeqCst);
        change(redis::cmd("SET").arg(&place).arg("garbage"));
        until("it is loaded anew", async || {
            group.get("k").await.expect("a value");
            process.loads.load(SeqCst) > before
        })
        .await;
        until("it is stored", async || {
            let there: Vec<u8> = redis::cmd("GET")
                .arg(&place)
                .query(&mut foreign)
                .expect("bytes");
            there.starts_with(b"oxc1v")
        })
        .await;
        // Of the wrong type: an error of the engine, which is no hindrance to reading.
        redis::pipe()
            .del(&place)
            .rpush(&place, "x")
            .exec(&mut foreign)
            .expect("a list");
        group.clear();
        group.get("k").await.expect("a value");
        assert!(group.stats().tier_errors > 0, "{:?}", group.stats());
        if invalidation == Invalidation::Tracking {
            group.get("all").await.expect("a value");
            redis::cmd("FLUSHALL")
                .exec(&mut foreign)
                .expect("it is done");
            until("all is forgotten", async || group.peek("all").is_none()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_cannot_go_together_are_refused_in_words() {
    let wrong = |settings: Redis| Tier::new(settings).expect_err("refused").to_string();
    let single = || Redis::single("redis://127.0.0.1:1").expect("a URL");
    assert!(wrong(single().prefix("a/b")).contains("\"a/b\""));
    assert!(wrong(single().prefix("")).contains("\"\""));
    let cluster = Redis::cluster(["redis://127.0.0.1:1"]).expect("a URL");
    assert!(wrong(cluster.invalidation(Invalidation::Tracking)).contains("pub/sub"));
    let none: [&str; 0] = [];
    assert!(
        Redis::cluster(none)
            .expect_err("none")
            .to_string()
            .contains("cluster node")
    );
    let error = Redis::single("http://user:password@host")
        .expect_err("no URL")
        .to_string();
    assert!(
        error.contains("\"http\"") && !error.contains("password"),
        "{error}"
    );

    let tier = Tier::new(single()).expect("good settings");
    let among_go = Instance::with_peers(Peers::new(Dialect::Mailgun, "http://a:1"));
    let refused = among_go
        .group("g")
        .second_tier(&tier)
        .getter(tiered::nothing)
        .expect_err("refused");
    assert!(refused.to_string().contains("Mailgun"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_engine_values_are_loaded_and_changes_refused() {
    if is_skipped("without_an_engine_values_are_loaded_and_changes_refused") {
        return;
    }
    let port = engine::free_port();
    let url = format!("redis://127.0.0.1:{port}");
    let settings = Redis::single(&url)
        .expect("a URL")
        .timeout(Duration::from_millis(300));
    let process = Process::unheard(&settings);
    let group = &process.group;
    for n in 1..=3 {
        // Memory is not believed, so each is a load.
        assert!(group.get("k").await.is_ok());
        assert_eq!(process.loads.load(SeqCst), n);
    }
    assert_eq!(group.stats().tier_errors, 3);
    for refused in [group.set("k", "v").await, group.delete("k").await] {
        let error = refused.expect_err("nobody is there");
        assert!(matches!(error.kind(), Kind::Tier { .. }), "{error}");
        assert!(error.to_string().contains(&port.to_string()), "{error}");
    }
    let _engine = Engine::on(port, &[]);
    until("it is set", async || group.set("k", "v").await.is_ok()).await;
    until("it is listening", async || process.tier.is_listening()).await;
    assert_eq!(group.get("k").await.expect("a value").bytes(), "v");
    let before = process.loads.load(SeqCst);
    until("memory is believed", async || {
        let hits = group.stats().cache_hits;
        group.get("k").await.expect("a value");
        group.stats().cache_hits > hits
    })
    .await;
    assert_eq!(process.loads.load(SeqCst), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_half_done_leaves_nothing_older_in_memory() {
    if is_skipped("a_change_that_is_half_done_leaves_nothing_older_in_memory") {
        return;
    }
    let engine = Engine::start();
    let process = Process::start(&single(&engine)).await;
    let group = &process.group;
    let loaded = group.get("k").await.expect("a value");
    until("it is in memory", async || group.peek("k").is_some()).await;
    // The engine takes the value, and then does not let us tell of it.
    engine.order("ACL SETUSER default -publish");
    let refused = group
        .set("k", "new")
        .await
        .expect_err("the others are not told");
    assert!(matches!(refused.kind(), Kind::Tier { .. }), "{refused}");
    assert_eq!(group.get("k").await.expect("a value").bytes(), "new");
    let refused = group
        .delete("k")
        .await
        .expect_err("the others are not told");
    assert!(matches!(refused.kind(), Kind::Tier { .. }), "{refused}");
    let after = group.get("k").await.expect("a value");
    assert!(
        after.bytes().starts_with(b"k loaded") && after != loaded,
        "{after:?}"
    );
}
