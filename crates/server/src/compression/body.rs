//! A body that is compressed as it leaves.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use super::Stream;
use super::encoder::Encoder;
use crate::body::{Body, BoxError};

/// How much is compressed before the reactor turns to its other clients.
pub(super) const PIECE: usize = 64 << 10;

/// The compressed form of another body. It takes from that body only when the client takes from it, so a
/// slow client slows the handler as it does without compression.
pub(super) struct Compressed {
    inner: Body,
    /// None after the end.
    encoder: Option<Encoder>,
    /// What was taken from the inner body and not compressed yet.
    rest: Bytes,
    /// The encoder holds bytes that the client cannot see yet.
    unflushed: bool,
    /// How much was compressed since the reactor last turned elsewhere.
    spent: usize,
    trailers: Option<HeaderMap>,
    _stream: Stream,
}

impl Compressed {
    pub(super) fn new(inner: Body, encoder: Encoder, stream: Stream) -> Self {
        Compressed {
            inner,
            encoder: Some(encoder),
            rest: Bytes::new(),
            unflushed: false,
            spent: 0,
            trailers: None,
            _stream: stream,
        }
    }

    fn finish(&mut self) -> Option<Result<Frame<Bytes>, BoxError>> {
        match self.encoder.take()?.finish() {
            Ok(bytes) => Some(Ok(Frame::data(bytes))),
            Err(e) => Some(Err(e.into())),
        }
    }

    /// Compresses a piece of `rest`; ready if that gave something.
    fn compress(&mut self) -> Option<Result<Frame<Bytes>, BoxError>> {
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        self.spent += piece.len();
        self.unflushed = true;
        match self.encoder.as_mut()?.write(&piece) {
            Ok(bytes) if bytes.is_empty() => None,
            Ok(bytes) => Some(Ok(Frame::data(bytes))),
            Err(e) => {
                self.encoder = None;
                Some(Err(e.into()))
            }
        }
    }
}

impl http_body::Body for Compressed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            if this.encoder.is_none() {
                return Poll::Ready(this.trailers.take().map(|t| Ok(Frame::trailers(t))));
            }
            if this.spent >= PIECE {
                this.spent = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !this.rest.is_empty() {
                if let Some(ready) = this.compress() {
                    return Poll::Ready(Some(ready));
                }
                continue;
            }
            match this.inner.poll_piece(cx, PIECE) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => this.rest = bytes,
                    Err(frame) => {
                        this.trailers = frame.into_trailers().ok();
                        return Poll::Ready(this.finish());
                    }
                },
                Poll::Ready(Some(Err(e))) => {
                    this.encoder = None;
                    return Poll::Ready(Some(Err(e)));
                }
                Poll::Ready(None) => return Poll::Ready(this.finish()),
                Poll::Pending => {
                    this.spent = 0;
                    // The handler has no more for now, so what it wrote goes out.
                    if std::mem::take(&mut this.unflushed)
                        && let Some(encoder) = &mut this.encoder
                    {
                        match encoder.flush() {
                            Ok(bytes) if bytes.is_empty() => {}
                            Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                            Err(e) => {
                                this.encoder = None;
                                return Poll::Ready(Some(Err(e.into())));
                            }
                        }
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}
