//! Every order in which two threads can take their steps, by loom:
//! `RUSTFLAGS="--cfg loom" cargo test -p oxbridge-handles --release --test loom`.
#![cfg(loom)]

use std::sync::{
    Arc as StdArc,
    atomic::{AtomicUsize as StdAtomicUsize, Ordering::Relaxed},
};

use loom::{
    sync::{Arc, atomic::AtomicBool},
    thread,
};
use oxbridge_handles::{
    AccessError::{Busy, Stale},
    Registry,
};

/// Few slots: loom follows each one.
type Wide = Registry<Value, 2, 40>;
type Narrow = Registry<Value, 2, 20>;

/// Knows whether two threads have it, and counts its drops. The registry's cell is loom's too: any
/// access that does not happen after the one before fails the test.
struct Value {
    taken: AtomicBool,
    uses: u32,
    drops: StdArc<StdAtomicUsize>,
}

impl Value {
    fn new(drops: &StdArc<StdAtomicUsize>) -> Self {
        Self {
            taken: AtomicBool::new(false),
            uses: 0,
            drops: drops.clone(),
        }
    }

    /// Has a step in which another thread may come in, if the registry lets it.
    fn use_once(&mut self) {
        assert!(
            !self.taken.swap(true, Relaxed),
            "two threads have one value"
        );
        self.uses += 1;
        self.taken.store(false, Relaxed);
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        assert!(!self.taken.load(Relaxed), "dropped while a thread had it");
        self.drops.fetch_add(1, Relaxed);
    }
}

fn insert<const I: u32, const G: u32>(
    registry: &Registry<Value, I, G>,
    owner: u64,
    drops: &StdArc<StdAtomicUsize>,
) -> u64 {
    registry
        .insert(owner, Value::new(drops))
        .ok()
        .expect("a free slot")
}

/// Runs `test` once for each order of its steps, with a counter of drops.
fn explore(test: impl Fn(StdArc<StdAtomicUsize>) + Sync + Send + 'static) {
    loom::model(move || test(StdArc::default()));
}

#[test]
fn two_threads_acquire_one_value() {
    explore(|drops| {
        let registry = Arc::new(Wide::new());
        let handle = insert(&registry, 0, &drops);
        let acquire = move |registry: &Wide| match registry.acquire(handle) {
            Ok(mut value) => {
                value.use_once();
                true
            }
            Err(error) => {
                assert_eq!(error, Busy);
                false
            }
        };
        let other = thread::spawn({
            let registry = registry.clone();
            move || acquire(&registry)
        });
        let mine = acquire(&registry);
        let theirs = other.join().unwrap();
        assert!(mine || theirs, "each was told that the other had the value");
        let value = registry
            .remove(handle)
            .expect("nobody has the value any more");
        assert_eq!(value.uses, u32::from(mine) + u32::from(theirs));
    });
}

#[test]
fn acquire_against_remove() {
    explore(|drops| {
        let registry = Arc::new(Wide::new());
        let handle = insert(&registry, 0, &drops);
        let other = thread::spawn({
            let registry = registry.clone();
            move || match registry.remove(handle) {
                Ok(mut value) => {
                    value.use_once();
                    true
                }
                Err(error) => {
                    assert_eq!(error, Busy);
                    false
                }
            }
        });
        // Stale, busy or ours.
        let used = registry
            .acquire(handle)
            .map(|mut value| value.use_once())
            .is_ok();
        let removed = other.join().unwrap();
        assert!(used || removed);
        assert_eq!(drops.load(Relaxed), usize::from(removed));
        assert_eq!(registry.len(), usize::from(!removed));
        assert_eq!(registry.acquire(handle).err(), removed.then_some(Stale));
        drop(registry);
        assert_eq!(drops.load(Relaxed), 1);
    });
}

#[test]
fn two_threads_remove_one_value() {
    explore(|drops| {
        let registry = Arc::new(Wide::new());
        let handle = insert(&registry, 0, &drops);
        let other = thread::spawn({
            let registry = registry.clone();
            move || registry.remove(handle).is_ok()
        });
        let mine = registry.remove(handle).is_ok();
        assert!(mine ^ other.join().unwrap());
        assert_eq!(drops.load(Relaxed), 1);
        assert_eq!(registry.len(), 0);
    });
}

