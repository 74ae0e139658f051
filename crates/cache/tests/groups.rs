//! Groups of one process: loads, bounds, expiry, set and delete.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use oxbridge_cache::{Error, Event, Group, GroupError, Instance, Kind, Value};
use tokio::sync::{Notify, Semaphore, oneshot};

/// A getter that counts, and gives `<key>#<how many loads>`.
fn counting(cache: &Instance, name: &str) -> (Group, Arc<AtomicUsize>) {
    let loads = Arc::new(AtomicUsize::new(0));
    let counter = loads.clone();
    let group = cache.group(name).getter(move |key: Bytes| {
        let load = counter.fetch_add(1, SeqCst) + 1;
        async move {
            let mut value = key.to_vec();
            value.extend_from_slice(format!("#{load}").as_bytes());
            Ok(Value::new(value))
        }
    });
    (group.expect("the group is new"), loads)
}

#[tokio::test]
async fn a_key_is_loaded_once_and_then_known() {
    let cache = Instance::new();
    let (group, loads) = counting(&cache, "g");
    for _ in 0..10 {
        assert_eq!(group.get("k").await.expect("it loads").bytes(), "k#1");
    }
    assert_eq!(loads.load(SeqCst), 1);
    let stats = group.stats();
    assert_eq!((stats.gets, stats.cache_hits, stats.loads), (10, 9, 1));
    assert_eq!((stats.main.items, stats.main.bytes), (1, 4));
}

