//! `sendfile(2)`: bytes from a file to a socket that never pass through this process.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;

use rustix::fd::AsFd;
use rustix::io::Errno;

/// Sends up to `count` bytes of the file, from `offset` on, and says how many; 0 at the file's end. Neither
/// uses nor moves the file's own position. Reads the disk, where the file is not in the system's cache.
///
/// None where the system cannot send this file, of `/proc` for example: then it is to be read.
///
/// # Errors
/// As the system reports them. A client that has gone is EPIPE, and raises no signal.
pub(super) fn send(
    socket: impl AsFd,
    file: &File,
    offset: u64,
    count: usize,
) -> io::Result<Option<usize>> {
    let mut offset = offset;
    match without_sigpipe(|| rustix::fs::sendfile(socket, file, Some(&mut offset), count))? {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(None),
        sent => Ok(sent.map(Some)?),
    }
}

/// Runs `write`, of which EPIPE raises no SIGPIPE: the system call has no flag that says so, and the
/// signal's disposition belongs to the program. The signal is that of the writing thread, so it is
/// blocked here for as long, and taken back if it came.
fn without_sigpipe<T>(write: impl FnOnce() -> Result<T, Errno>) -> io::Result<Result<T, Errno>> {
    let mut pipe = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initializes the set that it is given, and `sigaddset` changes a set that is
    // initialized; SIGPIPE is a signal's number, so neither fails.
    let pipe = unsafe {
        libc::sigemptyset(pipe.as_mut_ptr());
        libc::sigaddset(pipe.as_mut_ptr(), libc::SIGPIPE);
        pipe.assume_init()
    };
    // SAFETY: the first set is initialized, and the second is room for one.
    let failed = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &pipe, before.as_mut_ptr()) };
    if failed != 0 {
        return Err(io::Error::from_raw_os_error(failed));
    }
    // SAFETY: `pthread_sigmask` succeeded, so it has written the old mask.
    let before = unsafe { before.assume_init() };
    // One that the program has blocked may be there already, and then is not ours to take.
    // SAFETY: the set is initialized.
    let was_blocked = unsafe { libc::sigismember(&before, libc::SIGPIPE) } == 1;
    let was_pending = was_blocked && is_pending();
    let result = write();
    if matches!(result, Err(Errno::PIPE)) && !was_pending {
        let now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the set and the time are initialized, and the null pointer says that nobody wants to
        // know more of the signal. It waits for nothing; EAGAIN says that there is none.
        while unsafe { libc::sigtimedwait(&pipe, std::ptr::null_mut(), &now) } == -1
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
    }
    // SAFETY: the set is initialized, and the null pointer says that nobody wants the mask before. It
    // fails for a wrong first argument only.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut()) };
    Ok(result)
}

/// Whether SIGPIPE waits for this thread to unblock it.
fn is_pending() -> bool {
    let mut pending = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigpending` writes the set that it is given if it succeeds, and only then is it read.
    unsafe {
        libc::sigpending(pending.as_mut_ptr()) == 0
            && libc::sigismember(&pending.assume_init(), libc::SIGPIPE) == 1
    }
}
