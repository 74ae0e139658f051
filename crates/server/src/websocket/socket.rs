//! A WebSocket as a handler has it.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use crate::incoming::block_on;
use crate::reactor::is_inside;
use crate::websocket::channel::Channel;
use crate::websocket::{Event, Message, codec};

/// One end of a WebSocket, the server's. Clones are the same end; any thread may use any of them.
///
/// - Messages are received in their order, by one receiver at a time: of several that wait, the last one
///   is woken. Any number may send.
/// - Pings are answered, and liveness is looked after, without the handler.
/// - While a handler does not receive, [`Options::read_ahead`](super::Options::read_ahead) bytes of
///   messages wait for it; past that the client is stopped.
/// - When the last clone is dropped, a socket that is still open is closed with code 1011.
#[derive(Clone)]
pub struct WebSocket(Arc<Handle>);

struct Handle {
    channel: Arc<Channel>,
    subprotocol: Option<String>,
    may_wait: AtomicBool,
    /// Counts the exchanges that are alive, by its own references.
    _live: Option<Arc<()>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.channel.abandon();
    }
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The socket is closed, or its closing has begun.
    Closed,
    /// The code is none that an endpoint may send (RFC 6455 §7.4).
    BadCode(u16),
    /// A send would have to wait, which this thread must not.
    WouldBlock,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Closed => f.write_str("the WebSocket is closed"),
            SendError::BadCode(code) => write!(
                f,
                "{code} is no close code that can be sent (wanted 1000 to 1003, 1007 to 1014 or 3000 to 4999)"
            ),
            SendError::WouldBlock => f.write_str(
                "the client is slow, and a handler that must not block cannot wait for it",
            ),
        }
    }
}

impl std::error::Error for SendError {}

/// Nothing has come, and the thread must not wait: it runs inside a reactor, or its handler promised not
/// to block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct WouldBlock;

impl fmt::Display for WouldBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no message has come, and a handler that must not block cannot wait for one")
    }
}

impl std::error::Error for WouldBlock {}

impl WebSocket {
    pub(super) fn new(
        channel: Arc<Channel>,
        subprotocol: Option<String>,
        may_wait: bool,
        live: Option<Arc<()>>,
    ) -> Self {
        WebSocket(Arc::new(Handle {
            channel,
            subprotocol,
            may_wait: AtomicBool::new(may_wait),
            _live: live,
        }))
    }

    /// The subprotocol that was accepted (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.0.subprotocol.as_deref()
    }

    /// The next event. After [`Event::Closed`] it is the same for ever. Wakes the last one who asked.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Event> {
        self.0.channel.poll_recv(Some(cx))
    }

    /// The next event, if it is there.
    pub fn try_recv(&self) -> Option<Event> {
        match self.0.channel.poll_recv(None) {
            Poll::Ready(event) => Some(event),
            Poll::Pending => None,
        }
    }

    /// The next event, for async handlers.
    pub async fn recv(&self) -> Event {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next event. Waits, which blocks the thread, but no other client.
    ///
    /// # Errors
    /// [`WouldBlock`] when it would have to wait and must not.
    pub fn recv_blocking(&self) -> Result<Event, WouldBlock> {
        match self.try_recv() {
            Some(event) => Ok(event),
            None if self.may_wait() => Ok(block_on(self.recv())),
            None => Err(WouldBlock),
        }
    }

    /// Queues a message; never waits, however slow the client is. See [`poll_room`](Self::poll_room).
    /// Compresses, if that was agreed on, on the calling thread.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub fn send(&self, message: Message) -> Result<(), SendError> {
        self.0.channel.send(message)
    }

    /// Ready while at most [`Options::write_ahead`](super::Options::write_ahead) bytes wait for the
    /// client to take them; who has to wait is woken when half of that is left.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.0.channel.poll_room(Some(cx))
    }

    /// Sends a message when there is room for it, for async handlers.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub async fn send_when_room(&self, message: Message) -> Result<(), SendError> {
        poll_fn(|cx| self.poll_room(cx)).await?;
        self.send(message)
    }

    /// Sends a message when there is room for it. Waits for that, which blocks the thread, but no other
    /// client.
    ///
    /// # Errors
    /// [`SendError::Closed`]; [`SendError::WouldBlock`] when it would have to wait and must not.
    pub fn send_blocking(&self, message: Message) -> Result<(), SendError> {
        match self.0.channel.poll_room(None) {
            Poll::Ready(room) => room?,
            Poll::Pending if self.may_wait() => block_on(poll_fn(|cx| self.poll_room(cx)))?,
            Poll::Pending => return Err(SendError::WouldBlock),
        }
        self.send(message)
    }

    /// Bytes, framing included, that the client has not taken.
    pub fn queued(&self) -> usize {
        self.0.channel.queued()
    }

    /// Whether messages can be sent. What came before the end can be received later all the same.
    pub fn is_open(&self) -> bool {
        self.0.channel.is_open()
    }

    /// Starts the closing handshake, after what has been sent; [`Event::Closed`] comes when the client
    /// has answered. Messages that come until then are dropped. A reason of more than 123 bytes is clipped.
    ///
    /// # Errors
    /// [`SendError::BadCode`], or [`SendError::Closed`] when that is so already.
    pub fn close(&self, code: u16, reason: &str) -> Result<(), SendError> {
        if !codec::is_sendable(code) {
            return Err(SendError::BadCode(code));
        }
        self.0.channel.close(Some(code), reason)
    }

    /// Whether calls may block. As the handler that accepted it: one that may block may. Inside a reactor
    /// nothing waits all the same.
    pub fn set_may_wait(&self, may_wait: bool) {
        self.0.may_wait.store(may_wait, Relaxed);
    }

    fn may_wait(&self) -> bool {
        self.0.may_wait.load(Relaxed) && !is_inside()
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("subprotocol", &self.subprotocol())
            .field("open", &self.is_open())
            .finish_non_exhaustive()
    }
}
