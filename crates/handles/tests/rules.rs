//! What a handle promises, rule by rule.
#![cfg(not(loom))]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use oxbridge_handles::{
    AccessError::{Busy, Stale},
    Registry,
};

/// liboxbridge's layout, and libgohttp's.
type Wide<T> = Registry<T, 24, 40>;
type Narrow<T> = Registry<T, 12, 20>;

/// How often to do something: Miri takes a thousand times as long for each.
const fn times(n: u32) -> u32 {
    if cfg!(miri) { n / 10 } else { n }
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn counted() -> (Counted, Arc<AtomicUsize>) {
    let drops = Arc::new(AtomicUsize::new(0));
    (Counted(drops.clone()), drops)
}

fn insert<T, const I: u32, const G: u32>(registry: &Registry<T, I, G>, value: T) -> u64 {
    registry.insert(0, value).ok().expect("a free slot")
}

#[test]
fn a_live_handle_leads_to_its_value() {
    let registry = Wide::new();
    let handles: Vec<u64> = (0..times(1000)).map(|n| insert(&registry, n)).collect();
    assert_eq!(registry.len(), handles.len());
    for (n, handle) in (0..).zip(&handles) {
        *registry.acquire(*handle).unwrap() += 1;
        assert_eq!(*registry.acquire(*handle).unwrap(), n + 1);
    }
    for (n, handle) in (0..).zip(&handles) {
        assert_eq!(registry.remove(*handle), Ok(n + 1));
    }
    assert!(registry.is_empty());
}

#[test]
fn a_handle_is_stale_after_its_value_was_removed() {
    let registry = Wide::new();
    let handle = insert(&registry, 'a');
    assert_eq!(registry.remove(handle), Ok('a'));
    assert_eq!(registry.remove(handle), Err(Stale));
    assert_eq!(registry.acquire(handle).err(), Some(Stale));

    let next = insert(&registry, 'b');
    assert_eq!(
        next & 0xff_ffff,
        handle & 0xff_ffff,
        "the slot is used again"
    );
    assert_eq!(registry.acquire(handle).err(), Some(Stale));
    assert_eq!(registry.remove(next), Ok('b'));
}

#[test]
fn a_handle_fits_its_layout_and_is_not_zero() {
    let narrow = Narrow::new();
    for _ in 0..times(2000) {
        let handle = insert(&narrow, ());
        assert!(0 < handle && handle <= u64::from(u32::MAX), "{handle:#x}");
    }
    // With one bit of generation, half of all first generations are 0.
    for _ in 0..times(200) {
        let tiny = Registry::<(), 2, 1>::new();
        for _ in 0..3 {
            let handle = insert(&tiny, ());
            assert!(0 < handle && handle < 8, "{handle:#x}");
        }
    }
}

#[test]
fn a_forged_handle_is_stale() {
    let wide = Wide::new();
    let handles: Vec<u64> = (0..times(100)).map(|n| insert(&wide, n)).collect();
    for handle in handles {
        for bit in 0..64 {
            assert_eq!(
                wide.acquire(handle ^ 1 << bit).err(),
                Some(Stale),
                "{handle:#x}, {bit}"
            );
        }
        assert!(wide.acquire(handle).is_ok());
    }

    // In the index bits, another handle of a narrow layout may be met by chance.
    let narrow = Narrow::new();
    let handle = insert(&narrow, 0);
    for bit in 12..64 {
        assert_eq!(
            narrow.acquire(handle ^ 1 << bit).err(),
            Some(Stale),
            "{handle:#x}, {bit}"
        );
    }

    // Few bits of index leave the most bits above the generation.
    let small = Registry::<u8, 1, 20>::new();
    let handle = insert(&small, 0);
    for bit in 0..64 {
        assert_eq!(
            small.acquire(handle ^ 1 << bit).err(),
            Some(Stale),
            "{handle:#x}, {bit}"
        );
    }

    for forged in [0, u64::MAX, 1, u64::from(u32::MAX)] {
        assert_eq!(wide.acquire(forged).err(), Some(Stale), "{forged:#x}");
        assert_eq!(
            Wide::<u8>::new().acquire(forged).err(),
            Some(Stale),
            "{forged:#x}"
        );
        assert_eq!(
            Narrow::<u8>::new().acquire(forged).err(),
            Some(Stale),
            "{forged:#x}"
        );
    }
}

#[test]
fn a_handle_of_another_registry_is_stale() {
    let (ours, theirs) = (Wide::new(), Wide::new());
    for n in 0..times(100) {
        let (our, their) = (insert(&ours, n), insert(&theirs, n));
        assert_eq!(
            our & 0xff_ffff,
            their & 0xff_ffff,
            "both are in the same place"
        );
        assert_eq!(ours.acquire(their).err(), Some(Stale));
        assert_eq!(theirs.acquire(our).err(), Some(Stale));
    }
}

#[test]
fn one_caller_at_a_time_has_a_value() {
    let registry = Wide::new();
    let handle = insert(&registry, 1);
    let guard = registry.acquire(handle).unwrap();
    assert_eq!(registry.acquire(handle).err(), Some(Busy));
    assert_eq!(registry.remove(handle), Err(Busy));
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(registry.acquire(handle).err(), Some(Busy)));
    });
    // A stale handle to the same slot is stale, not busy.
    assert_eq!(registry.acquire(handle ^ 1 << 24).err(), Some(Stale));
    drop(guard);
    assert_eq!(registry.remove(handle), Ok(1));
}

