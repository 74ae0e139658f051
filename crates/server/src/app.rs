//! The handlers of a server and the patterns they answer.

use std::pin::Pin;

use http::Response;
use oxbridge_mux::{Mux, RegisterError};

use crate::body::Body;
use crate::exchange::Exchange;
use crate::request::Request;

/// What runs for a request.
pub(crate) enum Handler {
    /// Runs on a thread of the crew and may block.
    Blocking(Box<dyn Fn(Exchange) + Send + Sync>),
    /// Runs inside the reactor, so must not block; it may keep the exchange and answer later.
    Inline(Box<dyn Fn(Exchange) + Send + Sync>),
    /// A future, polled inside the reactor.
    Async(Box<dyn Fn(Request) -> ResponseFuture + Send + Sync>),
}

/// The response of an async handler, to come.
pub(crate) type ResponseFuture = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Handlers by pattern, and by number.
pub(crate) struct App {
    mux: Mux<u32>,
    handlers: Vec<Handler>,
}

impl App {
    pub(crate) fn new() -> Self {
        App {
            mux: Mux::new(),
            handlers: Vec::new(),
        }
    }

    /// Adds a handler. `location` is where the program did so, for the error about a conflict.
    pub(crate) fn add(
        &mut self,
        pattern: &str,
        handler: Handler,
        location: String,
    ) -> Result<(), RegisterError> {
        // A program registers fewer than four billion patterns: they are a line of code each.
        let number = u32::try_from(self.handlers.len()).unwrap_or(u32::MAX);
        self.mux.register_at(pattern, number, location)?;
        self.handlers.push(handler);
        Ok(())
    }

    pub(crate) fn mux(&self) -> &Mux<u32> {
        &self.mux
    }

    /// The handler with this number, which the mux gave.
    pub(crate) fn handler(&self, route: u32) -> &Handler {
        &self.handlers[route as usize]
    }

    pub(crate) fn routes(&self) -> usize {
        self.handlers.len()
    }
}
