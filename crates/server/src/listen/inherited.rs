//! Listening sockets that somebody else made: the one place here that turns a bare descriptor
//! number into an owner.
//!
//! The number is duplicated and the original left open. So two adoptions of one number cannot close
//! it twice, and a number that belongs to another part of the program (a Python `socket`, say)
//! stays that part's.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use socket2::{Socket, Type};

use super::Listener;
use super::error::BindError;

/// A listener on the socket behind `fd`, which is checked, made non-blocking and marked to be
/// closed on exec.
pub(super) fn adopt(fd: RawFd) -> Result<Listener, Refusal> {
    let socket = Socket::from(duplicate(fd)?);
    let kind = socket
        .r#type()
        .map_err(|cause| match cause.raw_os_error() {
            Some(libc::ENOTSOCK) => Refusal::because(fd, "is not a socket", Some(cause)),
            _ => Refusal::because(fd, "cannot be asked what it is", Some(cause)),
        })?;
    if kind != Type::STREAM {
        return Err(Refusal::because(fd, "is not a stream socket", None));
    }
    match socket.is_listener() {
        Ok(true) => {}
        Ok(false) => {
            return Err(Refusal::because(
                fd,
                "is a socket that does not listen",
                None,
            ));
        }
        Err(cause) => {
            return Err(Refusal::because(
                fd,
                "cannot be asked whether it listens",
                Some(cause),
            ));
        }
    }
    // Whether a socket blocks is one setting of all who have it, and another process may set it so again
    // (Python does, with `setblocking` or a timeout): then an `accept` that another one was quicker at
    // would hold a whole reactor until the next client comes. It gives up after this time instead.
    let prepared = socket
        .set_nonblocking(true)
        .and_then(|()| socket.set_read_timeout(Some(PATIENCE)))
        .and_then(|()| close_on_exec(fd));
    prepared
        .and_then(|()| Listener::new(socket))
        .map_err(|cause| Refusal::because(fd, "cannot be used", Some(cause)))
}

/// The longest that an `accept` holds a reactor.
const PATIENCE: Duration = Duration::from_millis(1);

/// Why a descriptor is not a socket to accept from.
#[derive(Debug)]
pub(super) struct Refusal {
    reason: String,
    cause: Option<io::Error>,
}

impl Refusal {
    pub(super) fn at(self, address: String) -> BindError {
        match self.cause {
            Some(cause) => BindError::system(address, self.reason, cause),
            None => BindError::new(address, io::ErrorKind::InvalidInput, self.reason),
        }
    }

    fn because(fd: RawFd, problem: &str, cause: Option<io::Error>) -> Self {
        let mut reason = format!("descriptor {fd} {problem}");
        if let Some(cause) = &cause {
            reason = format!("{reason} ({cause})");
        }
        Self {
            reason: format!("{reason}; wanted a TCP or Unix socket that listens"),
            cause,
        }
    }
}

fn duplicate(fd: RawFd) -> Result<OwnedFd, Refusal> {
    // SAFETY: F_DUPFD_CLOEXEC reads no memory of ours; its arguments are two integers. Any value of
    // `fd` is allowed, also of a descriptor that is closed or somebody else's: the call either
    // fails or makes a new descriptor, and does nothing to the old one. 3 keeps the new one off
    // stdin, stdout and stderr.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        let cause = io::Error::last_os_error();
        let problem = match cause.raw_os_error() {
            Some(libc::EBADF) => "is not open",
            _ => "cannot be duplicated",
        };
        return Err(Refusal::because(fd, problem, Some(cause)));
    }
    // SAFETY: the kernel has just made `copy` for this call and it is open. No other code has seen
    // the number, so nobody else owns it, and the `OwnedFd` is the only one that will close it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Keeps the original out of programs that this process starts, as systemd asks of whoever takes
/// its sockets.
fn close_on_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: F_SETFD reads no memory of ours; its arguments are two integers. It changes one flag
    // of the descriptor and neither closes nor moves it, so whoever owns it still does.
    // `FD_CLOEXEC` is its only flag.
    let outcome = unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
