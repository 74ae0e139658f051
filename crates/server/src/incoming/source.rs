//! Where the bytes of a request body come from: hyper, or whatever body a host program hands in.

use std::any::Any;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt as _, LengthLimitError};
use hyper::body::Incoming;
use tokio::runtime::Handle;

use crate::body::BoxError;
use crate::error::BodyError;
use crate::sync::lock;

/// See the module.
#[derive(Debug)]
pub(crate) enum Source {
    /// There is no body.
    Empty,
    Hyper(Incoming),
    Foreign(Box<Foreign>),
}

impl From<Incoming> for Source {
    fn from(body: Incoming) -> Self {
        Source::Hyper(body)
    }
}

impl Source {
    /// Takes in a host program's body. One of hyper's is recognised, and costs nothing more.
    pub(crate) fn of_host<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return Source::Empty;
        }
        let mut body = Some(body);
        if let Some(incoming) = (&mut body as &mut dyn Any).downcast_mut::<Option<Incoming>>() {
            return incoming.take().map_or(Source::Empty, Source::Hyper);
        }
        let Some(body) = body else {
            return Source::Empty;
        };
        let upper = body.size_hint().upper();
        Source::Foreign(Box::new(Foreign {
            body: Mutex::new(Box::pin(body.map_err(Into::into))),
            upper,
            runtime: Handle::try_current().ok(),
        }))
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        match self {
            Source::Empty => true,
            Source::Hyper(body) => body.is_end_stream(),
            Source::Foreign(foreign) => lock(&foreign.body).is_end_stream(),
        }
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Source::Empty => SizeHint::with_exact(0),
            Source::Hyper(body) => body.size_hint(),
            Source::Foreign(foreign) => lock(&foreign.body).size_hint(),
        }
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self {
            Source::Empty => Poll::Ready(None),
            Source::Hyper(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Broken::Hyper))),
            Source::Foreign(foreign) => foreign.poll_frame(cx),
        }
    }
}

/// A body of the host program's, in a lock that is never waited for: it makes the body [`Sync`], which
/// handlers in other languages need of what they keep.
pub(crate) struct Foreign {
    body: Mutex<Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>>,
    /// How long it could be at most when it came, if it said so: what a limit of the host's leaves of it.
    upper: Option<u64>,
    /// The host's runtime. Handlers read on threads of their own, and a body may have timers in it, which
    /// look for their runtime.
    runtime: Option<Handle>,
}

impl Foreign {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let _runtime = self.runtime.as_ref().map(Handle::enter);
        let body = self.body.get_mut();
        let body = body.unwrap_or_else(std::sync::PoisonError::into_inner);
        let upper = self.upper;
        body.as_mut()
            .poll_frame(cx)
            .map(|frame| frame.map(|frame| frame.map_err(|error| Broken::Foreign(error, upper))))
    }
}

impl std::fmt::Debug for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Foreign")
            .field("upper", &self.upper)
            .finish_non_exhaustive()
    }
}

/// A body that ended with an error.
pub(super) enum Broken {
    Hyper(hyper::Error),
    /// And how long the body could be at most.
    Foreign(BoxError, Option<u64>),
}

impl Broken {
    /// What a handler is told.
    pub(super) fn explain(self) -> BodyError {
        let (error, upper) = match self {
            Broken::Hyper(error) => return explain_hyper(&error),
            Broken::Foreign(error, upper) => (error, upper),
        };
        // Oxbridge's own, where a server of ours is the host.
        let error = match error.downcast::<BodyError>() {
            Ok(own) => return *own,
            Err(error) => error,
        };
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<hyper::Error>() {
                return explain_hyper(error);
            }
            if error.is::<LengthLimitError>() {
                return BodyError::TooLarge(upper.unwrap_or(0));
            }
            if let Some(error) = error.downcast_ref::<std::io::Error>() {
                match error.kind() {
                    std::io::ErrorKind::TimedOut => return BodyError::TimedOut,
                    kind if is_departure(kind) => return BodyError::ClientGone,
                    _ => {}
                }
            }
            cause = error.source();
        }
        // What else a body may complain of is its content, an encoding that cannot be undone for example.
        BodyError::Malformed(error.to_string())
    }
}

fn is_departure(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof,
    };
    matches!(
        kind,
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof
    )
}

/// hyper's own decoder complains with an `io::Error` of the two kinds below; a connection that ends early
/// is `UnexpectedEof`, and everything else is the connection's end too.
fn explain_hyper(error: &hyper::Error) -> BodyError {
    let invalid = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .filter(|e| {
            matches!(
                e.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput
            )
        });
    match invalid {
        Some(e) => BodyError::Malformed(e.to_string()),
        None => BodyError::ClientGone,
    }
}
