//! The bytes of one connection, below HTTP: a socket, in TLS or not, as hyper reads and writes it.
//!
//! Everything a client sends on HTTP/1 passes the [`Guard`] first, which is stricter than hyper's
//! parser where request smuggling lives. A message that it rejects is kept from hyper: hyper sees the
//! end of the stream, and the connection's task answers with the guard's verdict.

mod file_parts;
mod quiet;
#[cfg(target_os = "linux")]
mod sendfile;

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use crate::conn::Conn;
use crate::guard::{Guard, Reject};
use crate::reply::read_at;

pub(crate) use self::file_parts::{FileParts, LONGEST, shorter};
pub(crate) use self::quiet::Quiet;

/// A socket, plain or in TLS.
pub(crate) enum Socket {
    Tcp(Quiet<TcpStream>),
    Unix(Quiet<UnixStream>),
    TlsTcp(Box<TlsStream<Quiet<TcpStream>>>),
    TlsUnix(Box<TlsStream<Quiet<UnixStream>>>),
}

/// Calls the same method on whichever socket it is.
macro_rules! each {
    ($socket:expr, $io:ident => $call:expr) => {
        match $socket {
            Socket::Tcp($io) => $call,
            Socket::Unix($io) => $call,
            Socket::TlsTcp($io) => $call,
            Socket::TlsUnix($io) => $call,
        }
    };
}

impl Socket {
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_read(cx, buf))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write_vectored(cx, bufs))
    }

    /// As [`poll_write_vectored`](Self::poll_write_vectored), for bytes that others follow at once.
    fn poll_write_ahead(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Socket::Tcp(io) => io.poll_write_ahead(cx, bufs),
            Socket::Unix(io) => io.poll_write_ahead(cx, bufs),
            Socket::TlsTcp(_) | Socket::TlsUnix(_) => self.poll_write_vectored(cx, bufs),
        }
    }

    /// Whether the system can send files over it.
    fn takes_files(&self) -> bool {
        cfg!(target_os = "linux") && matches!(self, Socket::Tcp(_) | Socket::Unix(_))
    }

    /// Sends up to `count` bytes of a file, from `offset` on; 0 at its end.
    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        offset: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        #[cfg(target_os = "linux")]
        {
            let sent = match self {
                Socket::Tcp(io) => ready!(io.poll_send_file(cx, file, offset, count))?,
                Socket::Unix(io) => ready!(io.poll_send_file(cx, file, offset, count))?,
                Socket::TlsTcp(_) | Socket::TlsUnix(_) => None,
            };
            if let Some(n) = sent {
                return Poll::Ready(Ok(n));
            }
        }
        let piece = read_at(file, offset, count)?;
        if piece.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll_write(cx, &piece)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, io => io.is_write_vectored())
    }
}

/// A connection's bytes; see the module.
pub(crate) struct Stream {
    socket: Socket,
    conn: Arc<Conn>,
    guard: Option<Guard>,
    /// The first bytes, read to tell the protocol and not handed on yet.
    start: Vec<u8>,
    /// The guard has seen `start` already.
    start_seen: bool,
    rejected: Option<Reject>,
    /// The fault is in a body whose head hyper has had: a handler may be reading it.
    midway: bool,
    /// hyper has been told that the stream ends where the rejected message begins.
    told_end: bool,
    /// The client has closed its side.
    ended: bool,
    /// hyper has bytes of a message left that the socket did not take: nothing may come between them.
    partial: bool,
    /// An informational response on its way out, from `.1` on.
    interim: Option<(Vec<u8>, usize)>,
}

impl Stream {
    /// `guard` is for HTTP/1; HTTP/2 has a framing of its own. `start` are bytes that came from the
    /// socket already.
    pub(crate) fn new(
        socket: Socket,
        conn: Arc<Conn>,
        guard: Option<Guard>,
        start: Vec<u8>,
    ) -> Self {
        if guard.is_some() && socket.takes_files() {
            conn.files.open();
        }
        Stream {
            socket,
            conn,
            guard,
            start,
            start_seen: false,
            rejected: None,
            midway: false,
            told_end: false,
            ended: false,
            partial: false,
            interim: None,
        }
    }

    /// The verdict on the message that ended the stream, if one was rejected. None too when hyper had
    /// closed for a reason of its own before it came to that message, and when a handler has the message:
    /// then the last word is said, or will be, elsewhere.
    pub(crate) fn rejected(&self) -> Option<&Reject> {
        self.rejected
            .as_ref()
            .filter(|_| self.told_end && !self.midway)
    }

