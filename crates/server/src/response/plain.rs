//! Answers that are the server's own.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use crate::body::Body;
use crate::observe::Failure;

/// A short text answer that is the server's own, as Go's `http.Error` gives it.
pub(crate) fn plain(status: StatusCode, head_request: bool) -> Response<Body> {
    let reason = if status == StatusCode::NOT_FOUND {
        "404 page not found"
    } else {
        status.canonical_reason().unwrap_or("")
    };
    let text = format!("{reason}\n");
    let length = text.len();
    let mut response = Response::new(if head_request {
        Body::empty()
    } else {
        Body::from(text)
    });
    *response.status_mut() = status;
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        // Nothing else of ours is answered so.
        response.extensions_mut().insert(Failure);
    }
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    if head_request {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}
