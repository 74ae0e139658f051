//! Responses on their way to a host program, which takes them as they are: what hyper sees to on a
//! connection of the server's is done here.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};

use crate::body::{Body, BoxError};
use crate::conn::{Conn, Order};
use crate::reactor::Inside;
use crate::reply::Aborted;

/// Makes a response one that any host can have.
pub(super) fn finish(
    mut response: Response<Body>,
    conn: &Arc<Conn>,
    head_request: bool,
) -> Response<Body> {
    let has_no_body = matches!(
        response.status(),
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    if head_request || has_no_body {
        let length = response.body().size_hint().exact();
        if let Some(length) = length
            && length != 0
            && !has_no_body
            && !response.headers().contains_key(CONTENT_LENGTH)
        {
            // What GET would have (RFC 9110 §9.3.2).
            let length = HeaderValue::from(length);
            response.headers_mut().insert(CONTENT_LENGTH, length);
        }
        response.body_mut().clear();
    } else if response.body().is_to_come() {
        let conn = conn.clone();
        return response.map(|body| Body::new(Cuttable { body, conn }));
    }
    response
}

/// A body that comes piece by piece, until its exchange is cut.
struct Cuttable {
    body: Body,
    conn: Arc<Conn>,
}

impl http_body::Body for Cuttable {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.conn.set_host_task(cx.waker());
        if self.conn.order() == Order::Cut {
            return Poll::Ready(Some(Err(Aborted.into())));
        }
        let _inside = Inside::enter();
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
