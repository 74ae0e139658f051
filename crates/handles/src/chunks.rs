//! Where the slots are: chunks that double in size, found by an index's leading zeros.

use std::ptr;

use crate::{
    slot::Slot,
    sync::{Acquire, AtomicPtr, AtomicU64, Relaxed, Release},
};

/// The first chunk has `1 << FIRST_BITS` slots, each later one twice as many as the one before.
/// loom explores every order of every step, so under it the second chunk is a few steps away.
const FIRST_BITS: u32 = if cfg!(loom) { 1 } else { 6 };
const FIRST: u64 = 1 << FIRST_BITS;

/// The widest index, and the number of chunks it needs.
pub(crate) const MAX_INDEX_BITS: u32 = if cfg!(loom) { 4 } else { 32 };
const CHUNKS: usize = (MAX_INDEX_BITS + 1 - FIRST_BITS) as usize;

/// `1 << INDEX_BITS` slots, of which those in use and a few more take up memory. A slot never
/// moves, and none is given back before the end.
pub(crate) struct Chunks<T, const INDEX_BITS: u32> {
    /// Null until the first index of a chunk is claimed, then constant.
    table: [AtomicPtr<Slot<T>>; CHUNKS],
    /// Every index below has been claimed.
    next: AtomicU64,
}

impl<T, const INDEX_BITS: u32> Chunks<T, INDEX_BITS> {
    /// Index 0 is never claimed, so that no handle is 0 whatever its generation.
    const LOWEST: u64 = 1;
    const CAPACITY: u64 = 1 << INDEX_BITS;

    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            table: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS],
            next: AtomicU64::new(Self::LOWEST),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            table: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            next: AtomicU64::new(Self::LOWEST),
        }
    }

    /// The slot of an index below `1 << INDEX_BITS`, or None where no memory has been needed yet.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&Slot<T>> {
        debug_assert!(u64::from(index) < Self::CAPACITY);
        let (chunk, offset) = position(index);
        // Acquire shows the zeros, or loom's slots, that the pointer was published with.
        let slots = self.table[chunk].load(Acquire);
        if slots.is_null() {
            return None;
        }
        // SAFETY: a chunk has a slot for each index below the capacity that `position` places in
        // it, lives as long as `self`, and is only ever borrowed shared while `self` is.
        Some(unsafe { &*slots.add(offset) })
    }

    /// An index that was never claimed before, with its slot; or None when all are, or when there
    /// is no memory.
    pub(crate) fn claim(&self) -> Option<(u32, &Slot<T>)> {
        let mut next = self.next.load(Relaxed);
        loop {
            if next >= Self::CAPACITY {
                return None;
            }
            // The capacity is at most `1 << 32`.
            let index = next as u32;
            let slot = self.get(index).or_else(|| self.grow(index))?;
            match self
                .next
                .compare_exchange_weak(next, next + 1, Relaxed, Relaxed)
            {
                Ok(_) => return Some((index, slot)),
                Err(found) => next = found,
            }
        }
    }

    /// How many indices have been claimed.
    pub(crate) fn claimed(&self) -> u64 {
        self.next.load(Relaxed) - Self::LOWEST
    }

    /// Every slot that was claimed before the call.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Slot<T>)> {
        let next = self.next.load(Relaxed);
        (Self::LOWEST..next).filter_map(|index| {
            let index = index as u32;
            // None where another thread's claim is seen before its chunk: nothing is in it yet.
            Some((index, self.get(index)?))
        })
    }

    /// Every slot that was ever claimed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot<T>> {
        let next = self.next.load(Relaxed);
        (Self::LOWEST..next).filter_map(|index| {
            let (chunk, offset) = position(index as u32);
            let slots = self.table[chunk].load(Relaxed);
            // SAFETY: as in `get`, and as every index comes once, so does every `&mut`, which
            // borrows from `&mut self`.
            (!slots.is_null()).then(|| unsafe { &mut *slots.add(offset) })
        })
    }

    /// Adds the chunk of `index`. Where two threads do so at once, one of the two chunks stays.
    #[cold]
    fn grow(&self, index: u32) -> Option<&Slot<T>> {
        let (chunk, _) = position(index);
        let len = Self::len(chunk);
        let new = allocate(len);
        if new.is_null() {
            return None;
        }
        let entry = &self.table[chunk];
        if entry
            .compare_exchange(ptr::null_mut(), new, Release, Relaxed)
            .is_err()
        {
            // SAFETY: from `allocate` with this length, and never published.
            unsafe { free(new, len) };
        }
        self.get(index)
    }

    /// How many slots a chunk has: the last one stops at the capacity.
    fn len(chunk: usize) -> usize {
        let base = (FIRST << chunk) - FIRST;
        (FIRST << chunk).min(Self::CAPACITY - base) as usize
    }
}

impl<T, const INDEX_BITS: u32> Drop for Chunks<T, INDEX_BITS> {
    fn drop(&mut self) {
        for (chunk, entry) in self.table.iter().enumerate() {
            let slots = entry.load(Relaxed);
            if !slots.is_null() {
                // SAFETY: published by `grow` with this length; nobody borrows from `self` any more.
                unsafe { free(slots, Self::len(chunk)) };
            }
        }
    }
}

/// The chunk of an index, and the place in it.
#[inline]
fn position(index: u32) -> (usize, usize) {
    let place = u64::from(index) + FIRST;
    let chunk = place.ilog2() - FIRST_BITS;
    (chunk as usize, (place - (FIRST << chunk)) as usize)
}

/// Memory for slots that have never been used, or null.
#[cfg(not(loom))]
fn allocate<T>(len: usize) -> *mut Slot<T> {
    let Ok(layout) = std::alloc::Layout::array::<Slot<T>>(len) else {
        return ptr::null_mut();
    };
    // SAFETY: a slot is not of size zero, and neither is a chunk. All zeros is a valid slot.
    unsafe { std::alloc::alloc_zeroed(layout).cast() }
}

/// # Safety
/// The slots are from `allocate` with the same length, hold no value, and nobody uses them.
#[cfg(not(loom))]
unsafe fn free<T>(slots: *mut Slot<T>, len: usize) {
    // `allocate` made the same layout.
    let layout =
        std::alloc::Layout::array::<Slot<T>>(len).expect("the layout of a chunk that exists");
    // SAFETY: the caller's promise. A slot without a value has nothing to drop.
    unsafe { std::alloc::dealloc(slots.cast(), layout) };
}

#[cfg(loom)]
fn allocate<T>(len: usize) -> *mut Slot<T> {
    let slots: Box<[Slot<T>]> = (0..len).map(|_| Slot::new()).collect();
    Box::into_raw(slots).cast()
}

/// # Safety
/// As above.
#[cfg(loom)]
unsafe fn free<T>(slots: *mut Slot<T>, len: usize) {
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(slots, len)) });
}
