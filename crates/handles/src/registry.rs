//! The registry: values in, handles out.

use std::{
    error::Error,
    fmt,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use crate::{
    Guard, Held,
    chunks::{Chunks, MAX_INDEX_BITS},
    shards::{SHARDS, Shards, mine},
    slot::{MAX_GENERATION_BITS, Slot},
    sync::{AtomicU64, Relaxed},
};

/// Keeps values of one type, and gives each a handle: a number that is never 0, fits in
/// `INDEX_BITS + GENERATION_BITS` bits, and leads to the value until it is removed.
///
/// Up to `(1 << INDEX_BITS) - 1` values are kept at a time; `INDEX_BITS` is 1 to 32,
/// `GENERATION_BITS` 1 to 61, the sum at most 64. All methods may be called from any thread at any
/// time, if values may be sent between threads. Memory grows with the greatest number of values
/// kept at once, and is given back when the registry is dropped, as are the values still in it.
///
/// **How long a handle stays unique.** With 40 or more bits of generation no handle is ever given
/// out twice: a place that has had every generation (a million million values) is left out from
/// then on. With fewer, generations start over: a stale handle is taken for a live one if its place
/// has been used exactly `1 << GENERATION_BITS` times since, or a multiple of that. To make that
/// late as well as rare, such a registry lets each place rest while 64 others of the same thread
/// are used. A number that was made up at random is taken for a live handle with a chance of at
/// most one in `1 << GENERATION_BITS`.
///
/// Values must be `Send`, for the registry to be shared:
///
/// ```compile_fail
/// static SHARED: oxbridge_handles::Registry<std::rc::Rc<u8>, 24, 40> =
///     oxbridge_handles::Registry::new();
/// ```
pub struct Registry<T, const INDEX_BITS: u32, const GENERATION_BITS: u32> {
    chunks: Chunks<T, INDEX_BITS>,
    free: Shards,
    /// Slots that have had every generation.
    retired: AtomicU64,
    /// Like a mutex, the registry gives a value to one thread at a time: it may be shared between
    /// threads if values may be sent. Its pointers alone would let it be shared in any case.
    owns: PhantomData<std::sync::Mutex<T>>,
}

impl<T, const INDEX_BITS: u32, const GENERATION_BITS: u32>
    Registry<T, INDEX_BITS, GENERATION_BITS>
{
    const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
    const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;

    /// No handle is given out twice: what is wide enough to run out of never.
    const UNIQUE: bool = GENERATION_BITS >= 40;
    /// How many vacant slots a thread leaves to rest before it uses one again, while there are
    /// slots that were never used.
    const REST: usize = 64;

    const LAYOUT: () = assert!(
        1 <= INDEX_BITS
            && INDEX_BITS <= MAX_INDEX_BITS
            && 1 <= GENERATION_BITS
            && GENERATION_BITS <= MAX_GENERATION_BITS
            && INDEX_BITS + GENERATION_BITS <= u64::BITS,
        "INDEX_BITS is 1 to 32, GENERATION_BITS 1 to 61, their sum at most 64"
    );

    /// An empty registry, which has taken no memory yet.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        let () = Self::LAYOUT;
        Self {
            chunks: Chunks::new(),
            free: Shards::new(),
            retired: AtomicU64::new(0),
            owns: PhantomData,
        }
    }

    /// An empty registry.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        let () = Self::LAYOUT;
        Self {
            chunks: Chunks::new(),
            free: Shards::new(),
            retired: AtomicU64::new(0),
            owns: PhantomData,
        }
    }

    /// Keeps a value, and returns its handle.
    ///
    /// `owner` is any number that the caller chooses, for [`close`](Self::close).
    ///
    /// # Errors
    /// The value itself, when all slots are taken or there is no memory for more.
    pub fn insert(&self, owner: u64, value: T) -> Result<u64, T> {
        let Some((index, slot)) = self.claim() else {
            return Err(value);
        };
        // SAFETY: `claim` gives a vacant slot to one caller only.
        let generation = unsafe { slot.fill(owner, value) };
        Ok(generation << INDEX_BITS | u64::from(index))
    }

    /// Gives the value to the caller alone, until the guard is dropped. Takes no lock, never waits.
    ///
    /// # Errors
    /// [`Stale`](AccessError::Stale) if the handle leads to no value: it was removed, or its owner
    /// closed, or it never was a handle of this registry. [`Busy`](AccessError::Busy) if the value
    /// is with another caller, be it on this thread or another.
    #[inline]
    pub fn acquire(
        &self,
        handle: u64,
    ) -> Result<Guard<'_, T, INDEX_BITS, GENERATION_BITS>, AccessError> {
        let (index, slot, generation) = self.find(handle)?;
        slot.acquire(generation)?;
        // SAFETY: acquired in the line above.
        Ok(unsafe { Guard::new(self, slot, index, generation) })
    }

    /// Removes the value, and returns it. The handle is stale from here on.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub fn remove(&self, handle: u64) -> Result<T, AccessError> {
        Ok(self.acquire(handle)?.take())
    }

    /// Removes the value, now or as soon as the caller that has acquired it lets it go, which then drops
    /// it. The handle is stale from here on in both cases. Never waits.
    ///
    /// The value, if nobody had it; none if somebody had.
    ///
    /// # Errors
    /// [`Stale`](AccessError::Stale), as [`acquire`](Self::acquire); never `Busy`.
    pub fn discard(&self, handle: u64) -> Result<Option<T>, AccessError> {
        let (index, slot, generation) = self.find(handle)?;
        if slot.seize_generation(generation)? {
            // SAFETY: acquired in the line above.
            Ok(Some(unsafe { self.vacate(index, slot, generation) }))
        } else {
            Ok(None)
        }
    }

    /// Removes every value of one owner and passes it to `each`, with no lock held.
    ///
    /// The handles are stale at once. A value that a caller has acquired is not waited for: it is
    /// dropped by that caller's thread when it lets go. A value that another thread inserts for
    /// this owner during the call may be missed, so the owner stops inserting first. If `each`
    /// panics, the values it has not been given stay.
    ///
    /// Looks at every slot that has ever been used: a microsecond for a few hundred.
    pub fn close(&self, owner: u64, mut each: impl FnMut(T)) {
        for (index, slot) in self.chunks.iter() {
            if let Some(generation) = slot.seize(owner) {
                // SAFETY: acquired by `seize`.
                each(unsafe { self.vacate(index, slot, generation) });
            }
        }
    }

    /// Who owns the value, busy or not, as a hint: it may be gone when this returns. None if the handle is
    /// stale.
    pub fn owner(&self, handle: u64) -> Option<u64> {
        let (_, slot, generation) = self.find(handle).ok()?;
        slot.owner_of(generation)
    }

    /// How many values there are, for statistics: those that come or go during the call may count
    /// or not. A value whose owner was closed counts until its holder lets it go.
    pub fn len(&self) -> usize {
        let vacant = self.free.waiting() + self.retired.load(Relaxed);
        self.chunks.claimed().saturating_sub(vacant) as usize
    }

    /// Whether there is no value, as exactly as [`len`](Self::len) says.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Locks what this registry locks, so that a `fork` cannot copy a lock in the hand of a thread
    /// that the child does not have. Waits for other threads, for less than a microsecond each.
    ///
    /// For `pthread_atfork`: call it in `prepare`, drop the result in `parent` and in `child`. All
    /// three run on the thread that forks. Until then that thread must not insert, remove, close or
    /// count, as it would wait for itself; look-ups take no lock and go on.
    ///
    /// In the child, a value that another thread had acquired stays busy, and a slot that another
    /// thread was about to fill or had just emptied is lost: at most one for each thread.
    pub fn hold(&self) -> Held<'_> {
        self.free.hold()
    }

    /// The slot that a handle points to, whatever is in it, and the generation that it means.
    #[inline]
    fn find(&self, handle: u64) -> Result<(u32, &Slot<T>, u64), AccessError> {
        let generation = handle >> INDEX_BITS;
        if generation > Self::GENERATION_MASK {
            return Err(AccessError::Stale);
        }
        // At most 32 bits.
        let index = (handle & Self::INDEX_MASK) as u32;
        let slot = self.chunks.get(index).ok_or(AccessError::Stale)?;
        Ok((index, slot, generation))
    }

    /// A vacant slot that nobody else has: one used before, or a new one, or one of another shard.
    fn claim(&self) -> Option<(u32, &Slot<T>)> {
        let mine = mine();
        self.reuse(mine, Self::REST)
            .or_else(|| {
                let (index, slot) = self.chunks.claim()?;
                slot.prepare(mine, first_generation(index) & Self::GENERATION_MASK);
                Some((index, slot))
            })
            .or_else(|| (0..SHARDS).find_map(|other| self.reuse((mine + other) % SHARDS, 0)))
    }

    /// A slot from the free list of one shard, if `rest` others stay. Where handles are unique
    /// anyway none has to rest.
    fn reuse(&self, shard: u32, rest: usize) -> Option<(u32, &Slot<T>)> {
        let index = if Self::UNIQUE {
            self.free.newest(shard)
        } else {
            self.free.oldest(shard, rest)
        }?;
        // In a free list are indices of slots that exist, so there is one.
        Some((index, self.chunks.get(index)?))
    }

    /// Takes the value out of a slot, and lets the slot be used again.
    ///
    /// # Safety
    /// The caller has acquired the slot of `index` under `generation`, and gives it up here.
    pub(crate) unsafe fn vacate(&self, index: u32, slot: &Slot<T>, generation: u64) -> T {
        // Before the slot can change hands.
        let (home, first) = (slot.home(), slot.first());
        let next = (generation + 1) & Self::GENERATION_MASK;
        // SAFETY: the caller has acquired the slot.
        let value = unsafe { slot.empty(next) };
        if Self::UNIQUE && next == first {
            self.retired.fetch_add(1, Relaxed);
        } else {
            self.free.put(home, index);
        }
        value
    }
}