#[test]
fn acquire_against_close() {
    explore(|drops| {
        let registry = Arc::new(Wide::new());
        let handle = insert(&registry, 7, &drops);
        let other = thread::spawn({
            let registry = registry.clone();
            move || {
                if let Ok(mut value) = registry.acquire(handle) {
                    value.use_once();
                }
            }
        });
        let mut closed = 0;
        registry.close(7, |_| closed += 1);
        assert_eq!(registry.acquire(handle).err(), Some(Stale));
        other.join().unwrap();
        assert_eq!(drops.load(Relaxed), 1, "{closed} by close");
        assert_eq!(registry.len(), 0);
        // The slot is whole again.
        let next = insert(&registry, 7, &drops);
        registry.acquire(next).expect("a live handle").use_once();
    });
}

#[test]
fn take_against_close() {
    explore(|drops| {
        let registry = Arc::new(Wide::new());
        let handle = insert(&registry, 7, &drops);
        let other = thread::spawn({
            let registry = registry.clone();
            move || usize::from(registry.remove(handle).is_ok())
        });
        let mut closed = 0;
        registry.close(7, |_| closed += 1);
        assert_eq!(registry.acquire(handle).err(), Some(Stale));
        assert_eq!(closed + other.join().unwrap(), 1);
        assert_eq!(drops.load(Relaxed), 1);
        assert_eq!(registry.len(), 0);
    });
}

#[test]
fn acquire_against_discard() {
    explore(|drops| {
        let registry = Arc::new(Wide::new());
        let handle = insert(&registry, 7, &drops);
        let other = thread::spawn({
            let registry = registry.clone();
            move || {
                if let Ok(mut value) = registry.acquire(handle) {
                    value.use_once();
                }
            }
        });
        drop(registry.discard(handle).expect("nobody else removes it"));
        assert_eq!(registry.acquire(handle).err(), Some(Stale));
        other.join().unwrap();
        assert_eq!(drops.load(Relaxed), 1);
        assert_eq!(registry.len(), 0);
    });
}

#[test]
fn take_against_discard() {
    explore(|drops| {
        let registry = Arc::new(Wide::new());
        let handle = insert(&registry, 7, &drops);
        let other = thread::spawn({
            let registry = registry.clone();
            move || usize::from(registry.remove(handle).is_ok())
        });
        let mine = usize::from(matches!(registry.discard(handle), Ok(Some(_))));
        assert!(mine + other.join().unwrap() <= 1);
        assert_eq!(drops.load(Relaxed), 1);
        assert_eq!(registry.len(), 0);
    });
}

#[test]
fn discard_against_close() {
    explore(|drops| {
        let registry = Arc::new(Wide::new());
        let handle = insert(&registry, 7, &drops);
        let other = thread::spawn({
            let registry = registry.clone();
            move || match registry.discard(handle) {
                Ok(value) => usize::from(value.is_some()),
                Err(error) => {
                    assert_eq!(error, Stale);
                    0
                }
            }
        });
        let mut closed = 0;
        registry.close(7, |_| closed += 1);
        // Neither: each found that the other had it, and doomed it.
        assert!(closed + other.join().unwrap() <= 1);
        assert_eq!(drops.load(Relaxed), 1);
        assert_eq!(registry.len(), 0);
    });
}

#[test]
fn two_threads_close_one_owner() {
    explore(|drops| {
        let registry = Arc::new(Wide::new());
        insert(&registry, 7, &drops);
        insert(&registry, 8, &drops);
        let close = |registry: &Wide| {
            let mut closed = 0;
            registry.close(7, |_| closed += 1);
            closed
        };
        let other = thread::spawn({
            let registry = registry.clone();
            move || close(&registry)
        });
        let mine = close(&registry);
        let theirs = other.join().unwrap();
        // Neither: each found that the other had it, and doomed it.
        assert!(mine + theirs <= 1);
        assert_eq!(drops.load(Relaxed), 1);
        assert_eq!(registry.len(), 1);
    });
}

