//! How slots are used again: by whom, when, and how often.
#![cfg(not(loom))]

use std::{collections::HashSet, sync::mpsc, thread};

use oxbridge_handles::{AccessError::Stale, Registry};

/// How often to do something: Miri takes a thousand times as long for each.
const fn times(n: u32) -> u32 {
    if cfg!(miri) { n / 10 } else { n }
}

fn insert<const I: u32, const G: u32>(registry: &Registry<u32, I, G>, value: u32) -> u64 {
    registry.insert(0, value).expect("a free slot")
}

#[test]
fn a_full_registry_gives_the_value_back() {
    let registry = Registry::<u32, 3, 40>::new();
    let handles: Vec<u64> = (0..7).map(|n| insert(&registry, n)).collect();
    assert_eq!(registry.insert(0, 7), Err(7));
    assert_eq!(registry.remove(handles[3]), Ok(3));
    let handle = insert(&registry, 8);
    assert_eq!(registry.insert(0, 9), Err(9));
    assert_eq!(registry.remove(handle), Ok(8));
    assert_eq!(registry.len(), 6);
}

#[test]
fn a_thread_uses_what_another_has_vacated_before_giving_up() {
    fn fill_and_empty<const G: u32>(registry: &Registry<u32, 3, G>) {
        let handles: Vec<u64> = (0..7).map(|n| insert(registry, n)).collect();
        assert_eq!(registry.insert(0, 7), Err(7));
        for (n, handle) in (0..).zip(handles) {
            assert_eq!(registry.remove(handle), Ok(n));
        }
    }
    let (wide, narrow) = (Registry::<u32, 3, 40>::new(), Registry::<u32, 3, 20>::new());
    for _ in 0..3 {
        thread::scope(|scope| {
            scope.spawn(|| fill_and_empty(&wide));
        });
        thread::scope(|scope| {
            scope.spawn(|| fill_and_empty(&narrow));
        });
    }
}

#[test]
fn slots_that_other_threads_vacate_are_used_again() {
    fn highest_index<const I: u32, const G: u32>() -> u64 {
        let registry = Registry::<u32, I, G>::new();
        let (send, receive) = mpsc::sync_channel(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                for handle in receive {
                    registry.remove(handle).unwrap();
                }
            });
            let mut highest = 0;
            for n in 0..times(500) {
                let handle = insert(&registry, n);
                highest = highest.max(handle & ((1 << I) - 1));
                send.send(handle).unwrap();
            }
            drop(send);
            highest
        })
    }
    // The other thread has one handle while this one makes the next.
    assert!(highest_index::<24, 40>() <= 4);
    // Besides, 64 slots rest.
    assert!(highest_index::<12, 20>() <= 64 + 4);
}

#[test]
fn a_narrow_generation_starts_over_after_exactly_all_of_its_numbers() {
    let registry = Registry::<u32, 1, 3>::new();
    for _ in 0..3 {
        let first = insert(&registry, 0);
        let mut handles = HashSet::from([first]);
        registry.remove(first).unwrap();
        for n in 1..8 {
            let handle = insert(&registry, n);
            assert!(handles.insert(handle), "{handle:#x} came again after {n}");
            assert_eq!(registry.acquire(first).err(), Some(Stale));
            registry.remove(handle).unwrap();
        }
        assert_eq!(insert(&registry, 8), first);
        registry.remove(first).unwrap();
    }
}

#[test]
fn slots_of_a_narrow_layout_rest_before_they_are_used_again() {
    let registry = Registry::<u32, 12, 20>::new();
    let mut last_use = vec![None; 1 << 12];
    for n in 0..times(1000) {
        let handle = insert(&registry, n);
        registry.remove(handle).unwrap();
        let index = (handle & 0xfff) as usize;
        if let Some(last) = last_use[index].replace(n) {
            assert!(
                n - last > 64,
                "slot {index} was used at {last}, and again at {n}"
            );
        }
    }
}