#[test]
fn a_taken_value_leaves_a_stale_handle() {
    let registry = Wide::new();
    let (value, drops) = counted();
    let handle = insert(&registry, value);
    let value = registry.acquire(handle).unwrap().take();
    assert_eq!(registry.acquire(handle).err(), Some(Stale));
    assert_eq!(registry.len(), 0);
    assert_eq!(drops.load(SeqCst), 0);
    drop(value);
    drop(registry);
    assert_eq!(drops.load(SeqCst), 1);
}

#[test]
fn closing_an_owner_removes_its_values_only() {
    let registry = Wide::new();
    let handles: Vec<u64> = (0..300)
        .map(|n| registry.insert(n % 3, n).unwrap())
        .collect();
    let mut closed = Vec::new();
    registry.close(1, |n| {
        assert_eq!(registry.acquire(handles[n as usize]).err(), Some(Stale));
        closed.push(n);
    });
    assert_eq!(closed, (0..300).filter(|n| n % 3 == 1).collect::<Vec<_>>());
    for (n, handle) in (0..).zip(&handles) {
        assert_eq!(registry.acquire(*handle).is_ok(), n % 3 != 1);
    }
    assert_eq!(registry.len(), 200);
    registry.close(1, |n| panic!("{n} was closed twice"));
    // A vacant slot does not remember who owned it.
    let handle = registry.insert(2, 300).unwrap();
    registry.close(1, |n| panic!("{n} belongs to another"));
    assert_eq!(registry.remove(handle), Ok(300));
}

#[test]
fn a_closed_value_is_dropped_by_its_holder() {
    let registry = Wide::new();
    let (value, drops) = counted();
    let handle = registry.insert(7, value).ok().unwrap();
    let shared = &registry;
    thread::scope(|scope| {
        // Made in here, so that the holder does not wait for a test that has failed.
        let (acquired, wait_acquired) = mpsc::channel();
        let (closed, wait_closed) = mpsc::channel();
        let holder = scope.spawn(move || {
            let guard = shared.acquire(handle).unwrap();
            acquired.send(()).unwrap();
            wait_closed.recv().unwrap();
            assert_eq!(guard.0.load(SeqCst), 0, "the holder still has the value");
        });
        wait_acquired.recv().unwrap();
        registry.close(7, |_| {
            panic!("a value that is in use was taken from its holder")
        });
        registry.close(7, |_| {
            panic!("a value that is in use was taken from its holder")
        });
        assert_eq!(registry.acquire(handle).err(), Some(Stale));
        assert_eq!(registry.len(), 1, "it is there until its holder lets go");
        closed.send(()).unwrap();
        holder.join().unwrap();
    });
    assert_eq!(drops.load(SeqCst), 1);
    assert_eq!(registry.len(), 0);
    drop(registry);
    assert_eq!(drops.load(SeqCst), 1);
}

#[test]
fn a_holder_may_take_a_closed_value() {
    let registry = Wide::new();
    let handle = registry.insert(7, 'x').unwrap();
    let guard = registry.acquire(handle).unwrap();
    registry.close(7, |_| {
        panic!("a value that is in use was taken from its holder")
    });
    assert_eq!(guard.take(), 'x');
    assert_eq!(registry.len(), 0);
    // The mark does not stick to the slot.
    let next = registry.insert(7, 'y').unwrap();
    assert_eq!(next & 0xff_ffff, handle & 0xff_ffff);
    drop(registry.acquire(next).unwrap());
    assert_eq!(registry.remove(next), Ok('y'));
}

#[test]
fn a_discarded_value_goes_now_or_when_its_holder_lets_it_go() {
    let registry = Wide::new();
    let (value, drops) = counted();
    let handle = insert(&registry, value);
    let returned = registry.discard(handle).expect("a live handle");
    assert!(returned.is_some());
    assert_eq!(drops.load(SeqCst), 0, "the caller has it");
    assert!(matches!(registry.discard(handle), Err(Stale)));
    drop(returned);

    let (value, drops) = counted();
    let handle = insert(&registry, value);
    let guard = registry.acquire(handle).expect("a live handle");
    assert!(matches!(registry.discard(handle), Ok(None)));
    assert!(matches!(registry.acquire(handle), Err(Stale)));
    assert!(matches!(registry.discard(handle), Err(Stale)));
    assert_eq!(drops.load(SeqCst), 0, "its holder has it");
    drop(guard);
    assert_eq!(drops.load(SeqCst), 1);
    assert!(registry.is_empty());
}

