//! Many threads at once, on real hardware: every value is one thread's at a time, and dropped once.
#![cfg(not(loom))]

use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    thread,
};

use oxbridge_handles::Registry;

const THREADS: u64 = 4;
const STEPS: u64 = if cfg!(miri) { 60 } else { 10_000 };

struct Value<'a> {
    /// Set while a thread has the value.
    taken: AtomicBool,
    uses: u64,
    dropped: &'a AtomicUsize,
}

impl Drop for Value<'_> {
    fn drop(&mut self) {
        assert!(!self.taken.load(SeqCst), "dropped while a thread had it");
        self.dropped.fetch_add(1, SeqCst);
    }
}

fn fight<const I: u32, const G: u32>() {
    let (inserted, dropped) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let registry = Registry::<Value<'_>, I, G>::new();
    // Where the threads show each other their handles, so that they get in each other's way.
    let board: Vec<AtomicU64> = (0..4).map(|_| AtomicU64::new(0)).collect();

    let run = &|seed: u64| {
        let mut random = seed;
        for _ in 0..STEPS {
            // Marsaglia's xorshift.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let place = &board[(random >> 32) as usize % board.len()];
            match random % 8 {
                0..3 => {
                    let value = Value {
                        taken: AtomicBool::new(false),
                        uses: 0,
                        dropped: &dropped,
                    };
                    inserted.fetch_add(1, SeqCst);
                    if let Ok(handle) = registry.insert(random % 2, value) {
                        place.store(handle, SeqCst);
                    }
                }
                3..6 => {
                    let handle = place.load(SeqCst);
                    if let Ok(mut guard) = registry.acquire(handle) {
                        assert!(
                            !guard.taken.swap(true, SeqCst),
                            "two threads have one value"
                        );
                        guard.uses += 1;
                        // Stale where its owner was closed meanwhile.
                        assert!(registry.acquire(handle).is_err());
                        guard.taken.store(false, SeqCst);
                    }
                }
                6 => {
                    if let Ok(value) = registry.remove(place.load(SeqCst)) {
                        assert!(!value.taken.load(SeqCst));
                    }
                }
                _ => registry.close(random % 2, drop),
            }
        }
    };
    thread::scope(|scope| {
        for seed in 1..=THREADS {
            scope.spawn(move || run(seed * 0x9e37_79b9));
        }
    });
    registry.close(0, drop);
    registry.close(1, drop);
    assert_eq!(registry.len(), 0);
    assert_eq!(dropped.load(SeqCst), inserted.load(SeqCst));
}

#[test]
fn wide() {
    fight::<24, 40>();
}

#[test]
fn wide_and_full() {
    fight::<2, 40>();
}

#[test]
fn narrow() {
    fight::<12, 20>();
}
