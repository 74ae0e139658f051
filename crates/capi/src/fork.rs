//! What a child process finds of its parent's servers: nothing that it can use, or harm.

use std::cell::Cell;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use oxbridge_handles::Held;

use crate::exchange::{EXCHANGES, Looks, hold_looks};
use crate::site;

/// How many exchanges this process has from its parent. They never end here.
static INHERITED: AtomicU64 = AtomicU64::new(0);

pub(crate) fn inherited_exchanges() -> u64 {
    INHERITED.load(Relaxed)
}

thread_local! {
    /// The library's locks that last longer than a server, while this thread forks.
    static HELD: Cell<Option<(Held<'static>, Looks)>> = const { Cell::new(None) };
}

/// Sees to it that a child does not inherit a lock that one of the parent's threads held, and that it
/// knows that it is one.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the three functions are as pthread_atfork wants them; the library is linked so that it
        // is never unloaded, so they stay where they are. Without memory for them, forks are not noticed.
        unsafe { libc::pthread_atfork(Some(prepare), Some(release), Some(release_in_child)) };
    });
}

extern "C" fn prepare() {
    // On a thread whose locals are gone there is nothing to keep them in: the child may then inherit a
    // lock, which is no worse than what POSIX lets it do anyway.
    let _ = HELD.try_with(|held| held.set(Some((EXCHANGES.hold(), hold_looks()))));
}

extern "C" fn release() {
    let _ = HELD.try_with(Cell::take);
}

extern "C" fn release_in_child() {
    site::inherit();
    release();
    // After the release: it takes the locks.
    INHERITED.store(EXCHANGES.len() as u64, Relaxed);
}
