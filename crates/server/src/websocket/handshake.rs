//! The opening handshake: RFC 6455 §4 in HTTP/1.1, RFC 8441 in HTTP/2.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use hyper::ext::Protocol;
use sha1::{Digest as _, Sha1};

use crate::body::Body;
use crate::request::Request;
use crate::response::plain;

/// Why a request cannot become a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptError {
    /// It does not ask for one: no Upgrade to `websocket`, or no Connection that says so.
    NotAsked,
    /// Its method is not GET.
    BadMethod(Method),
    /// It comes by HTTP/1.0.
    BadHttp,
    /// Its Sec-WebSocket-Version is not 13, or is missing.
    BadVersion(String),
    /// Its Sec-WebSocket-Key is not the base64 of 16 bytes, or is missing.
    BadKey(String),
    /// It has a body.
    HasBody,
    /// The handler chose a subprotocol that the client did not offer.
    BadSubprotocol(String),
    /// The handler set a header field that belongs to the handshake or to the framing.
    BadHeader(HeaderName),
    /// The handler has begun with another answer.
    HeadSent,
    /// The program that handed the request in has no connection for it that can be upgraded.
    NoUpgrade,
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcceptError::NotAsked => f.write_str("the request does not ask for a WebSocket"),
            AcceptError::BadMethod(method) => {
                write!(f, "a WebSocket is asked for with GET, not with {method}")
            }
            AcceptError::BadHttp => f.write_str("a WebSocket needs HTTP/1.1 or HTTP/2"),
            AcceptError::BadVersion(version) => {
                write!(f, "Sec-WebSocket-Version is {version:?}, wanted 13")
            }
            AcceptError::BadKey(key) => write!(
                f,
                "Sec-WebSocket-Key is {key:?}, wanted the base64 of 16 bytes"
            ),
            AcceptError::HasBody => f.write_str("a request for a WebSocket has no body"),
            AcceptError::BadSubprotocol(name) => {
                write!(f, "the client did not offer the subprotocol {name:?}")
            }
            AcceptError::BadHeader(name) => {
                write!(f, "{name} is not a handler's to set on a WebSocket")
            }
            AcceptError::HeadSent => f.write_str("the answer to the request has begun already"),
            AcceptError::NoUpgrade => f.write_str(
                "the request came without a connection that can be upgraded (hyper::upgrade::OnUpgrade)",
            ),
        }
    }
}

impl std::error::Error for AcceptError {}

impl AcceptError {
    /// The status that answers the request: 426 for a version that this server does not speak (RFC 6455
    /// §4.4) or a request that does not ask, 400 for what else is wrong with it, 501 if the host program
    /// cannot, 500 if the handler is wrong.
    pub fn status(&self) -> StatusCode {
        match self {
            AcceptError::NotAsked | AcceptError::BadHttp | AcceptError::BadVersion(_) => {
                StatusCode::UPGRADE_REQUIRED
            }
            AcceptError::BadMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            AcceptError::BadKey(_) | AcceptError::HasBody => StatusCode::BAD_REQUEST,
            AcceptError::NoUpgrade => StatusCode::NOT_IMPLEMENTED,
            AcceptError::BadSubprotocol(_) | AcceptError::BadHeader(_) | AcceptError::HeadSent => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// The header fields that belong to that status.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            AcceptError::BadVersion(_) => {
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            AcceptError::BadMethod(_) => {
                headers.insert(http::header::ALLOW, HeaderValue::from_static("GET"));
            }
            _ => {}
        }
        if self.status() == StatusCode::UPGRADE_REQUIRED {
            // RFC 9110 §15.5.22 wants it, and then Connection names it (§7.8).
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        }
        headers
    }

    /// The answer that tells the client.
    pub fn response(&self) -> Response<Body> {
        let status = self.status();
        let mut response = plain(status, false);
        if status != StatusCode::INTERNAL_SERVER_ERROR {
            *response.body_mut() = format!("{self}\n").into();
        }
        response.headers_mut().extend(self.headers());
        response
    }
}

/// The client's part of a handshake that is in order: its key, or none in HTTP/2.
pub(super) fn check(request: &Request) -> Result<Option<&[u8]>, AcceptError> {
    let headers = request.headers();
    if request.version() == Version::HTTP_2 {
        let protocol = request.extension::<Protocol>().map(Protocol::as_str);
        if !protocol.is_some_and(is_websocket) {
            return Err(AcceptError::NotAsked);
        }
        check_version(headers)?;
        return Ok(None);
    }
    if !has_token(headers, UPGRADE, "websocket") || !has_token(headers, CONNECTION, "upgrade") {
        return Err(AcceptError::NotAsked);
    }
    if request.version() != Version::HTTP_11 {
        return Err(AcceptError::BadHttp);
    }
    if *request.method() != Method::GET {
        return Err(AcceptError::BadMethod(request.method().clone()));
    }
    check_version(headers)?;
    if !request.body().is_complete() || request.body().remaining() != Some(0) {
        return Err(AcceptError::HasBody);
    }
    let key = only(headers, SEC_WEBSOCKET_KEY);
    // 24 characters are 16 to 18 bytes.
    let mut bytes = [0; 18];
    match STANDARD.decode_slice(key.unwrap_or(b""), &mut bytes) {
        Ok(16) => Ok(key),
        _ => Err(AcceptError::BadKey(lossy(key))),
    }
}

fn check_version(headers: &HeaderMap) -> Result<(), AcceptError> {
    match only(headers, SEC_WEBSOCKET_VERSION) {
        Some(b"13") => Ok(()),
        version => Err(AcceptError::BadVersion(lossy(version))),
    }
}

/// Whether `:protocol` (RFC 8441 §4) names this one.
pub(crate) fn is_websocket(protocol: &str) -> bool {
    protocol.eq_ignore_ascii_case("websocket")
}

/// The value of a field that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value.as_bytes())
}

fn lossy(value: Option<&[u8]>) -> String {
    String::from_utf8_lossy(value.unwrap_or(b"")).into_owned()
}

/// The members of a list field (RFC 9110 §5.6.1) that are text.
pub(super) fn list(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|member| !member.is_empty())
}

fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    list(headers, name).any(|member| member.eq_ignore_ascii_case(token))
}

/// The server's part of the handshake.
pub(super) fn answer(
    key: Option<&[u8]>,
    subprotocol: Option<HeaderValue>,
    extension: Option<String>,
    mut headers: HeaderMap,
) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    if let Some(key) = key {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        if let Ok(value) = HeaderValue::from_str(&accept_key(key)) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, value);
        }
    }
    if let Some(subprotocol) = subprotocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    if let Some(value) = extension.and_then(|value| HeaderValue::from_str(&value).ok()) {
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, value);
    }
    *response.headers_mut() = headers;
    response
}

/// RFC 6455 §4.2.2: what proves that the key was read.
fn accept_key(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize())
}

/// The first field that a handler must not set, if there is one.
pub(super) fn forbidden(headers: &HeaderMap) -> Option<HeaderName> {
    headers
        .keys()
        .find(|&name| {
            [
                CONNECTION,
                UPGRADE,
                CONTENT_LENGTH,
                TRANSFER_ENCODING,
                SEC_WEBSOCKET_ACCEPT,
                SEC_WEBSOCKET_EXTENSIONS,
                SEC_WEBSOCKET_PROTOCOL,
                SEC_WEBSOCKET_VERSION,
            ]
            .contains(name)
        })
        .cloned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_of_the_standard() {
        // RFC 6455 §1.3
        assert_eq!(
            super::accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }
}
