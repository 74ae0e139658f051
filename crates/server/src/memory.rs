//! Giving memory back to the system.

/// Gives back the pages of the heap that are free. glibc keeps them otherwise, unless they happen to be
/// at its end: after a crowd of connections has gone to rest that would be for ever. Costs a pass over
/// the heap, so it is for rare occasions. Does nothing with other C libraries.
pub(crate) fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` takes a number by value, may be called from any thread at any time (it takes
    // the arenas' own locks), and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}
