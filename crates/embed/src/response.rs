//! What a Python function has answered.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// An answer, checked: a server can send it as it is.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// From 200 to 599.
    pub status: StatusCode,
    /// The header fields. None of them belongs to a connection (RFC 9110 §7.6.1), and a Content-Length is the
    /// body's.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl<B: From<Bytes>> From<Response> for http::Response<B> {
    fn from(response: Response) -> Self {
        let mut answer = http::Response::new(B::from(response.body));
        *answer.status_mut() = response.status;
        *answer.headers_mut() = response.headers;
        answer
    }
}
