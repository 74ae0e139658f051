//! Forms: what a program makes of values, and when it is let go of.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use oxbridge_cache::{Error, Form, Group, Instance, Lookup, Value};

/// Asks its group for something when it is dropped, as a destructor of another language may.
struct Asking {
    group: Arc<Mutex<Option<Group>>>,
    ends: Arc<AtomicUsize>,
    weight: usize,
}

impl Form for Asking {
    fn weight(&self) -> usize {
        self.weight
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.ends.fetch_add(1, SeqCst);
        let group = self.group.lock().expect("nobody panics").clone();
        if let Some(group) = group {
            // Where the shard is locked, this would wait for ever.
            group.peek("a");
        }
    }
}

struct Case {
    group: Group,
    slot: Arc<Mutex<Option<Group>>>,
    ends: Arc<AtomicUsize>,
}

impl Case {
    fn new(max_bytes: usize) -> Case {
        let cache = Instance::new();
        let group = cache
            .group("things")
            .max_bytes(max_bytes)
            .getter(|key: Bytes| async move { Ok::<_, Error>(Value::new(key)) })
            .expect("the group is new");
        Case {
            slot: Arc::new(Mutex::new(Some(group.clone()))),
            group,
            ends: Arc::default(),
        }
    }

    fn value(&self, weight: usize) -> Value {
        Value::new("").with_form(Arc::new(Asking {
            group: self.slot.clone(),
            ends: self.ends.clone(),
            weight,
        }))
    }

    fn ends(&self) -> usize {
        self.ends.load(SeqCst)
    }
}

#[tokio::test]
async fn forms_end_with_no_lock_held_however_they_go() {
    let case = Case::new(100);
    let group = &case.group;
    // In the place of another, by a delete, by a clear, for want of room, too large, and by its end.
    group.set_local("a", case.value(10));
    group.set_local("a", case.value(10));
    assert_eq!(case.ends(), 1);
    group.delete("a").await.expect("there are no peers");
    assert_eq!(case.ends(), 2);
    group.set_local("a", case.value(10));
    group.clear();
    assert_eq!(case.ends(), 3);
    group.set_local("a", case.value(60));
    group.set_local("b", case.value(60));
    assert_eq!(case.ends(), 4);
    group.set_local("b", case.value(1000));
    assert_eq!(case.ends(), 6);
    group.set_local("c", case.value(10).with_ttl(Duration::ZERO));
    while group.peek("c").is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(case.ends(), 7);
    case.slot.lock().expect("nobody panics").take();
}

#[tokio::test]
async fn a_form_counts_and_comes_back() {
    let case = Case::new(1 << 20);
    case.group.set_local("key", case.value(50));
    let value = case.group.find("key").expect("it was set");
    assert_eq!(value.form::<Asking>().map(Form::weight), Some(50));
    assert_eq!(case.group.stats().main.bytes, 53);
    assert!(case.group.find("other").is_none());
    let stats = case.group.stats();
    assert_eq!((stats.gets, stats.cache_hits, stats.loads), (2, 1, 1));
    case.slot.lock().expect("nobody panics").take();
}

#[tokio::test]
async fn a_value_is_exchanged_only_for_itself() {
    struct Length(usize);
    impl Form for Length {}

    let case = Case::new(1 << 20);
    let group = &case.group;
    let Lookup::Loading(loading) = group.look_up("key") else {
        panic!("it is not there yet");
    };
    let value = loading.wait().await.expect("the getter gives it");
    assert!(value.form::<Length>().is_none());
    let formed = value.clone().with_form(Arc::new(Length(3)));
    group.exchange("key", &value, formed.clone());
    group.exchange("nothing", &value, formed.clone());
    assert!(group.peek("nothing").is_none());
    match group.look_up("key") {
        Lookup::Done(Ok(value)) => assert_eq!(value.form::<Length>().map(|form| form.0), Some(3)),
        other => panic!("{other:?}"),
    }
    // A new value is left alone, even an equal one.
    group.set_local("key", Value::new(b"key".to_vec()));
    group.exchange("key", &value, formed);
    assert!(
        group
            .peek("key")
            .expect("it was set")
            .form::<Length>()
            .is_none()
    );
}
