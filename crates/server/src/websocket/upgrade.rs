//! From a response that accepts a WebSocket to the pump that serves it: what the handler leaves in the
//! response's extensions, and what the connection does with it.

use std::fmt;
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, Weak};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::rt::{Read, ReadBuf, Write};
use hyper::upgrade::{OnUpgrade, Upgraded};
use tokio::runtime::Handle;

use crate::conn::{Conn, Order, Underway, Watch};
use crate::stream::Stream;
use crate::sync::lock;
use crate::websocket::Options;
use crate::websocket::channel::Channel;
use crate::websocket::codec::Decoder;
use crate::websocket::pump::{Pump, PumpEnd};

/// An extension of a response that accepts. Where the response is lost on its way, the handler's end is
/// closed.
#[derive(Clone)]
pub(crate) struct Upgrade(Arc<Mutex<Option<Pending>>>);

/// A WebSocket whose connection is still HTTP's.
pub(crate) struct Pending {
    channel: PumpEnd,
    decoder: Decoder,
    options: Options,
    /// Where an HTTP/2 stream, or the connection of a host program, will come from.
    stream: Option<OnUpgrade>,
    /// The stream is the whole connection, as in HTTP/1.
    is_connection: bool,
    /// Keeps the connection busy.
    underway: Option<Underway>,
    /// Keeps an exchange under way that came to its server by the in-process entrance, out of another
    /// server, whose connection the WebSocket gets.
    inner: Option<Underway>,
}

/// What ends a WebSocket for its handler.
pub(crate) struct Cutter(Weak<Channel>);

impl Cutter {
    /// Nothing comes any more, and nothing is sent.
    pub(crate) fn cut(&self) {
        if let Some(channel) = self.0.upgrade() {
            channel.cut();
        }
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

impl Upgrade {
    pub(super) fn new(
        channel: PumpEnd,
        decoder: Decoder,
        options: Options,
        stream: Option<OnUpgrade>,
        is_connection: bool,
    ) -> Self {
        Upgrade(Arc::new(Mutex::new(Some(Pending {
            channel,
            decoder,
            options,
            stream,
            is_connection,
            underway: None,
            inner: None,
        }))))
    }

    /// The response is about to be sent. An HTTP/2 stream, or a host program's connection, gets a task of
    /// its own; an HTTP/1 connection finds the pending WebSocket when HTTP is done with it. Gives back what
    /// is to be begun further out: by the server whose connection it is.
    pub(crate) fn begin(self, underway: Underway) -> Option<Upgrade> {
        let mut pending = lock(&self.0).take()?;
        let conn = underway.conn().clone();
        if conn.is_in_process() {
            conn.set_cutter(Cutter(Arc::downgrade(&pending.channel.0)));
        }
        if let Some(stream) = pending.stream.take() {
            // The host's own, where it has one: its bytes come there.
            let runtime = Handle::try_current().ok();
            let runtime = runtime.as_ref().or(conn.reactor());
            if let Some(runtime) = runtime {
                runtime.spawn(pending.serve_stream(stream, underway));
            }
            return None;
        }
        if conn.is_in_process() {
            pending.inner = Some(underway);
            *lock(&self.0) = Some(pending);
            return Some(self);
        }
        pending.underway = Some(underway);
        conn.set_upgrade(pending);
        None
    }
}

impl Pending {
    /// Serves a WebSocket on a whole connection; gives the connection back where its client should have
    /// the time to read the last frame. `unread` is what HTTP has read too much.
    pub(crate) async fn serve(self, stream: Stream, unread: Bytes) -> Option<Stream> {
        let underway = self.underway?;
        let conn = underway.conn().clone();
        let mut pump = Pump::new(
            stream,
            unread,
            conn,
            self.channel,
            self.decoder,
            &self.options,
            false,
        );
        let polite = poll_fn(|cx| pump.poll(cx)).await;
        polite.then(|| pump.into_io())
    }

    /// Serves a WebSocket on a stream of HTTP/2, or on a connection of a host program.
    async fn serve_stream(self, stream: OnUpgrade, underway: Underway) {
        let conn = underway.conn().clone();
        let mut watch = Watch::new(conn.clone());
        let mut conversation = pin!(self.converse(stream, &conn));
        poll_fn(|cx| {
            watch.set(cx.waker());
            if conn.order() == Order::Cut {
                return Poll::Ready(());
            }
            conversation.as_mut().poll(cx)
        })
        .await;
        drop(underway);
    }

    async fn converse(self, stream: OnUpgrade, conn: &Arc<Conn>) {
        let Ok(io) = stream.await else { return };
        let mut pump = Pump::new(
            io,
            Bytes::new(),
            conn.clone(),
            self.channel,
            self.decoder,
            &self.options,
            true,
        );
        if poll_fn(|cx| pump.poll(cx)).await {
            part(pump.into_io(), self.is_connection).await;
        }
    }
}

/// Ends the transport. What goes wrong now concerns nobody: the conversation is over.
async fn part(mut io: Upgraded, linger: bool) {
    let _ = poll_fn(|cx| Pin::new(&mut io).poll_shutdown(cx)).await;
    if !linger {
        return;
    }
    // It may be a socket: one that is closed with something unread takes the last frame with it.
    let rest = poll_fn(|cx| {
        let mut room = [const { MaybeUninit::uninit() }; 1024];
        loop {
            let mut buf = ReadBuf::uninit(&mut room);
            match Pin::new(&mut io).poll_read(cx, buf.unfilled()) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    });
    let _ = tokio::time::timeout(LINGER, rest).await;
}

/// How long a client may take to read the last frame and close its side.
const LINGER: Duration = Duration::from_secs(2);
