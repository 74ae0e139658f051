//! The four forms of a request target, and the authority that two of them and
//! the Host header hold.

use std::net::Ipv6Addr;

use super::Fault;
use super::scan::{self, REG_NAME};

/// Checks that `target`, which is not empty and holds only target characters,
/// has a form that `method` may use (RFC 9112 §3.2).
#[inline]
pub(super) fn check(method: &[u8], target: &[u8]) -> Result<(), Fault> {
    if method == b"CONNECT" {
        // authority-form, §3.2.3: host and port.
        return match authority(target) {
            Some(Authority {
                host: [_, ..],
                port: Some([_, ..]),
            }) => Ok(()),
            _ => Err(Fault::bad("CONNECT target is not host:port")),
        };
    }
    match target {
        [b'/', ..] => Ok(()),                   // origin-form, §3.2.1
        b"*" if method == b"OPTIONS" => Ok(()), // asterisk-form, §3.2.4
        _ => absolute(target),
    }
}

/// A host and the port after it, as written.
pub(super) struct Authority<'a> {
    pub host: &'a [u8],
    /// The digits after the colon, if there is a colon.
    pub port: Option<&'a [u8]>,
}

/// Reads `uri-host [ ":" port ]` (RFC 3986 §3.2.2 and §3.2.3). Never userinfo:
/// RFC 9110 §4.2.4 bids a recipient treat that as an error.
pub(super) fn authority(bytes: &[u8]) -> Option<Authority<'_>> {
    let host = if let [b'[', inner @ ..] = bytes {
        let close = inner.iter().position(|&b| b == b']')?;
        // Of IP-literal, IPvFuture is left out: no such address exists.
        let _: Ipv6Addr = str::from_utf8(&inner[..close]).ok()?.parse().ok()?;
        &bytes[..close + 2]
    } else {
        let host = &bytes[..scan::run_of(REG_NAME, bytes)];
        escapes_are_whole(host).then_some(host)?
    };
    let port = match &bytes[host.len()..] {
        [] => None,
        [b':', port @ ..] if port.iter().all(u8::is_ascii_digit) => Some(port),
        _ => return None,
    };
    Some(Authority { host, port })
}

/// absolute-form, RFC 9112 §3.2.2. An http URI without a host is invalid, RFC
/// 9110 §4.2.1.
fn absolute(target: &[u8]) -> Result<(), Fault> {
    let not_a_target = Err(Fault::bad("request target has none of the four forms"));
    let Some(colon) = memchr::memchr(b':', target) else {
        return not_a_target;
    };
    let (scheme, rest) = target.split_at(colon);
    let scheme_ok = matches!(scheme, [first, rest @ ..] if first.is_ascii_alphabetic()
        && rest.iter().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)));
    let Some(rest) = rest.strip_prefix(b"://").filter(|_| scheme_ok) else {
        return not_a_target;
    };
    let end = rest
        .iter()
        .position(|b| b"/?".contains(b))
        .unwrap_or(rest.len());
    match authority(&rest[..end]) {
        Some(Authority { host: [_, ..], .. }) => Ok(()),
        _ => Err(Fault::bad("invalid host in the request target")),
    }
}

/// Whether two hexadecimal digits follow every `%` (RFC 3986 §2.1).
fn escapes_are_whole(host: &[u8]) -> bool {
    let mut parts = host.split(|&b| b == b'%');
    parts.next(); // what stands before the first `%`
    parts.all(|part| matches!(part, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}
