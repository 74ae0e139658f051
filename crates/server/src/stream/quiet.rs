//! Sockets whose writes never raise SIGPIPE.
//!
//! Rust programs ignore that signal, but a library may live in a program in C, where it ends the process
//! unless somebody has seen to it. So every write here says MSG_NOSIGNAL, and a client that hangs up is
//! the error EPIPE everywhere.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::fd::AsFd;
use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

#[cfg(target_os = "linux")]
use super::sendfile;

/// What tokio's two stream sockets have in common.
pub(crate) trait Ready: AsyncRead + AsyncWrite + AsFd + Unpin {
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn try_write<T>(&self, write: impl FnOnce() -> io::Result<T>) -> io::Result<T>;
}

macro_rules! ready_socket {
    ($socket:ty) => {
        impl Ready for $socket {
            fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_write_ready(cx)
            }

            fn try_write<T>(&self, write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
                self.try_io(Interest::WRITABLE, write)
            }
        }
    };
}

ready_socket!(TcpStream);
ready_socket!(UnixStream);

/// See the module.
pub(crate) struct Quiet<S>(pub(crate) S);

impl<S: Ready> Quiet<S> {
    /// Calls `send` when the socket takes bytes, until it does not say that it would block.
    fn poll_send<T>(
        &self,
        cx: &mut Context<'_>,
        send: impl Fn(&S) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(|| send(&self.0)) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    /// A vectored write of bytes that others follow at once: a short packet need not go before those.
    pub(super) fn poll_write_ahead(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send_message(cx, bufs, flags() | more())
    }

    /// Sends up to `count` bytes of a file; None where the system cannot send it. See [`sendfile`].
    #[cfg(target_os = "linux")]
    pub(super) fn poll_send_file(
        &self,
        cx: &mut Context<'_>,
        file: &std::fs::File,
        offset: u64,
        count: usize,
    ) -> Poll<io::Result<Option<usize>>> {
        self.poll_send(cx, |socket| sendfile::send(socket, file, offset, count))
    }

    fn poll_send_message(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        flags: SendFlags,
    ) -> Poll<io::Result<usize>> {
        // The system takes no more at once (IOV_MAX is at least 1024 where we run).
        let bufs = &bufs[..bufs.len().min(1024)];
        self.poll_send(cx, |socket| {
            let mut nothing = rustix::net::SendAncillaryBuffer::default();
            Ok(rustix::net::sendmsg(socket, bufs, &mut nothing, flags)?)
        })
    }
}

impl<S: Ready> AsyncWrite for Quiet<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, |socket| Ok(rustix::net::send(socket, buf, flags())?))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send_message(cx, bufs, flags())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl<S: Ready> AsyncRead for Quiet<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

/// The flag that says that more follows, where there is one.
fn more() -> SendFlags {
    #[cfg(target_os = "linux")]
    return SendFlags::MORE;
    #[cfg(not(target_os = "linux"))]
    return SendFlags::empty();
}

fn flags() -> SendFlags {
    // Apple's systems have an option of the socket instead, which the standard library sets.
    #[cfg(not(target_vendor = "apple"))]
    return SendFlags::NOSIGNAL;
    #[cfg(target_vendor = "apple")]
    return SendFlags::empty();
}