#[tokio::test]
async fn any_bytes_are_a_key_and_a_value() {
    let cache = Instance::new();
    let (group, _) = counting(&cache, "g");
    for key in [&b""[..], b"\0", b"\xff\xfe", "h\u{e9} llo/..".as_bytes()] {
        let value = group.get(key).await.expect("it loads");
        assert!(value.bytes().starts_with(key), "{key:?}");
        assert_eq!(group.peek(key), Some(value));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_who_ask_at_once_share_one_load() {
    let cache = Instance::new();
    let (gate, loads) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (wait, count) = (gate.clone(), loads.clone());
    let group = cache.group("g").getter(move |key: Bytes| {
        count.fetch_add(1, SeqCst);
        let wait = wait.clone();
        async move {
            wait.notified().await;
            Ok(Value::new(key))
        }
    });
    let group = group.expect("the group is new");
    let callers: Vec<_> = (0..10_000)
        .map(|_| {
            let group = group.clone();
            tokio::spawn(async move { group.get("k").await })
        })
        .collect();
    while group.stats().gets < 10_000 {
        tokio::task::yield_now().await;
    }
    gate.notify_one();
    for caller in callers {
        let value = caller.await.expect("no caller panics");
        assert_eq!(value.expect("it loads").bytes(), "k");
    }
    assert_eq!(loads.load(SeqCst), 1);
    assert_eq!(group.stats().loads_deduped, 9_999);
}

#[tokio::test]
async fn a_first_caller_who_gives_up_takes_nothing_from_the_others() {
    let cache = Instance::new();
    let gate = Arc::new(Semaphore::new(0));
    let wait = gate.clone();
    let group = cache.group("g").getter(move |key: Bytes| {
        let wait = wait.clone();
        async move {
            wait.acquire().await.map_err(Error::getter)?.forget();
            Ok(Value::new(key))
        }
    });
    let group = group.expect("the group is new");
    let first = tokio::spawn({
        let group = group.clone();
        async move { group.get("k").await }
    });
    while group.stats().loads == 0 {
        tokio::task::yield_now().await;
    }
    first.abort();
    let _ = first.await;
    let second = tokio::spawn({
        let group = group.clone();
        async move { group.get("k").await }
    });
    while group.stats().loads_deduped == 0 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    let value = second.await.expect("no caller panics").expect("it loads");
    assert_eq!(value.bytes(), "k");
    assert_eq!(group.stats().local_loads, 1);
}

#[tokio::test]
async fn an_error_is_told_to_all_who_wait_and_the_next_one_tries_again() {
    let cache = Instance::new();
    let loads = Arc::new(AtomicUsize::new(0));
    let count = loads.clone();
    let group = cache.group("g").getter(move |_: Bytes| {
        let load = count.fetch_add(1, SeqCst);
        async move {
            tokio::task::yield_now().await;
            match load {
                0 => Err(Error::getter("the database is away")),
                1 => panic!("what a getter should not do"),
                _ => Ok(Value::new("v")),
            }
        }
    });
    let group = group.expect("the group is new");
    for outcome in group.get_many(["k", "k", "k"]).await {
        let error = outcome.expect_err("the first load fails");
        assert_eq!(error.to_string(), "the database is away");
    }
    let error = group.get("k").await.expect_err("the second load panics");
    assert!(matches!(error.kind(), Kind::Panicked(what) if what == "what a getter should not do"));
    assert_eq!(group.get("k").await.expect("the third loads").bytes(), "v");
    assert_eq!(loads.load(SeqCst), 3);
    assert_eq!(group.stats().local_load_errs, 2);
}

#[tokio::test]
async fn what_expires_is_loaded_anew() {
    let cache = Instance::new();
    let loads = Arc::new(AtomicUsize::new(0));
    let count = loads.clone();
    let group = cache.group("g").getter(move |_: Bytes| {
        let load = count.fetch_add(1, SeqCst);
        async move { Ok(Value::new(load.to_string()).with_ttl(Duration::ZERO)) }
    });
    let group = group.expect("the group is new");
    assert_eq!(group.get("k").await.expect("it loads").bytes(), "0");
    assert_eq!(group.peek("k"), None);
    assert_eq!(group.get("k").await.expect("it loads").bytes(), "1");
}

#[tokio::test]
async fn what_has_expired_is_given_while_one_load_brings_a_new_one() {
    let cache = Instance::new();
    let (told, tell) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (done, count) = (told.clone(), tell.clone());
    let group = cache
        .group("g")
        .stale_for(Duration::from_secs(3600))
        .getter(move |_: Bytes| {
            let load = count.fetch_add(1, SeqCst);
            let done = done.clone();
            async move {
                let value = Value::new(load.to_string());
                if load == 0 {
                    return Ok(value.with_ttl(Duration::ZERO));
                }
                done.notified().await;
                Ok(value)
            }
        });
    let group = group.expect("the group is new");
    assert_eq!(group.get("k").await.expect("it loads").bytes(), "0");
    for _ in 0..5 {
        assert_eq!(group.get("k").await.expect("it is stale").bytes(), "0");
    }
    let mut events = group.events();
    told.notify_one();
    assert_eq!(events.recv().await, Ok(Event::Loaded(Bytes::from("k"))));
    assert_eq!(group.get("k").await.expect("it is fresh").bytes(), "1");
    assert_eq!(group.stats().stale_hits, 5);
    assert_eq!(tell.load(SeqCst), 2, "five asked, one loaded");
}

#[tokio::test]
async fn that_there_is_no_such_thing_may_be_remembered() {
    let cache = Instance::new();
    let loads = Arc::new(AtomicUsize::new(0));
    for (name, remember, expected) in [("forgets", None, 2), ("remembers", Some(60), 1)] {
        loads.store(0, SeqCst);
        let count = loads.clone();
        let mut group = cache.group(name);
        if let Some(seconds) = remember {
            group = group.negative_ttl(Duration::from_secs(seconds));
        }
        let group = group.getter(move |_: Bytes| {
            count.fetch_add(1, SeqCst);
            async { Err(Error::not_found("no such page")) }
        });
        let group = group.expect("the group is new");
        for _ in 0..2 {
            let error = group.get("k").await.expect_err("there is none");
            assert!(error.is_not_found(), "{error}");
            assert_eq!(error.to_string(), "no such page");
        }
        assert_eq!(loads.load(SeqCst), expected, "{name}");
    }
}

#[tokio::test]
async fn set_and_delete_win_over_a_load_under_way() {
    let cache = Instance::new();
    let (begun, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (begun.clone(), gate.clone());
    let group = cache.group("g").getter(move |_: Bytes| {
        let (tell, wait) = (tell.clone(), wait.clone());
        async move {
            tell.notify_one();
            wait.notified().await;
            Ok(Value::new("old"))
        }
    });
    let group = group.expect("the group is new");
    let load = || {
        let group = group.clone();
        tokio::spawn(async move { group.get("k").await })
    };

    let first = load();
    begun.notified().await;
    group.set("k", "new").await.expect("it is set");
    gate.notify_one();
    let value = first.await.expect("no caller panics").expect("it loads");
    assert_eq!(
        value.bytes(),
        "old",
        "whoever asked before the set may get what was"
    );
    assert_eq!(group.get("k").await.expect("it is there").bytes(), "new");

    group.delete("k").await.expect("it is deleted");
    let second = load();
    begun.notified().await;
    group.delete("k").await.expect("it is deleted");
    // A new one asks after the delete: it must not be given what was loaded before it.
    let third = load();
    begun.notified().await;
    gate.notify_one();
    gate.notify_one();
    let _ = second.await;
    gate.notify_one();
    let _ = third.await;
    assert_eq!(group.stats().local_loads, 3);
}

#[tokio::test]
async fn clear_forgets_everything() {
    let cache = Instance::new();
    let (group, loads) = counting(&cache, "g");
    let mut events = group.events();
    assert_eq!(group.warm(["a", "b", "c"], 2).await, 3);
    group.clear();
    assert_eq!(group.stats().main.items, 0);
    assert_eq!(group.get("a").await.expect("it loads").bytes(), "a#4");
    assert_eq!(loads.load(SeqCst), 4);
    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        seen.push(event);
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.contains(&Event::Cleared));
}

#[tokio::test]
async fn memory_stays_within_the_bound() {
    let cache = Instance::new();
    for max_bytes in [0, 1000, 64 << 20] {
        let name = format!("of {max_bytes}");
        let group = cache
            .group(name)
            .max_bytes(max_bytes)
            .getter(|key: Bytes| async move { Ok(Value::new(vec![7; 90 + key.len() % 7])) })
            .expect("the group is new");
        for i in 0..500 {
            group.get(format!("key-{i}")).await.expect("it loads");
            let stats = group.stats();
            assert!(stats.main.bytes + stats.hot.bytes <= max_bytes as u64);
        }
        let stats = group.stats();
        assert_eq!(
            stats.main.items + stats.main.evictions,
            if max_bytes == 0 { 0 } else { 500 }
        );
    }
}

#[tokio::test]
async fn a_key_keeps_its_place_while_it_is_used() {
    let cache = Instance::new();
    let group = cache
        .group("g")
        .max_bytes(100)
        .getter(|_: Bytes| async { Ok(Value::new(vec![7; 9])) })
        .expect("the group is new");
    for i in 0..50 {
        group.get("k").await.expect("it loads");
        group.get(format!("{i:02}")).await.expect("it loads");
    }
    assert_eq!(group.stats().local_loads, 51, "all but k are new each time");
}

#[test]
fn code_that_may_block_asks_from_outside_the_runtime() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let cache = Instance::on(runtime.handle().clone(), None);
    let group = cache
        .group("g")
        .blocking_getter(|key| match key {
            b"no" => Err(Error::not_found("no")),
            b"panic" => panic!("in blocking code"),
            key => Ok(Value::new(key.to_vec())),
        })
        .expect("the group is new");
    assert_eq!(group.get_blocking("yes").expect("it loads").bytes(), "yes");
    assert!(group.get_blocking("no").expect_err("none").is_not_found());
    let error = group.get_blocking("panic").expect_err("it panics");
    assert!(matches!(error.kind(), Kind::Panicked(what) if what == "in blocking code"));

    drop(runtime);
    let error = group
        .get_blocking("late")
        .expect_err("nothing runs any more");
    assert!(matches!(error.kind(), Kind::Closed), "{error}");
}

#[tokio::test]
async fn a_load_whose_runtime_ended_is_begun_anew() {
    let (send, receive) = oneshot::channel::<()>();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let cache = Instance::on(runtime.handle().clone(), None);
    let held = Arc::new(std::sync::Mutex::new(Some(receive)));
    let group = cache.group("g").getter(move |_: Bytes| {
        let held = held.lock().expect("nobody panics").take();
        async move {
            if let Some(held) = held {
                let _ = held.await;
            }
            Ok(Value::new("v"))
        }
    });
    let group = group.expect("the group is new");
    let waiting = group.get("k");
    let ending = tokio::task::spawn_blocking(move || runtime.shutdown_background());
    let (outcome, _) = tokio::join!(waiting, ending);
    assert!(matches!(
        outcome.expect_err("given up").kind(),
        Kind::Closed
    ));
    // The lost flight does not hold the key for ever: this one is refused by itself, at once.
    let error = group.get("k").await.expect_err("the runtime is gone");
    assert!(matches!(error.kind(), Kind::Closed));
    drop(send);
}

#[tokio::test]
async fn groups_have_names_of_their_own() {
    let cache = Instance::new();
    let (group, _) = counting(&cache, "g");
    let again = cache
        .group("g")
        .getter(|_: Bytes| async { Ok(Value::new("")) });
    assert_eq!(again.expect_err("taken"), GroupError::Exists("g".into()));
    for name in ["", "a/b"] {
        let wrong = cache
            .group(name)
            .getter(|_: Bytes| async { Ok(Value::new("")) });
        assert_eq!(wrong.expect_err("no name"), GroupError::Name(name.into()));
    }
    assert_eq!(cache.get_group("g").expect("there").name(), group.name());
    assert!(cache.remove_group("g").is_some() && cache.get_group("g").is_none());
    // Two instances know nothing of each other.
    let (other, _) = counting(&Instance::new(), "g");
    group.set("k", "here").await.expect("it is set");
    assert_eq!(other.peek("k"), None);
}