impl<T, const INDEX_BITS: u32, const GENERATION_BITS: u32> Default
    for Registry<T, INDEX_BITS, GENERATION_BITS>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const INDEX_BITS: u32, const GENERATION_BITS: u32> Drop
    for Registry<T, INDEX_BITS, GENERATION_BITS>
{
    fn drop(&mut self) {
        let mut panic = None;
        for slot in self.chunks.iter_mut() {
            // One value's panic must not cost the others their drop.
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(slot.leftover())));
            panic = panic.or(dropped.err());
        }
        if let Some(panic) = panic
            && !std::thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

impl<T, const INDEX_BITS: u32, const GENERATION_BITS: u32> fmt::Debug
    for Registry<T, INDEX_BITS, GENERATION_BITS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

/// Why a handle did not lead to its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessError {
    /// No value has this handle: not any more, or never.
    Stale,
    /// Another caller has the value: a thread, or an outer call on this one.
    Busy,
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stale => "no object has this handle: it has ended, or the handle was never valid",
            Self::Busy => "another call is using the object of this handle",
        })
    }
}

impl Error for AccessError {}

/// A number that nobody can foresee, so that made-up handles and those of other registries miss.
#[cfg(not(loom))]
fn first_generation(index: u32) -> u64 {
    use std::hash::{BuildHasher, RandomState};

    RandomState::new().hash_one(index)
}