    /// Waits for bytes without a buffer to hold: between requests, when the client is in no hurry.
    /// `unread` is what HTTP had read of the next request. False when the client has closed.
    pub(crate) fn poll_rest(
        &mut self,
        cx: &mut Context<'_>,
        unread: &[u8],
    ) -> Poll<io::Result<bool>> {
        if self.rejected.is_some() || self.ended || !self.start.is_empty() {
            return Poll::Ready(Ok(true));
        }
        if !unread.is_empty() {
            self.start = unread.to_vec();
            self.start_seen = true;
            return Poll::Ready(Ok(true));
        }
        let mut few = [0; 64];
        let mut buf = ReadBuf::new(&mut few);
        ready!(self.socket.poll_read(cx, &mut buf))?;
        self.start = buf.filled().to_vec();
        self.start_seen = false;
        self.ended = self.start.is_empty();
        // Out of the idle phase at once, or the connection would go to rest again.
        self.conn.on_read(true);
        Poll::Ready(Ok(!self.ended))
    }

    /// Whether the client has closed its side.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Whether the socket may be closed without a wait for the client's end: it has promised to send
    /// nothing more, so nothing can come that would make the system reset the connection before the client
    /// has read its answer (RFC 9112 §9.6). TLS has a word to say first.
    pub(crate) fn needs_no_farewell(&self) -> bool {
        matches!(self.socket, Socket::Tcp(_) | Socket::Unix(_))
            && self.start.is_empty()
            && self.rejected.is_none()
            && self.guard.as_ref().is_some_and(Guard::is_last)
    }

    /// HTTP is over, and another protocol begins. False if the client sent something that is not HTTP
    /// before it was told that it may (RFC 6455 §4.1): that is lost.
    pub(crate) fn end_http(&mut self) -> bool {
        self.guard = None;
        self.rejected.is_none()
    }

    /// The bare socket, for what is said after HTTP.
    pub(crate) fn into_socket(self) -> Socket {
        self.socket
    }

