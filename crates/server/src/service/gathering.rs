//! Reading a request's body ahead of its handler, so that a slow sender holds no thread.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};

use crate::app::Route;
use crate::reactor::Shared;
use crate::request::Request;
use crate::response::plain;
use crate::service::answers::close;
use crate::service::{State, start};

/// A request whose body is on its way, and what has come of it.
pub(crate) struct Gathering {
    pub(super) shared: Arc<Shared>,
    pub(super) request: Option<Request>,
    pub(super) route: Arc<Route>,
    pub(super) arrived: BytesMut,
}

impl Gathering {
    /// Reads until the body is whole, or too long to wait for. A body of unknown length, which may be
    /// half of a conversation, is not waited for at all.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<State> {
        let Some(request) = &mut self.request else {
            return Poll::Pending;
        };
        let hold = self.shared.limits.buffer_body;
        let known = request.content_length();
        let mut first = Bytes::new();
        loop {
            match request.body_mut().poll_chunk(cx) {
                Poll::Ready(None) => break,
                Poll::Ready(Some(Ok(chunk))) => {
                    if self.arrived.is_empty() && first.is_empty() {
                        first = chunk;
                    } else {
                        self.arrived.extend_from_slice(&std::mem::take(&mut first));
                        self.arrived.extend_from_slice(&chunk);
                    }
                    if self.arrived.len() + first.len() >= hold {
                        break;
                    }
                }
                Poll::Ready(Some(Err(e))) => {
                    // A client that has gone gets this too, for want of anybody else to tell.
                    return Poll::Ready(State::done(close(plain(e.status(), false))));
                }
                Poll::Pending if known.is_some_and(|length| length <= hold as u64) => {
                    self.arrived.extend_from_slice(&first);
                    return Poll::Pending;
                }
                Poll::Pending => break,
            }
        }
        let arrived = if self.arrived.is_empty() {
            first
        } else {
            self.arrived.extend_from_slice(&first);
            self.arrived.split().freeze()
        };
        let Some(mut request) = self.request.take() else {
            return Poll::Pending;
        };
        request.body_mut().unread(arrived);
        Poll::Ready(start(&self.shared, request, self.route.clone()))
    }
}
