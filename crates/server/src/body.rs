//! Response bodies: nothing, whole, streamed by a handler, or any other [`http_body::Body`].

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;

use crate::conn::Underway;
use crate::observe::Watch;
use crate::reply::{Outlet, Piece};

/// What went wrong inside a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a response.
///
/// ```
/// use oxbridge::Body;
/// use http_body::Body as _;
/// assert_eq!(Body::from("four").size_hint().exact(), Some(4));
/// assert!(Body::empty().is_end_stream());
/// ```
#[derive(Debug)]
pub struct Body {
    kind: Kind,
    /// Notes what is sent of it.
    watch: Option<Box<Watch>>,
    /// Keeps the connection busy until the body is done.
    underway: Option<Underway>,
    /// What the connection has been told that it owes for this body.
    owed: usize,
}

#[derive(Debug)]
enum Kind {
    Empty,
    Whole(Bytes),
    /// A handler writes it as it goes.
    Streamed(Outlet),
    Other(UnsyncBoxBody<Bytes, BoxError>),
    /// Written by the handler, and the outlet is still to be put in by the service.
    Announced,
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Kind::Empty.into()
    }

    /// Any other body, a stream of tower's for example.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Kind::Other(body.map_err(Into::into).boxed_unsync()).into()
    }

    /// A body that will stream through the exchange's own reply.
    pub(crate) fn announced() -> Self {
        Kind::Announced.into()
    }

    /// Gives an announced body the outlet it streams from; any other body drops it.
    pub(crate) fn attach(&mut self, outlet: Outlet) {
        if matches!(self.kind, Kind::Announced) {
            self.kind = Kind::Streamed(outlet);
        }
    }

    /// Keeps the exchange under way until this body is done. `account` says that what is not taken of a
    /// whole body is to be counted, as a streamed one does itself.
    pub(crate) fn keep(&mut self, underway: Underway, account: bool) {
        if let Kind::Whole(bytes) = &self.kind
            && account
        {
            self.owed = bytes.len();
            underway.conn().owe(self.owed);
        }
        self.underway = Some(underway);
    }

    /// The next frame, or up to `most` bytes of it where the body is whole.
    pub(crate) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Kind::Whole(bytes) = &mut self.kind
            && bytes.len() > most
        {
            let piece = bytes.split_to(most);
            if let Some(underway) = &self.underway
                && self.owed != 0
            {
                self.owed -= most;
                underway.conn().pay(most);
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        self.poll_next(cx, false)
    }

    /// All bytes of the body, if they are here already.
    pub(crate) fn whole(&self) -> Option<&Bytes> {
        match &self.kind {
            Kind::Whole(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether it comes piece by piece.
    pub(crate) fn is_to_come(&self) -> bool {
        matches!(self.kind, Kind::Streamed(_) | Kind::Other(_))
    }

    /// Puts other bytes in the place of a whole body.
    pub(crate) fn replace_whole(&mut self, bytes: Bytes) {
        let account = self.owed != 0;
        self.settle();
        if let Some(underway) = &self.underway
            && account
        {
            self.owed = bytes.len();
            underway.conn().owe(self.owed);
        }
        self.kind = Kind::Whole(bytes);
    }

    /// Makes the body empty; the exchange stays under way until it is dropped.
    pub(crate) fn clear(&mut self) {
        self.settle();
        self.kind = Kind::Empty;
    }

    /// Puts a watch over what is sent from now on.
    pub(crate) fn watch(&mut self, watch: Box<Watch>) {
        self.watch = Some(watch);
    }

    fn settle(&mut self) {
        let owed = std::mem::take(&mut self.owed);
        if let Some(underway) = &self.underway
            && owed != 0
        {
            underway.conn().pay(owed);
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.settle();
        if let Some(mut watch) = self.watch.take() {
            watch.done(http_body::Body::is_end_stream(self));
        }
    }
}

impl From<Kind> for Body {
    fn from(kind: Kind) -> Self {
        Body {
            kind,
            watch: None,
            underway: None,
            owed: 0,
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Kind::Empty
        } else {
            Kind::Whole(bytes)
        }
        .into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // Whoever takes frames is the protocol: only Announced bodies stream, and the service attaches
        // their outlet on the way to it.
        let polled = self.poll_next(cx, true);
        if let Some(watch) = &mut self.watch {
            watch.gave(&polled);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty | Kind::Announced => true,
            Kind::Whole(_) | Kind::Streamed(_) => false,
            Kind::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty | Kind::Announced => SizeHint::with_exact(0),
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Streamed(_) => SizeHint::default(),
            Kind::Other(body) => body.size_hint(),
        }
    }
}

impl Body {
    /// `straight` says that what comes goes to the protocol as it is, so that it may stand for files.
    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        straight: bool,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.kind {
            Kind::Empty | Kind::Announced => Poll::Ready(None),
            Kind::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.kind = Kind::Empty;
                self.settle();
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Kind::Streamed(outlet) => {
                let files = self
                    .underway
                    .as_ref()
                    .map(|underway| &underway.conn().files);
                let files = files.filter(|files| straight && files.is_open());
                Poll::Ready(
                    ready!(outlet.poll_chunk(cx, files)).map(|piece| match piece {
                        Ok(Piece::Data(bytes)) => Ok(Frame::data(bytes)),
                        Ok(Piece::Trailers(trailers)) => Ok(Frame::trailers(trailers)),
                        Err(aborted) => Err(aborted.into()),
                    }),
                )
            }
            Kind::Other(body) => http_body::Body::poll_frame(Pin::new(body), cx),
        }
    }
}