/// loom repeats each run exactly, so nothing in it may be random.
#[cfg(loom)]
fn first_generation(index: u32) -> u64 {
    u64::from(index)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A place wide enough for a million million values cannot be worn out in a test, so one that
    /// is nearly worn out takes its stead.
    #[test]
    fn a_slot_that_has_had_every_generation_is_retired() {
        let registry = Registry::<u8, 24, 40>::new();
        let first = registry.insert(0, 0).expect("a free slot");
        let (index, generation) = (first as u32 & 0xff_ffff, first >> 24);
        let slot = registry
            .chunks
            .get(index)
            .expect("the slot of a live handle");
        slot.set_first((generation + 3) & 0xff_ffff_ffff);

        let mut handles = vec![first];
        registry.remove(first).expect("a live handle");
        for _ in 0..4 {
            let handle = registry.insert(0, 0).expect("a free slot");
            assert!(
                !handles.contains(&handle),
                "{handle:#x} was given out twice"
            );
            handles.push(handle);
            registry.remove(handle).expect("a live handle");
        }
        let indices: Vec<u32> = handles
            .iter()
            .map(|handle| *handle as u32 & 0xff_ffff)
            .collect();
        assert_eq!(indices, [index, index, index, index + 1, index + 1]);
        assert_eq!(registry.len(), 0);
    }
}
