//! Whole Python applications as tower services.

mod builder;
mod error;
mod life;
mod mount;

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, Request, Response};
use oxbridge::{Answering, Body, BoxError, InProcess, Via};
use tower_service::Service;

pub use self::builder::{AppBuilder, Asgi, Lifespan, Wsgi};
pub use self::error::AppError;
use self::life::Life;
use self::mount::Mount;

/// A Python application that runs in this program: a tower service for axum, hyper, or a server of the
/// crate `oxbridge`. [`AppBuilder::start`] makes it.
///
/// Clones are the same application. Requests go to a server without a socket that the application has for
/// itself, so the limits, the queue and the time bounds are those of [`oxbridge::InProcess`], whose
/// description also says what a WebSocket needs and what the host sees of a stop. No task of the host
/// waits for the interpreter.
///
/// Once the last clone is dropped, the application is stopped, and what runs is cut; the future of a call
/// counts as one, a response does not. [`shutdown`](Self::shutdown) gives it time.
#[derive(Clone)]
pub struct App {
    life: Arc<Life>,
    entrance: InProcess,
    mount: Mount,
}

impl App {
    /// The same application, with `lookup` to find out who the client of each request is: see
    /// [`InProcess::via`].
    #[must_use]
    pub fn via<F>(&self, lookup: F) -> Self
    where
        F: Fn(&Extensions) -> Option<Via> + Send + Sync + 'static,
    {
        App {
            entrance: self.entrance.via(lookup),
            ..self.clone()
        }
    }

    /// Stops the application, and waits until it has ended, in any runtime. New requests are answered 503;
    /// those under way may finish within `grace`, then they are cut. An ASGI application gets the shutdown
    /// of its lifespan. All clones stop; a later call may shorten the time.
    ///
    /// False if something has not ended a few seconds after its time: a request's thread, a task that
    /// ignores its cancellation, or the application's own shutdown. It goes on, and nothing waits for it.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        self.life.shutdown(grace).await
    }
}

impl<B> Service<Request<B>> for App
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Responding;

    /// Always ready: what is too much is answered 503.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Responding {
        Responding {
            answering: self
                .mount
                .enter(request)
                .map(|request| self.entrance.call(request)),
            _life: self.life.clone(),
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// The response of an [`App`], to come. To drop it gives the request up: the application sees that its client
/// has gone.
#[must_use = "futures do nothing unless polled"]
pub struct Responding {
    /// None for what is not below the application's path.
    answering: Option<Answering>,
    _life: Arc<Life>,
}

impl Future for Responding {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.answering {
            Some(answering) => Pin::new(answering).poll(cx),
            None => Poll::Ready(Ok(mount::nothing_here())),
        }
    }
}

impl fmt::Debug for Responding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responding").finish_non_exhaustive()
    }
}
