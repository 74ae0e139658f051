//! A whole application, and the interface that it speaks.

use std::sync::Arc;

use oxbridge::Exchange;
use pyo3::prelude::*;

use crate::aio::Queue;
use crate::asgi::Asgi;
use crate::rsgi::Rsgi;
use crate::wsgi::Wsgi;

/// An application that answers whatever no pattern matches.
#[derive(Clone)]
pub(crate) enum Application {
    /// Runs on threads that may block.
    Wsgi(Arc<Wsgi>),
    /// Run on an event loop.
    Asgi(Arc<Asgi>),
    Rsgi(Arc<Rsgi>),
}

impl Application {
    /// Whether it runs on an event loop.
    pub(crate) fn is_async(&self) -> bool {
        match self {
            Application::Wsgi(_) => false,
            Application::Asgi(_) | Application::Rsgi(_) => true,
        }
    }

    /// Starts an exchange: on the thread of the loop, for an application that runs on one.
    pub(crate) fn start(&self, py: Python<'_>, exchange: Exchange, queue: &Arc<Queue>) {
        match self {
            Application::Wsgi(wsgi) => wsgi.run(exchange),
            Application::Asgi(asgi) => asgi.start(py, exchange, queue),
            Application::Rsgi(rsgi) => rsgi.start(py, exchange, queue),
        }
    }
}
