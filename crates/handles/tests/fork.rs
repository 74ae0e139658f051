//! A process that forks while its threads insert and remove.
#![cfg(all(unix, not(loom), not(miri)))]

use std::{
    ffi::{c_int, c_uint},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
};

use oxbridge_handles::Registry;

unsafe extern "C" {
    fn fork() -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn alarm(seconds: c_uint) -> c_uint;
    fn _exit(status: c_int) -> !;
}

static REGISTRY: Registry<u64, 24, 40> = Registry::new();

#[test]
fn the_child_of_a_fork_finds_no_lock_held() {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for n in 0..4 {
            let done = &done;
            scope.spawn(move || {
                while !done.load(SeqCst) {
                    let handle = REGISTRY.insert(0, n).expect("a free slot");
                    assert_eq!(REGISTRY.remove(handle), Ok(n));
                }
            });
        }
        // Each fork meets the threads at other steps.
        let failed = (0..200)
            .map(|_| status_of_child())
            .find(|status| *status != 0);
        done.store(true, SeqCst);
        assert_eq!(failed, None, "as waitpid has it; 14 is a child that hung");
    });
}

/// What `waitpid` says of a child that uses the registry: 0 if it could.
fn status_of_child() -> c_int {
    let held = REGISTRY.hold();
    // SAFETY: the child calls nothing but the registry, which allocates at most (glibc and musl
    // allow that after a fork), and functions that are safe in a signal handler.
    match unsafe { fork() } {
        0 => {
            // SAFETY: as above. The signal ends a child that waits for a lock forever.
            unsafe { alarm(10) };
            drop(held);
            // All lists are locked and unlocked once.
            let inserted = REGISTRY.len() < 1000 && REGISTRY.insert(0, 1).is_ok();
            // SAFETY: as above.
            unsafe { _exit(c_int::from(!inserted)) }
        }
        child => {
            drop(held);
            let mut status = -1;
            // SAFETY: the child is ours, nobody else waits for it, and the status is ours. Where
            // there is no child, the call fails and leaves the status.
            unsafe { waitpid(child, &raw mut status, 0) };
            status
        }
    }
}