    /// Writes what waits of informational responses; ready when nothing does. Pending also while a
    /// message of hyper's is half-way out.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.interim.is_none() {
            match self.conn.take_interim() {
                Some(bytes) => self.interim = Some((bytes, 0)),
                None => return Poll::Ready(Ok(())),
            }
        }
        while let Some((bytes, from)) = &mut self.interim {
            let n = ready!(self.socket.poll_write(cx, &bytes[*from..]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *from += n;
            if *from == bytes.len() {
                self.interim = None;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes buffers of which the one at `plain` is the first to stand for a part of a file.
    fn poll_write_files(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
        plain: usize,
    ) -> Poll<io::Result<usize>> {
        let Stream { socket, conn, .. } = self;
        if plain != 0 {
            return socket.poll_write_ahead(cx, &bufs[..plain]);
        }
        let sent = conn.files.poll_send(&bufs[0], |file, offset, count| {
            socket.poll_send_file(cx, file, offset, count)
        });
        if let Poll::Ready(Err(e)) = &sent
            && !is_of_the_client(e)
        {
            tracing::error!("cannot send the rest of a file: {e}");
        }
        sent
    }

    /// Notes how a write of `len` bytes went.
    fn wrote(&mut self, len: usize, result: &Poll<io::Result<usize>>) {
        self.conn.on_flush(false);
        match result {
            Poll::Pending => {
                self.partial = true;
                self.conn.on_write(true);
            }
            Poll::Ready(Ok(n)) => {
                self.partial = *n < len;
                self.conn.on_write(false);
            }
            Poll::Ready(Err(_)) => {}
        }
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.rejected.is_some() {
            // The requests before it are still answered; hyper takes an end of the stream for a client
            // that has gone, so it sees none before that.
            if this.conn.is_busy() && !this.midway {
                this.conn.hold_read();
                return Poll::Pending;
            }
            this.told_end = true;
            return Poll::Ready(Ok(()));
        }
        // SAFETY: `ReadBuf` is a `&mut [MaybeUninit<u8>]` that never writes uninitialized bytes into
        // the slice, which is what `as_mut` asks of its caller.
        let mut buf = ReadBuf::uninit(unsafe { cursor.as_mut() });
        if this.start.is_empty() {
            ready!(this.socket.poll_read(cx, &mut buf))?;
        } else {
            let n = this.start.len().min(buf.remaining());
            buf.put_slice(&this.start[..n]);
            this.start.drain(..n);
            if this.start.is_empty() {
                // The connection may live for long, and need it no more.
                this.start = Vec::new();
            }
        }
        let bytes = buf.filled();
        let mut n = bytes.len();
        if n == 0 {
            this.ended = true;
            return Poll::Ready(Ok(()));
        }
        let seen = this.start_seen;
        let in_body = this.guard.as_ref().is_some_and(Guard::in_body);
        this.start_seen = seen && !this.start.is_empty();
        if let Some(guard) = &mut this.guard
            && !seen
            && !this.conn.is_upgrading()
            && let Err(reject) = guard.feed(bytes)
        {
            n = reject.accepted.min(n);
            this.midway = in_body && reject.in_body && reject.started_earlier;
            if this.midway {
                this.conn.set_fault(reject.reason);
            }
            this.rejected = Some(reject);
        }
        this.conn.on_read(this.guard.is_some());
        if n == 0 && this.conn.is_busy() && !this.midway {
            this.conn.hold_read();
            return Poll::Pending;
        }
        this.told_end = n == 0;
        // SAFETY: `buf` covers the cursor's unfilled part from its start, and its first `filled().len()`
        // bytes, of which `n` is at most the number, were written by the socket.
        unsafe { cursor.advance(n) };
        Poll::Ready(Ok(()))
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if !this.partial {
            ready!(this.poll_interim(cx))?;
        }
        let result = this.socket.poll_write(cx, buf);
        this.wrote(buf.len(), &result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if !this.partial {
            ready!(this.poll_interim(cx))?;
        }
        let len = bufs.iter().map(|b| b.len()).sum();
        let plain = this.conn.files.plain(bufs);
        let result = if plain < bufs.len() {
            this.poll_write_files(cx, bufs, plain)
        } else if len <= GATHER {
            // A head and a small body: copying them costs less than a vectored system call does.
            let mut gathered = [0; GATHER];
            let mut end = 0;
            for buf in bufs {
                gathered[end..end + buf.len()].copy_from_slice(buf);
                end += buf.len();
            }
            this.socket.poll_write(cx, &gathered[..end])
        } else {
            this.socket.poll_write_vectored(cx, bufs)
        };
        this.wrote(len, &result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // hyper flushes when its buffer is empty, so a message boundary is here.
        this.partial = false;
        ready!(this.poll_interim(cx))?;
        match this.socket.poll_flush(cx) {
            Poll::Pending => {
                this.conn.on_write(true);
                Poll::Pending
            }
            ready => {
                this.conn.on_write(false);
                this.conn.on_flush(true);
                ready
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_shutdown(cx)
    }
}

/// Whether the error only says that the client has gone.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
    )
}

/// Up to this many bytes a vectored write becomes a plain one.
const GATHER: usize = 512;

/// What is left to say after HTTP: a last answer, and a close that lets the client read it.
pub(crate) struct Farewell {
    socket: Socket,
    answer: Vec<u8>,
    written: usize,
    shut: bool,
    /// Bytes that may still be read and thrown away.
    patience: usize,
}

impl Farewell {
    /// A close with unread bytes in the socket makes the kernel send RST, which may destroy the answer
    /// before the client reads it. So: write, close our side, read and discard until the client closes
    /// too, within bounds (RFC 9112 §9.6). The caller bounds the time.
    pub(crate) fn new(socket: Socket, answer: Vec<u8>) -> Self {
        Farewell {
            socket,
            answer,
            written: 0,
            shut: false,
            patience: 1 << 20,
        }
    }
}

impl Future for Farewell {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.written < this.answer.len() {
            match ready!(this.socket.poll_write(cx, &this.answer[this.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => this.written += n,
            }
        }
        if !this.shut {
            ready!(this.socket.poll_flush(cx))?;
            ready!(this.socket.poll_shutdown(cx))?;
            this.shut = true;
        }
        let mut scratch = [0; 8 << 10];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            ready!(this.socket.poll_read(cx, &mut buf))?;
            let n = buf.filled().len();
            if n == 0 || n >= this.patience {
                return Poll::Ready(Ok(()));
            }
            this.patience -= n;
        }
    }
}
