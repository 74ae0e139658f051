//! One slot: a value, and the word that says who may touch it.

use std::mem::MaybeUninit;

use crate::{
    AccessError,
    sync::{AcqRel, Acquire, AtomicU32, AtomicU64, Relaxed, Release, UnsafeCell},
};

/// The slot holds a value.
const ALIVE: u64 = 1;
/// One caller has the value to itself.
const BUSY: u64 = 2;
/// The value was given up while the slot was busy: whoever lets go removes it.
const DOOMED: u64 = 4;
const FLAG_BITS: u32 = 3;

/// The widest generation that leaves room for the flags.
pub(crate) const MAX_GENERATION_BITS: u32 = u64::BITS - FLAG_BITS;

/// A place for one value, used again and again, each time under the next generation.
///
/// All zeros is a valid slot that has never been used: memory for slots is taken as zeros, and the
/// system lends a page only when a slot on it is used for the first time.
///
/// Aligned to a cache line, so that threads at work on neighbours do not slow each other.
#[repr(align(64))]
pub(crate) struct Slot<T> {
    /// `generation << FLAG_BITS | flags`. In a vacant slot no flag is set, and the generation is
    /// the one that the next value gets.
    ///
    /// Invariant: ALIVE without BUSY or DOOMED is the only state that anyone may acquire, and with
    /// BUSY only the holder may clear a flag.
    state: AtomicU64,
    /// Changes only while the slot is vacant.
    owner: AtomicU64,
    /// The generation of the slot's first value. Written before that value, then constant.
    first: AtomicU64,
    /// The shard whose free list the slot returns to. Written before the first value, then constant.
    home: AtomicU32,
    /// Initialised while ALIVE is set, and between [`Slot::fill`]'s write and its publication.
    value: UnsafeCell<MaybeUninit<T>>,
}

impl<T> Slot<T> {
    /// A slot that has never been used. loom's types are not valid as zeros.
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
            owner: AtomicU64::new(0),
            first: AtomicU64::new(0),
            home: AtomicU32::new(0),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Gets a slot ready that has never been used. The caller has claimed it, and publishes it.
    pub(crate) fn prepare(&self, home: u32, generation: u64) {
        self.home.store(home, Relaxed);
        self.first.store(generation, Relaxed);
        self.state.store(generation << FLAG_BITS, Relaxed);
    }

    /// The shard whose free list the slot returns to.
    pub(crate) fn home(&self) -> u32 {
        self.home.load(Relaxed)
    }

    /// The generation of the slot's first value.
    pub(crate) fn first(&self) -> u64 {
        self.first.load(Relaxed)
    }

    /// Puts a value in, and returns its generation.
    ///
    /// # Safety
    /// The slot is vacant, and the caller alone has claimed it.
    pub(crate) unsafe fn fill(&self, owner: u64, value: T) -> u64 {
        // Release, as `seize` must not see a new owner beside an old state.
        self.owner.store(owner, Release);
        // SAFETY: nobody else reads or writes the value of a vacant slot that the caller claimed.
        self.value.with_mut(|cell| unsafe { (*cell).write(value) });
        let vacant = self.state.load(Relaxed);
        // Release publishes the value to whoever acquires the slot.
        self.state.store(vacant | ALIVE, Release);
        vacant >> FLAG_BITS
    }

    /// Takes the value of this generation for the caller alone, until `release` or `empty`.
    #[inline]
    pub(crate) fn acquire(&self, generation: u64) -> Result<(), AccessError> {
        let free = generation << FLAG_BITS | ALIVE;
        match self
            .state
            .compare_exchange(free, free | BUSY, Acquire, Relaxed)
        {
            Ok(_) => Ok(()),
            Err(found) if found == free | BUSY => Err(AccessError::Busy),
            Err(_) => Err(AccessError::Stale),
        }
    }

    /// Acquires the value of this generation, as `acquire`, and returns true; or, if it is busy, dooms
    /// it, so that its holder removes it, and returns false. Its handle is stale in both cases.
    pub(crate) fn seize_generation(&self, generation: u64) -> Result<bool, AccessError> {
        let free = generation << FLAG_BITS | ALIVE;
        loop {
            if self.acquire(generation) == Ok(()) {
                return Ok(true);
            }
            match self
                .state
                .compare_exchange(free | BUSY, free | BUSY | DOOMED, AcqRel, Relaxed)
            {
                Ok(_) => return Ok(false),
                // Its holder has let it go in between.
                Err(found) if found == free => {}
                Err(_) => return Err(AccessError::Stale),
            }
        }
    }

