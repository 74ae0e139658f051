//! From a response that accepts a WebSocket to the pump that serves it: what the handler leaves in the
//! response's extensions, and what the connection does with it.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;

use crate::conn::{Underway, Watch};
use crate::stream::Stream;
use crate::sync::lock;
use crate::websocket::Options;
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
    /// Where an HTTP/2 stream will come from.
    stream: Option<OnUpgrade>,
    /// Keeps the connection busy.
    underway: Option<Underway>,
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
    ) -> Self {
        Upgrade(Arc::new(Mutex::new(Some(Pending {
            channel,
            decoder,
            options,
            stream,
            underway: None,
        }))))
    }

    /// The response is about to be sent. An HTTP/2 stream gets a task of its own; an HTTP/1 connection
    /// finds the pending WebSocket when HTTP is done with it.
    pub(crate) fn begin(self, underway: Underway) {
        let Some(mut pending) = lock(&self.0).take() else {
            return;
        };
        match pending.stream.take() {
            Some(stream) => {
                tokio::spawn(pending.serve_stream(stream, underway));
            }
            None => {
                let conn = underway.conn().clone();
                pending.underway = Some(underway);
                conn.set_upgrade(pending);
            }
        }
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

    /// Serves a WebSocket on a stream of HTTP/2.
    async fn serve_stream(self, stream: OnUpgrade, underway: Underway) {
        let conn = underway.conn().clone();
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
        let mut watch = Watch::new(conn);
        let polite = poll_fn(|cx| {
            watch.set(cx.waker());
            pump.poll(cx)
        })
        .await;
        if polite {
            let mut io = pump.into_io();
            // What goes wrong now concerns nobody: the conversation is over.
            let _ = poll_fn(|cx| hyper::rt::Write::poll_shutdown(Pin::new(&mut io), cx)).await;
        }
    }
}
