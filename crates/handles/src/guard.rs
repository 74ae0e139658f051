//! The exclusive use of one value.

use std::{
    fmt,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
};

use crate::{Registry, slot::Slot};

/// The exclusive use of a value, from [`Registry::acquire`] until it is dropped.
///
/// Whoever else asks for the value meanwhile is told [`Busy`](crate::AccessError::Busy). Stays on
/// the thread that acquired it. One that is forgotten (`mem::forget`) leaves the value busy until
/// the registry is dropped.
#[must_use = "the value is let go when this is dropped"]
pub struct Guard<'a, T, const INDEX_BITS: u32, const GENERATION_BITS: u32> {
    registry: &'a Registry<T, INDEX_BITS, GENERATION_BITS>,
    /// Invariant: acquired, under `generation`, by this guard.
    slot: &'a Slot<T>,
    index: u32,
    generation: u64,
}

impl<'a, T, const INDEX_BITS: u32, const GENERATION_BITS: u32>
    Guard<'a, T, INDEX_BITS, GENERATION_BITS>
{
    /// # Safety
    /// The caller has acquired the slot of `index`, under `generation`, and passes it on.
    #[inline]
    pub(crate) unsafe fn new(
        registry: &'a Registry<T, INDEX_BITS, GENERATION_BITS>,
        slot: &'a Slot<T>,
        index: u32,
        generation: u64,
    ) -> Self {
        Self {
            registry,
            slot,
            index,
            generation,
        }
    }

    /// Removes the value from the registry. Its handle is stale from here on.
    ///
    /// So it does where the value's owner has been closed since it was acquired: the caller, not
    /// [`Registry::close`], has the value.
    #[must_use = "or drop the value in as many words"]
    pub fn take(self) -> T {
        // The slot is given back here; dropping the guard as well would give it back twice.
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used again, and is not dropped.
        unsafe { this.empty() }
    }

    /// # Safety
    /// The guard is not used after this, and not dropped again.
    unsafe fn empty(&mut self) -> T {
        // SAFETY: this guard has acquired the slot, and gives that up.
        unsafe { self.registry.vacate(self.index, self.slot, self.generation) }
    }

    #[cold]
    fn drop_doomed(&mut self) {
        // SAFETY: only `drop` calls this, as its last step.
        let value = unsafe { self.empty() };
        // The last thing that happens, as it may panic: by now the slot is vacant.
        drop(value);
    }
}

impl<T, const INDEX_BITS: u32, const GENERATION_BITS: u32> Drop
    for Guard<'_, T, INDEX_BITS, GENERATION_BITS>
{
    #[inline]
    fn drop(&mut self) {
        if !self.slot.release(self.generation) {
            self.drop_doomed();
        }
    }
}

impl<T, const INDEX_BITS: u32, const GENERATION_BITS: u32> Deref
    for Guard<'_, T, INDEX_BITS, GENERATION_BITS>
{
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard has acquired the slot. Exclusive references to the value come from
        // `deref_mut` alone, and borrow the guard for as long as they live.
        unsafe { self.slot.get() }
    }
}

impl<T, const INDEX_BITS: u32, const GENERATION_BITS: u32> DerefMut
    for Guard<'_, T, INDEX_BITS, GENERATION_BITS>
{
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; every reference to the value borrows the guard.
        unsafe { self.slot.get_mut() }
    }
}

impl<T: fmt::Debug, const INDEX_BITS: u32, const GENERATION_BITS: u32> fmt::Debug
    for Guard<'_, T, INDEX_BITS, GENERATION_BITS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(&**self).finish()
    }
}
