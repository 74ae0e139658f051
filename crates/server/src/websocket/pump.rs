//! Moves the bytes of one WebSocket, inside the reactor: in HTTP/1 as the end of the connection's own
//! task, in HTTP/2 as a task for the stream.

mod keepalive;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use hyper::rt::{Read, ReadBuf, Write};

use crate::conn::{Conn, Order};
use crate::websocket::channel::{Channel, Segment};
use crate::websocket::codec::{self, Decoder, Fault, Incoming};
use crate::websocket::message::Utf8Bytes;
use crate::websocket::{Event, Options};

use self::keepalive::{Keepalive, Tick};

/// The end of the pump, also of one that never ran: whoever waits for it learns that nothing comes.
pub(super) struct PumpEnd(pub(super) Arc<Channel>);

impl Drop for PumpEnd {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// See the module. A future that is ready when the connection, or the stream, is to be closed: with true
/// if the client should have the time to read what it has been sent.
pub(super) struct Pump<Io> {
    io: Io,
    account: Account,
    channel: PumpEnd,
    decoder: Decoder,
    /// Came, and has not been decoded.
    unread: Bytes,
    out: VecDeque<Segment>,
    /// The pongs and pings that go out at the next end of a frame.
    control: VecDeque<Bytes>,
    /// How many of their bytes are in `out`.
    control_out: usize,
    /// A part of a frame is out.
    mid_frame: bool,
    /// Written, and not flushed.
    dirty: bool,
    /// The client does not take bytes.
    blocked: bool,
    /// The handler does not take messages.
    paused: bool,
    /// Nothing more is read: the client has closed, or made a fault.
    deaf: bool,
    told_drain: bool,
    keepalive: Keepalive,
}

impl<Io: Read + Write + Unpin> Pump<Io> {
    /// `unread` has been read from `io` already. `account` is for HTTP/2.
    pub(super) fn new(
        io: Io,
        unread: Bytes,
        conn: Arc<Conn>,
        channel: PumpEnd,
        decoder: Decoder,
        options: &Options,
        account: bool,
    ) -> Self {
        Pump {
            io,
            account: Account {
                conn,
                keeps: account,
                owes: false,
            },
            channel,
            decoder,
            unread,
            out: VecDeque::new(),
            control: VecDeque::new(),
            control_out: 0,
            mid_frame: false,
            dirty: false,
            blocked: false,
            paused: false,
            deaf: false,
            told_drain: false,
            keepalive: Keepalive::new(options),
        }
    }

    /// The transport, for what follows the conversation.
    pub(super) fn into_io(self) -> Io {
        self.io
    }

