//! Accepting connections inside a runtime, and which failures of that will pass.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{fmt, io};

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream, unix};

use super::unix::SocketFile;
use super::{Listener, LocalAddr};

/// A [`Listener`] that belongs to a tokio runtime. It must be dropped no later than the runtime.
#[derive(Debug)]
pub struct TokioListener {
    // Before `socket`, so dropped before it: see `SocketFile`.
    _file: Option<Arc<SocketFile>>,
    socket: Family,
    address: LocalAddr,
}

impl TokioListener {
    /// Waits for the next connection and takes it. TCP connections come with `TCP_NODELAY` set.
    ///
    /// Several tasks may wait at once. Cancel safe: a wait that is dropped loses no connection.
    ///
    /// # Errors
    ///
    /// As the operating system reports them; [`is_transient`] and [`is_exhausted`] say what to make
    /// of one.
    pub async fn accept(&self) -> io::Result<(Accepted, PeerAddr)> {
        match &self.socket {
            Family::Tcp(listener) => listener.accept().await.map(from_tcp),
            Family::Unix(listener) => listener.accept().await.map(from_unix),
        }
    }

    /// [`accept`](Self::accept) for hand-written futures. Only the task that polled last is woken.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Accepted, PeerAddr)>> {
        match &self.socket {
            Family::Tcp(listener) => listener.poll_accept(cx).map_ok(from_tcp),
            Family::Unix(listener) => listener.poll_accept(cx).map_ok(from_unix),
        }
    }

    /// The address it is bound to.
    pub fn local_addr(&self) -> &LocalAddr {
        &self.address
    }

    pub(super) fn new(listener: Listener) -> io::Result<Self> {
        // Without this, tokio would panic below.
        tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        let Listener {
            file,
            socket,
            address,
            name: _,
        } = listener;
        let socket = match address {
            LocalAddr::Tcp(_) => Family::Tcp(TcpListener::from_std(socket.into())?),
            // `LocalAddr::of` made it, which knows what it is.
            LocalAddr::Unix(_) | LocalAddr::Unknown => {
                Family::Unix(UnixListener::from_std(socket.into())?)
            }
        };
        Ok(Self {
            _file: file,
            socket,
            address,
        })
    }
}

/// A connection, just accepted. The caller owns it.
#[derive(Debug)]
pub enum Accepted {
    /// Over TCP, with `TCP_NODELAY` set.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

/// Who connected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PeerAddr {
    /// Over TCP. A client that reached a dual-stack socket over IPv4 has its IPv4 address here, not
    /// `::ffff:…`.
    Tcp(SocketAddr),
    /// Over a Unix socket. Clients rarely bind theirs to a path, so this is `None` nearly always.
    Unix(Option<PathBuf>),
    /// Nobody has said: the request came [in process](crate::InProcess), without a [`Via`](crate::Via).
    Unknown,
}

impl PeerAddr {
    /// The TCP address, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) | Self::Unknown => None,
        }
    }
}

impl From<SocketAddr> for PeerAddr {
    /// An IPv4 address written as an IPv6 one is an IPv4 address.
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

impl fmt::Display for PeerAddr {
    /// `127.0.0.1:40112`, `[::1]:40112`, `unix:/path`; `unix:` alone for a client without a path;
    /// `unknown`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(
                f,
                "unix:{}",
                path.as_deref().unwrap_or(Path::new("")).display()
            ),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// Whether to go on accepting after this error of [`TokioListener::accept`].
///
/// True of an error that concerns one connection, which is gone, and of a shortage, of which
/// [`is_exhausted`] is true too: then wait a little first, since the connection is still in the
/// queue and `accept` would fail again at once. Anything else means that the listener itself is
/// broken.
pub fn is_transient(error: &io::Error) -> bool {
    is_exhausted(error)
        || matches!(
            Errno::from_io_error(error),
            Some(
                Errno::CONNABORTED
                    | Errno::CONNRESET
                    | Errno::INTR
                    | Errno::AGAIN
                    // Linux hands out what the network reported of a connection that nobody has
                    // accepted yet: accept(2), "Error handling". EOPNOTSUPP is on that list too,
                    // but may also mean that the socket cannot accept at all, and then to try again
                    // would spin.
                    | Errno::NETDOWN
                    | Errno::PROTO
                    | Errno::NOPROTOOPT
                    | Errno::HOSTDOWN
                    | Errno::HOSTUNREACH
                    | Errno::NETUNREACH
                    | Errno::TIMEDOUT
            )
        )
}

/// Whether the process or the machine is short of something that `accept` needs: descriptors
/// (`EMFILE`, `ENFILE`) or memory (`ENOBUFS`, `ENOMEM`); or a security policy forbids it for now
/// (`EPERM`). The connection stays in the queue, so wait before the next try, and close what can be
/// closed.
pub fn is_exhausted(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::PERM)
    )
}

#[derive(Debug)]
enum Family {
    Tcp(TcpListener),
    Unix(UnixListener),
}

fn from_tcp((stream, mut peer): (TcpStream, SocketAddr)) -> (Accepted, PeerAddr) {
    // A small answer should not wait for the acknowledgement of the one before. Where this fails,
    // the peer has gone already, and the first read says so.
    let _ = stream.set_nodelay(true);
    peer.set_ip(peer.ip().to_canonical());
    (Accepted::Tcp(stream), PeerAddr::Tcp(peer))
}

fn from_unix((stream, peer): (UnixStream, unix::SocketAddr)) -> (Accepted, PeerAddr) {
    let path = peer.as_pathname().map(Path::to_owned);
    (Accepted::Unix(stream), PeerAddr::Unix(path))
}
