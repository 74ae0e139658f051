//! What a head may say that comes from a host program: over a socket the guard sees to it.

use http::header::HOST;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::ext::Protocol;

use crate::body::Body;
use crate::guard::is_authority;
use crate::limits::Limits;
use crate::response::plain;

/// What is wrong with a head.
pub(super) struct Fault {
    status: StatusCode,
    reason: &'static str,
}

impl Fault {
    fn bad(reason: &'static str) -> Self {
        Fault {
            status: StatusCode::BAD_REQUEST,
            reason,
        }
    }

    /// The answer that says so.
    pub(super) fn answer(&self, head_request: bool) -> Response<Body> {
        let mut response = plain(self.status, head_request);
        if !head_request {
            let status = self.status.canonical_reason().unwrap_or("");
            *response.body_mut() = format!("{status}: {}\n", self.reason).into();
        }
        response
    }
}

/// Target, host and size.
pub(super) fn check<B>(request: &Request<B>, limits: &Limits) -> Result<(), Fault> {
    target(request)?;
    host(request)?;
    let fields = request.headers().iter();
    let bytes: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum();
    if bytes > limits.max_head_bytes {
        return Err(Fault {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            reason: "the header fields are too long",
        });
    }
    Ok(())
}

/// RFC 9112 §3.2, as far as a parsed target can be wrong.
fn target<B>(request: &Request<B>) -> Result<(), Fault> {
    let uri = request.uri();
    let is_tunnel =
        *request.method() == Method::CONNECT && request.extensions().get::<Protocol>().is_none();
    if is_tunnel {
        return match uri.authority() {
            Some(authority) if authority.port().is_some() => Ok(()),
            _ => Err(Fault::bad("CONNECT target is not host:port")),
        };
    }
    match uri.path() {
        "*" if *request.method() == Method::OPTIONS => Ok(()),
        path if path.starts_with('/') => Ok(()),
        _ => Err(Fault::bad("request target has none of the four forms")),
    }
}

/// RFC 9112 §3.2 and RFC 9110 §7.2: one host, that is one, in the target or in the field.
fn host<B>(request: &Request<B>) -> Result<(), Fault> {
    let mut fields = request.headers().get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(Fault::bad("more than one Host header"));
    }
    if let Some(value) = field
        && !value.is_empty()
        && !is_authority(value.as_bytes())
    {
        return Err(Fault::bad("invalid Host header"));
    }
    match request.uri().authority() {
        Some(authority) if !is_authority(authority.as_str().as_bytes()) => {
            Err(Fault::bad("invalid host in the request target"))
        }
        None if field.is_none() && request.version() == Version::HTTP_11 => {
            Err(Fault::bad("HTTP/1.1 request without a Host header"))
        }
        _ => Ok(()),
    }
}