    fn channel(&self) -> &Channel {
        &self.channel.0
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.account.conn.order() != Order::Serve && !self.told_drain {
            self.told_drain = true;
            // One that is closing needs no other reason.
            let _ = self.channel().close(Some(1012), "service restart");
        }
        for _ in 0..ROUNDS {
            let moved = self.read(cx).and_then(|read| Ok(read | self.write(cx)?));
            let mut moved = match moved {
                Ok(moved) => moved,
                Err(e) => {
                    self.channel().end(1006, e.to_string());
                    return Poll::Ready(false);
                }
            };
            let closing = self.channel().is_closing();
            if self.deaf && self.is_written() {
                return Poll::Ready(true);
            }
            let open = !self.blocked && !self.paused;
            match self.keepalive.poll(cx, closing, open) {
                Tick::Nothing => {}
                Tick::Ping => {
                    self.control
                        .push_back(codec::control_frame(codec::PING, &[]));
                    moved = true;
                }
                Tick::Dead => {
                    self.fail(Fault {
                        code: 1011,
                        reason: "keepalive ping timeout",
                    });
                    moved = true;
                }
                // It had the time to close, or to take what is due to it.
                Tick::Late => {
                    self.channel()
                        .end(1006, "the client did not close in time".into());
                    return Poll::Ready(self.is_written());
                }
            }
            if !moved {
                return Poll::Pending;
            }
        }
        // Others want a turn too.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once, if anything may be read; says whether something came.
    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        self.paused = !self.deaf && !self.channel().may_read(cx);
        if self.deaf || self.paused {
            return Ok(false);
        }
        if !self.unread.is_empty() {
            let unread = std::mem::take(&mut self.unread);
            self.decode(&unread);
            return Ok(true);
        }
        let mut room = [const { MaybeUninit::uninit() }; READ];
        let mut buf = ReadBuf::uninit(&mut room);
        match Pin::new(&mut self.io).poll_read(cx, buf.unfilled()) {
            Poll::Pending => return Ok(false),
            Poll::Ready(read) => read?,
        }
        let bytes = buf.filled();
        if bytes.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection ended without a close frame",
            ));
        }
        self.keepalive.heard();
        self.decode(bytes);
        Ok(true)
    }

    fn decode(&mut self, mut bytes: &[u8]) {
        while !self.deaf {
            let event = match self.decoder.feed(&mut bytes) {
                Ok(None) => return,
                Ok(Some(Incoming::Text(text))) => Event::Text(Utf8Bytes::checked(text)),
                Ok(Some(Incoming::Binary(bytes))) => Event::Binary(bytes),
                Ok(Some(Incoming::Ping(payload))) => {
                    let pong = codec::control_frame(codec::PONG, &payload);
                    if self.control.len() >= PONGS {
                        // The latest is enough of an answer (RFC 6455 §5.5.3).
                        self.control.pop_back();
                    }
                    self.control.push_back(pong);
                    continue;
                }
                Ok(Some(Incoming::Pong)) => continue,
                Ok(Some(Incoming::Close(said))) => {
                    self.deaf = true;
                    // Ours may be on its way already.
                    let _ = self.channel().close(said.as_ref().map(|said| said.0), "");
                    let (code, reason) = said.unwrap_or((1005, String::new()));
                    self.channel().end(code, reason);
                    return;
                }
                Err(fault) => return self.fail(fault),
            };
            if !self.channel().deliver(event) {
                self.unread = Bytes::copy_from_slice(bytes);
                return;
            }
        }
    }

    /// Fails the connection (RFC 6455 §7.1.7).
    fn fail(&mut self, fault: Fault) {
        self.deaf = true;
        let _ = self.channel().close(Some(fault.code), fault.reason);
        self.channel()
            .end(1006, format!("{} ({})", fault.reason, fault.code));
    }

    /// Writes what the socket takes; says whether it took something.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut moved = false;
        loop {
            self.channel.0.take(&mut self.out, cx);
            if !self.mid_frame && self.control_out == 0 {
                self.control_out = self.control.iter().map(Bytes::len).sum();
                for bytes in self.control.drain(..).rev() {
                    self.out.push_front(Segment {
                        bytes,
                        ends_frame: true,
                        counted: false,
                    });
                }
            }
            if self.out.is_empty() {
                break;
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut n = 0;
            for (slice, segment) in slices.iter_mut().zip(&self.out) {
                *slice = IoSlice::new(&segment.bytes);
                n += 1;
            }
            let io = Pin::new(&mut self.io);
            let written = if n == 1 {
                io.poll_write(cx, &slices[0])
            } else {
                io.poll_write_vectored(cx, &slices[..n])
            };
            match written {
                Poll::Pending => {
                    self.note_blocked(true);
                    return Ok(moved);
                }
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => {
                    self.note_blocked(false);
                    self.advance(written?);
                    (moved, self.dirty) = (true, true);
                }
            }
        }
        if self.dirty {
            match Pin::new(&mut self.io).poll_flush(cx) {
                Poll::Pending => self.note_blocked(true),
                Poll::Ready(flushed) => {
                    flushed?;
                    self.note_blocked(false);
                    self.dirty = false;
                }
            }
        }
        Ok(moved)
    }

    /// Takes what has been written off the queue.
    fn advance(&mut self, mut n: usize) {
        let mut counted = 0;
        while let Some(front) = self.out.front_mut() {
            let part = n.min(front.bytes.len());
            front.bytes.advance(part);
            n -= part;
            if front.counted {
                counted += part;
            } else {
                self.control_out -= part;
            }
            if !front.bytes.is_empty() {
                self.mid_frame |= part != 0;
                break;
            }
            self.mid_frame = !front.ends_frame;
            self.out.pop_front();
        }
        if counted != 0 {
            self.channel().wrote(counted);
        }
    }

    /// Whether the close frame and all before it have left.
    fn is_written(&self) -> bool {
        self.out.is_empty() && self.control.is_empty() && !self.dirty
    }

    fn note_blocked(&mut self, blocked: bool) {
        self.blocked = blocked;
        self.account.note(blocked);
    }
}

/// What the connection is told of a client that does not take bytes. HTTP/1 needs no such account: there,
/// the socket shows it.
struct Account {
    conn: Arc<Conn>,
    keeps: bool,
    owes: bool,
}

impl Account {
    fn note(&mut self, blocked: bool) {
        if self.keeps && self.owes != blocked {
            self.owes = blocked;
            if blocked {
                self.conn.owe(1);
            } else {
                self.conn.pay(1);
            }
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.note(false);
    }
}

/// So many reads and writes in one go, then another task has its turn.
const ROUNDS: usize = 16;
/// Bytes to read at once.
const READ: usize = 32 << 10;
/// Pongs that may wait for a client that does not read them.
const PONGS: usize = 64;
/// Segments in one write.
const SLICES: usize = 16;
