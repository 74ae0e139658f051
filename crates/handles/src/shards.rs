//! Vacant slots, in lists that are spread over locks so that threads seldom meet at one.

use std::{collections::VecDeque, sync::PoisonError};

use crate::sync::{Mutex, MutexGuard};

/// How many free lists there are. Threads take turns to choose one, so up to as many insert
/// without ever waiting for each other.
pub(crate) const SHARDS: u32 = if cfg!(loom) { 2 } else { 16 };

/// One list of vacant slots, on cache lines of its own (two: processors fetch them in pairs).
#[repr(align(128))]
struct Shard(Mutex<VecDeque<u32>>);

impl Shard {
    fn lock(&self) -> MutexGuard<'_, VecDeque<u32>> {
        // Nothing that runs under the lock leaves the list half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The free lists of a registry.
///
/// A slot returns to the list it first came from, its home, whichever thread empties it: where one
/// thread inserts and another removes, the first finds its slots again instead of taking new ones.
pub(crate) struct Shards([Shard; SHARDS as usize]);

impl Shards {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self([const { Shard(Mutex::new(VecDeque::new())) }; SHARDS as usize])
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| Shard(Mutex::new(VecDeque::new()))))
    }

    /// Puts a vacant slot at the end of its home's list.
    pub(crate) fn put(&self, home: u32, index: u32) {
        self.0[home as usize].lock().push_back(index);
    }

    /// Takes the slot that was put in last: its memory is the likeliest to be in a cache.
    pub(crate) fn newest(&self, shard: u32) -> Option<u32> {
        self.0[shard as usize].lock().pop_back()
    }

    /// Takes the slot that has waited longest, if `spare` others stay.
    pub(crate) fn oldest(&self, shard: u32, spare: usize) -> Option<u32> {
        let mut list = self.0[shard as usize].lock();
        if list.len() > spare {
            list.pop_front()
        } else {
            None
        }
    }

    /// How many slots wait in all lists.
    pub(crate) fn waiting(&self) -> u64 {
        self.0.iter().map(|shard| shard.lock().len() as u64).sum()
    }

    /// Locks every list. No thread ever waits for a list while it has another, except here, where
    /// all who do go in the same order.
    pub(crate) fn hold(&self) -> Held<'_> {
        Held {
            _lists: self.0.each_ref().map(Shard::lock),
        }
    }
}

/// Keeps every free list of a registry locked, from [`Registry::hold`](crate::Registry::hold) until
/// it is dropped.
///
/// Stays on the thread that made it, as the locks do. After `fork`, that thread is also the one
/// thread of the child, which may drop it just as the parent does.
#[must_use = "the lists are locked for as long as this lives"]
pub struct Held<'a> {
    _lists: [MutexGuard<'a, VecDeque<u32>>; SHARDS as usize],
}

impl std::fmt::Debug for Held<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

/// The shard from which the calling thread takes slots.
#[cfg(not(loom))]
pub(crate) fn mine() -> u32 {
    use std::{
        cell::Cell,
        sync::atomic::{AtomicU32, Ordering::Relaxed},
    };

    const UNKNOWN: u32 = u32::MAX;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Without a destructor, so that it also serves a thread that is being torn down.
    thread_local!(static MINE: Cell<u32> = const { Cell::new(UNKNOWN) });
    MINE.with(|mine| {
        if mine.get() == UNKNOWN {
            mine.set(NEXT.fetch_add(1, Relaxed) % SHARDS);
        }
        mine.get()
    })
}

/// loom runs all its threads on one, and starts over for each order of their steps.
#[cfg(loom)]
pub(crate) fn mine() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    loom::lazy_static!(static ref NEXT: AtomicU32 = AtomicU32::new(0););
    loom::thread_local!(static MINE: u32 = NEXT.fetch_add(1, Relaxed) % SHARDS);
    MINE.with(|mine| *mine)
}
