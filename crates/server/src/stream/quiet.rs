//! Sockets whose writes never raise SIGPIPE.
//!
//! Rust programs ignore that signal, but a library may live in a program in C, where it ends the process
//! unless somebody has seen to it. So every write here says MSG_NOSIGNAL, and a client that hangs up is
//! the error EPIPE everywhere.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::fd::AsFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// What tokio's two stream sockets have in common.
pub(crate) trait Ready: AsyncRead + AsyncWrite + AsFd + Unpin {
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn try_write(&self, write: impl FnOnce() -> io::Result<usize>) -> io::Result<usize>;
}

macro_rules! ready_socket {
    ($socket:ty) => {
        impl Ready for $socket {
            fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_write_ready(cx)
            }

            fn try_write(&self, write: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
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
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        send: impl Fn(&S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(|| send(&self.0)) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                sent => return Poll::Ready(sent),
            }
        }
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
        // The system takes no more at once (IOV_MAX is at least 1024 where we run).
        let bufs = &bufs[..bufs.len().min(1024)];
        self.poll_send(cx, |socket| {
            let mut nothing = rustix::net::SendAncillaryBuffer::default();
            Ok(rustix::net::sendmsg(socket, bufs, &mut nothing, flags())?)
        })
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

fn flags() -> rustix::net::SendFlags {
    // Apple's systems have an option of the socket instead, which the standard library sets.
    #[cfg(not(target_vendor = "apple"))]
    return rustix::net::SendFlags::NOSIGNAL;
    #[cfg(target_vendor = "apple")]
    return rustix::net::SendFlags::empty();
}