    /// Lets the value go. False: it was given up meanwhile, the caller still has it and must
    /// `empty` the slot.
    ///
    /// Called by the one who has acquired this generation.
    #[inline]
    pub(crate) fn release(&self, generation: u64) -> bool {
        let free = generation << FLAG_BITS | ALIVE;
        self.state
            .compare_exchange(free | BUSY, free, Release, Acquire)
            .is_ok()
    }

    /// The owner of the value of this generation, if it is there.
    pub(crate) fn owner_of(&self, generation: u64) -> Option<u64> {
        let is_there =
            |state: u64| state & (ALIVE | DOOMED) == ALIVE && state >> FLAG_BITS == generation;
        if !is_there(self.state.load(Acquire)) {
            return None;
        }
        let owner = self.owner.load(Acquire);
        // Still the same value, so that was its owner.
        is_there(self.state.load(Acquire)).then_some(owner)
    }

    /// Acquires the value if it belongs to `owner`, and returns its generation. A value that is
    /// busy is doomed instead: its handle is stale at once, its holder removes it.
    pub(crate) fn seize(&self, owner: u64) -> Option<u64> {
        loop {
            let found = self.state.load(Acquire);
            // In this order: the exchange below fails if the slot has changed hands since the first
            // load, so an owner that was read in between belongs to the generation that was found.
            if found & (ALIVE | DOOMED) != ALIVE || self.owner.load(Acquire) != owner {
                return None;
            }
            let busy = found & BUSY != 0;
            let mark = if busy { DOOMED } else { BUSY };
            if self
                .state
                .compare_exchange(found, found | mark, AcqRel, Relaxed)
                .is_ok()
            {
                return (!busy).then_some(found >> FLAG_BITS);
            }
        }
    }

    /// Takes the value out and makes the slot vacant, with `next` as the next value's generation.
    ///
    /// # Safety
    /// The caller has acquired the slot.
    pub(crate) unsafe fn empty(&self, next: u64) -> T {
        // SAFETY: the slot is alive, so the value is initialised, and acquired, so nobody else uses
        // it. The swap below clears ALIVE, so it is read out once.
        let value = self
            .value
            .with(|cell| unsafe { (*cell).assume_init_read() });
        // A store would do, as no exchange can come between the one that it replaces and itself. But
        // loom does not know that, and what loom checks is to be what runs.
        self.state.swap(next << FLAG_BITS, Release);
        value
    }

    /// The value.
    ///
    /// # Safety
    /// The caller has acquired the slot, and lets no exclusive reference to the value live beside
    /// this one.
    #[inline]
    pub(crate) unsafe fn get(&self) -> &T {
        // SAFETY: an acquired slot is alive, so the value is initialised; the caller vouches for
        // the rest.
        self.value.with(|cell| unsafe { (*cell).assume_init_ref() })
    }

    /// The value, to change.
    ///
    /// # Safety
    /// The caller has acquired the slot, and lets no other reference to the value live beside this
    /// one.
    #[inline]
    #[expect(
        clippy::mut_from_ref,
        reason = "the state grants exclusive access, not the borrow"
    )]
    pub(crate) unsafe fn get_mut(&self) -> &mut T {
        // SAFETY: as in `get`.
        self.value
            .with_mut(|cell| unsafe { (*cell).assume_init_mut() })
    }

    /// Takes the value out, whatever the state, at the end of the registry.
    pub(crate) fn leftover(&mut self) -> Option<T> {
        let alive = self.state.load(Relaxed) & ALIVE != 0;
        // SAFETY: alive, so initialised; `&mut self`, so nobody else has it. `empty` clears ALIVE.
        alive.then(|| unsafe { self.empty(0) })
    }

    /// Makes `first` the generation at which the slot has been through all of them.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn set_first(&self, first: u64) {
        self.first.store(first, Relaxed);
    }
}