#[test]
fn two_threads_insert_into_a_new_chunk() {
    explore(|drops| {
        let registry = Arc::new(Wide::new());
        let fill = |registry: &Wide, drops: &StdArc<StdAtomicUsize>| {
            let handle = insert(registry, 0, drops);
            registry.acquire(handle).expect("a live handle").use_once();
            handle
        };
        let other = thread::spawn({
            let (registry, drops) = (registry.clone(), drops.clone());
            move || fill(&registry, &drops)
        });
        let mine = fill(&registry, &drops);
        let theirs = other.join().unwrap();
        assert_ne!(mine & 3, theirs & 3, "one slot was given to two");
        assert_eq!(registry.len(), 2);
        drop(registry);
        assert_eq!(drops.load(Relaxed), 2);
    });
}

#[test]
fn two_threads_want_the_last_slot() {
    explore(|drops| {
        let registry = Arc::new(Wide::new());
        insert(&registry, 0, &drops);
        let second = insert(&registry, 0, &drops);
        registry.remove(second).expect("a live handle");
        insert(&registry, 0, &drops);
        // One slot is left, in no list; the first to come takes it, the other gets its value back.
        let other = thread::spawn({
            let (registry, drops) = (registry.clone(), drops.clone());
            move || registry.insert(0, Value::new(&drops)).is_ok()
        });
        let mine = registry.insert(0, Value::new(&drops)).is_ok();
        assert!(mine ^ other.join().unwrap());
        assert_eq!(registry.len(), 3);
        drop(registry);
        assert_eq!(drops.load(Relaxed), 5);
    });
}

/// One thread gives the slot to another value while the other comes with the old handle.
fn recycle_against_stale_acquire<const G: u32>() {
    explore(|drops| {
        let registry = Arc::new(Registry::<Value, 1, G>::new());
        let old = insert(&registry, 0, &drops);
        let other = thread::spawn({
            let (registry, drops) = (registry.clone(), drops.clone());
            move || {
                let Ok(value) = registry.remove(old) else {
                    return;
                };
                drop(value);
                let new = insert(&registry, 0, &drops);
                assert_eq!(new & 1, old & 1, "there is one slot");
                let mut value = registry.acquire(new).expect("nobody else knows the handle");
                assert_eq!(value.uses, 0);
                value.use_once();
            }
        });
        if let Ok(mut value) = registry.acquire(old) {
            value.uses += 10;
            value.use_once();
        }
        other.join().unwrap();
    });
}

#[test]
fn recycle_against_a_stale_acquire_wide() {
    recycle_against_stale_acquire::<40>();
}

#[test]
fn recycle_against_a_stale_acquire_narrow() {
    recycle_against_stale_acquire::<20>();
}

#[test]
fn recycle_against_close() {
    explore(|drops| {
        let registry = Arc::new(Registry::<Value, 1, 40>::new());
        let old = insert(&registry, 7, &drops);
        let other = thread::spawn({
            let (registry, drops) = (registry.clone(), drops.clone());
            move || {
                // The slot goes from the owner that is being closed to another.
                let value = registry.remove(old);
                let removed = value.is_ok();
                drop(value);
                let new = registry.insert(8, Value::new(&drops)).ok();
                assert!(new.is_some() || !removed);
                new
            }
        });
        registry.close(7, |_| ());
        let new = other.join().unwrap();
        assert_eq!(registry.acquire(old).err(), Some(Stale));
        if let Some(new) = new {
            registry
                .acquire(new)
                .expect("the other owner is not closed")
                .use_once();
        }
        assert_eq!(registry.len(), usize::from(new.is_some()));
    });
}

#[test]
fn hold_against_insert_elsewhere() {
    explore(|drops| {
        let registry = Arc::new(Narrow::new());
        let other = thread::spawn({
            let (registry, drops) = (registry.clone(), drops.clone());
            move || {
                let handle = insert(&registry, 0, &drops);
                registry.remove(handle).expect("a live handle");
            }
        });
        drop(registry.hold());
        drop(registry.hold());
        other.join().unwrap();
        assert_eq!(registry.len(), 0);
    });
}
