//! Answers that no handler gives.

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};

use crate::body::Body;
use crate::response::plain;

/// `OPTIONS *` asks about the server as a whole (RFC 9110 §9.3.7); no other method may (RFC 9112 §3.2.4).
pub(super) fn asterisk(method: &Method, head_request: bool) -> Response<Body> {
    if *method != Method::OPTIONS {
        return close(plain(StatusCode::BAD_REQUEST, head_request));
    }
    let mut response = Response::new(Body::empty());
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// A redirect to a path of our own, with a short page for GET and HEAD.
pub(super) fn redirect(location: &str, status: u16, method: &Method) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::TEMPORARY_REDIRECT);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    if *method == Method::GET || *method == Method::HEAD {
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
    }
    if *method == Method::GET {
        let mut page = String::from("<a href=\"");
        for c in location.chars() {
            match c {
                '&' => page.push_str("&amp;"),
                '<' => page.push_str("&lt;"),
                '>' => page.push_str("&gt;"),
                '"' => page.push_str("&#34;"),
                '\'' => page.push_str("&#39;"),
                c => page.push(c),
            }
        }
        page.push_str("\">");
        page.push_str(status.canonical_reason().unwrap_or("Redirect"));
        page.push_str("</a>.\n\n");
        *response.body_mut() = page.into();
    }
    response
}

/// There is too much to do: 503, and when to come again.
pub(crate) fn unavailable(head_request: bool) -> Response<Body> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, head_request);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Marks the connection for closing, where the protocol has such a mark; HTTP/2 drops it.
pub(super) fn close(mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
