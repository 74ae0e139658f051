//! A socket that listens, before it belongs to a runtime.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

use socket2::{SockAddr, Socket};

use super::accept::TokioListener;
use super::unix::SocketFile;

/// A TCP or Unix socket that is bound, listens, does not block and is closed on exec.
///
/// It is owned: dropping it closes its descriptor, and dropping the last clone stops the listening
/// (unless another process holds the socket too) and removes a Unix socket file that
/// [`Bind::bind`](super::Bind::bind) made. It may be moved between threads and used from several.
#[derive(Debug)]
pub struct Listener {
    // Before `socket`, so dropped before it: see `SocketFile`.
    pub(super) file: Option<Arc<SocketFile>>,
    pub(super) socket: Socket,
    pub(super) address: LocalAddr,
    pub(super) name: Option<Arc<str>>,
}

impl Listener {
    /// The address it is bound to, with the port that the kernel chose where 0 was asked for.
    pub fn local_addr(&self) -> &LocalAddr {
        &self.address
    }

    /// The name that systemd's `LISTEN_FDNAMES` gives it (`FileDescriptorName=` in the socket
    /// unit).
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// A second owner of the same socket, for a second reactor. Both accept from one queue.
    ///
    /// # Errors
    ///
    /// The process or the machine is out of descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            file: self.file.clone(),
            socket: self.socket.try_clone()?,
            address: self.address.clone(),
            name: self.name.clone(),
        })
    }

    /// Gives the socket to the tokio runtime that this is called in, to accept from.
    ///
    /// # Errors
    ///
    /// There is no runtime, or the socket cannot be added to its poll. The listener is dropped
    /// then.
    ///
    /// # Panics
    ///
    /// If the runtime was built without I/O.
    pub fn into_tokio(self) -> io::Result<TokioListener> {
        TokioListener::new(self)
    }

    /// Wraps a listening socket, and asks it for its address.
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        let address = LocalAddr::of(&socket)?;
        Ok(Self {
            file: None,
            socket,
            address,
            name: None,
        })
    }
}

impl AsFd for Listener {
    /// The descriptor, to hand down to a child process, for example. The listener keeps owning it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The address that a listener is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LocalAddr {
    /// A TCP address and port.
    Tcp(SocketAddr),
    /// A socket file's path, as an absolute path if this process made it; an abstract name is
    /// written with a leading `@`; `None` is a socket without a name.
    Unix(Option<PathBuf>),
    /// Nobody has said: the request came [in process](crate::InProcess), without a [`Via`](crate::Via).
    Unknown,
}

impl LocalAddr {
    /// The TCP address, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) | Self::Unknown => None,
        }
    }

    fn of(socket: &Socket) -> io::Result<Self> {
        let address = socket.local_addr()?;
        match address.as_socket() {
            Some(tcp) => Ok(Self::Tcp(tcp)),
            None if address.is_unix() => Ok(Self::Unix(unix_name(&address))),
            None => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "its address family is {}; wanted IPv4, IPv6 or Unix",
                    address.family()
                ),
            )),
        }
    }
}

impl From<SocketAddr> for LocalAddr {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for LocalAddr {
    /// Writes what [`Bind`](super::Bind) reads: `127.0.0.1:5000`, `[::1]:5000`,
    /// `unix:/run/app.sock`; or `unknown`, which it does not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => {
                let path = path.as_deref().unwrap_or(Path::new(""));
                write!(f, "unix:{}", path.display())
            }
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

fn unix_name(address: &SockAddr) -> Option<PathBuf> {
    if let Some(path) = address.as_pathname() {
        return Some(path.to_owned());
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = address.as_abstract_namespace() {
        return Some(super::unix::abstract_path(name));
    }
    None
}
