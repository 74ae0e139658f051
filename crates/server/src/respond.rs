//! What an async handler may return.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use crate::body::Body;

/// A value that is an answer.
///
/// ```
/// use http::StatusCode;
/// use oxbridge::IntoResponse;
///
/// assert_eq!("Hello".into_response().headers()["content-type"], "text/plain; charset=utf-8");
/// assert_eq!((StatusCode::NOT_FOUND, "no such note").into_response().status(), 404);
/// ```
pub trait IntoResponse {
    /// The answer.
    fn into_response(self) -> Response<Body>;
}

impl IntoResponse for Response<Body> {
    fn into_response(self) -> Response<Body> {
        self
    }
}

/// Without a Content-Type: only the handler knows what it is.
impl IntoResponse for Body {
    fn into_response(self) -> Response<Body> {
        Response::new(self)
    }
}

/// Without a Content-Type, as any [`Body`].
impl IntoResponse for Bytes {
    fn into_response(self) -> Response<Body> {
        Body::from(self).into_response()
    }
}

/// Without a Content-Type, as any [`Body`].
impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Response<Body> {
        Body::from(self).into_response()
    }
}

/// As `text/plain; charset=utf-8`.
impl IntoResponse for &'static str {
    fn into_response(self) -> Response<Body> {
        text(self.into())
    }
}

/// As `text/plain; charset=utf-8`.
impl IntoResponse for String {
    fn into_response(self) -> Response<Body> {
        text(self.into())
    }
}

/// Without a body.
impl IntoResponse for StatusCode {
    fn into_response(self) -> Response<Body> {
        (self, Body::empty()).into_response()
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response<Body> {
        let mut response = self.1.into_response();
        *response.status_mut() = self.0;
        response
    }
}

fn text(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