#[test]
fn the_registry_drops_what_is_left() {
    let registry = Wide::new();
    let drops = Arc::new(AtomicUsize::new(0));
    let handles: Vec<u64> = (0..200)
        .map(|_| insert(&registry, Counted(drops.clone())))
        .collect();
    drop(registry.remove(handles[5]).ok().unwrap());
    // One that is forgotten stays busy, and is the registry's all the same.
    std::mem::forget(registry.acquire(handles[6]).ok().unwrap());
    assert_eq!(registry.acquire(handles[6]).err(), Some(Busy));
    assert_eq!(drops.load(SeqCst), 1);
    drop(registry);
    assert_eq!(drops.load(SeqCst), 200);
}

#[test]
fn a_value_may_use_the_registry_while_it_is_dropped() {
    struct Nosy(Option<u64>);
    static REGISTRY: Wide<Nosy> = Wide::new();
    static DROPS: AtomicUsize = AtomicUsize::new(0);

    impl Drop for Nosy {
        fn drop(&mut self) {
            DROPS.fetch_add(1, SeqCst);
            let Some(handle) = self.0 else { return };
            assert_eq!(REGISTRY.acquire(handle).err(), Some(Stale));
            drop(REGISTRY.hold());
            let other = insert(&REGISTRY, Nosy(None));
            drop(REGISTRY.remove(other).ok());
            REGISTRY.close(1, drop);
        }
    }

    // Dropped by close.
    let handle = REGISTRY.insert(1, Nosy(None)).ok().unwrap();
    REGISTRY.acquire(handle).unwrap().0 = Some(handle);
    REGISTRY.close(1, drop);
    assert_eq!(DROPS.load(SeqCst), 2);
    // Dropped by a guard, after close.
    let handle = REGISTRY.insert(1, Nosy(None)).ok().unwrap();
    let mut guard = REGISTRY.acquire(handle).unwrap();
    guard.0 = Some(handle);
    REGISTRY.close(1, drop);
    assert_eq!(DROPS.load(SeqCst), 2);
    drop(guard);
    assert_eq!(DROPS.load(SeqCst), 4);
    assert_eq!(REGISTRY.len(), 0);
}

#[test]
fn a_drop_that_panics_spoils_nothing() {
    struct Grenade(Option<Arc<AtomicUsize>>);
    impl Drop for Grenade {
        fn drop(&mut self) {
            match &self.0 {
                Some(drops) => drops.fetch_add(1, SeqCst),
                None => panic!("bang"),
            };
        }
    }

    let registry = Wide::new();
    let handle = registry.insert(1, Grenade(None)).ok().unwrap();
    let guard = registry.acquire(handle).unwrap();
    registry.close(1, |_| {
        panic!("a value that is in use was taken from its holder")
    });
    assert!(catch_unwind(AssertUnwindSafe(|| drop(guard))).is_err());
    assert_eq!(registry.len(), 0);
    assert_eq!(registry.acquire(handle).err(), Some(Stale));

    registry.insert(1, Grenade(None)).ok().unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| registry.close(1, drop))).is_err());
    assert_eq!(registry.len(), 0);

    // At the end, the values behind the one that panics are dropped too.
    let drops = Arc::new(AtomicUsize::new(0));
    for n in 0..5 {
        let value = Grenade((n != 2).then(|| drops.clone()));
        registry.insert(1, value).ok().unwrap();
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(registry))).is_err());
    assert_eq!(drops.load(SeqCst), 4);
}

#[test]
fn a_value_has_an_owner_while_it_is_there() {
    let registry = Wide::new();
    let handle = registry.insert(7, "value").expect("a free slot");
    assert_eq!(registry.owner(handle), Some(7));
    let guard = registry.acquire(handle).expect("a live handle");
    assert_eq!(registry.owner(handle), Some(7), "also while it is busy");
    assert_eq!(registry.owner(handle + (1 << 24)), None);
    assert_eq!(guard.take(), "value");
    assert_eq!(registry.owner(handle), None);
}

#[test]
fn any_type_can_be_kept() {
    #[repr(align(256))]
    #[derive(Debug, PartialEq)]
    struct Aligned(u8);
    let registry = Wide::new();
    let handles: Vec<u64> = (0..70).map(|n| insert(&registry, Aligned(n))).collect();
    for (n, handle) in (0..).zip(handles) {
        let guard = registry.acquire(handle).unwrap();
        assert_eq!((&raw const *guard).addr() % 256, 0);
        assert_eq!(guard.take(), Aligned(n));
    }
}

#[test]
fn errors_and_guards_can_be_shown() {
    let registry = Wide::new();
    let handle = insert(&registry, 5);
    let guard = registry.acquire(handle).unwrap();
    assert_eq!(format!("{guard:?}"), "Guard(5)");
    assert_eq!(
        Busy.to_string(),
        "another call is using the object of this handle"
    );
    assert!(Stale.to_string().starts_with("no object has this handle"));
}
