//! Who the client is behind proxies, as the proxies say it in header fields.
//!
//! Only a peer that a [`Trust`] covers is believed. Two forms are read: `X-Forwarded-For` and
//! `X-Forwarded-Proto`, and `Forwarded` (RFC 7239). Each names the hops from the client on, the last
//! one written by the proxy that connected to this server, so they are read from the right: every
//! address that is trusted vouches for the one to its left, and the first that is not trusted is the
//! client. What stands left of that may be the client's own invention and is not looked at. If all
//! are trusted, as with `*`, the client is the leftmost.
//!
//! A hop that is no address (`unknown`, `_hidden`, rubbish) ends the walk, and the client is the last
//! address before it. Nothing that a client sends makes a request fail here.
//!
//! The scheme is the one that stands with the client: the `proto` of its element in `Forwarded`; of
//! several values of `X-Forwarded-Proto` the one in the client's place if there are as many as
//! addresses, and the last otherwise, which the nearest proxy wrote.
//!
//! **Both forms at once**: where a field of the `X-` form is there, `Forwarded` is ignored, for the
//! scheme too. Nearly every proxy writes the `X-` form and hands on a `Forwarded` that it does not know
//! as the client wrote it. The other way round a client could choose its address: a proxy that writes
//! only `Forwarded` **must** remove `X-Forwarded-For` and `X-Forwarded-Proto`.
//!
//! ```
//! use oxbridge::forwarded::Trust;
//! use oxbridge::listen::PeerAddr;
//!
//! let trust = Trust::parse("127.0.0.1, 10.0.0.0/8, unix, ::1")?;
//! assert!(trust.covers(&PeerAddr::Tcp("10.1.2.3:4000".parse()?)));
//! assert!(!trust.covers(&PeerAddr::Tcp("11.1.2.3:4000".parse()?)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod element;
mod trust;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};

use crate::listen::PeerAddr;

pub use self::trust::{ParseTrustError, Trust};

use self::element::Element;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What trusted proxies said about a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forwarded {
    /// Who the client is; none: the peer itself.
    pub(crate) client: Option<PeerAddr>,
    /// What the client spoke, `http` or `https`; none: what the connection does.
    pub(crate) scheme: Option<&'static str>,
}

impl Forwarded {
    /// Reads the fields of a request that came from `peer`. None if they say nothing, or nothing that
    /// is to be believed.
    pub(crate) fn read(trust: &Trust, peer: &PeerAddr, headers: &HeaderMap) -> Option<Self> {
        if !trust.covers(peer) {
            return None;
        }
        let said = if headers.contains_key(FOR) || headers.contains_key(PROTO) {
            x_forwarded(trust, headers)
        } else if headers.contains_key(FORWARDED) {
            forwarded(trust, headers)
        } else {
            return None;
        };
        (said != Self::default()).then_some(said)
    }
}

/// `X-Forwarded-For` and `X-Forwarded-Proto`, a form that no standard describes.
fn x_forwarded(trust: &Trust, headers: &HeaderMap) -> Forwarded {
    let mut said = Forwarded::default();
    // How many hops the client is from the right.
    let mut place = 0;
    for (number, hop) in from_the_right(headers, &FOR).enumerate() {
        let Some(address) = address(hop) else { break };
        place = number;
        let is_client = !trust.covers_ip(address.ip());
        said.client = Some(PeerAddr::Tcp(address));
        if is_client {
            break;
        }
    }
    let hops = from_the_right(headers, &FOR).count();
    let schemes = from_the_right(headers, &PROTO).count();
    let place = if schemes == hops { place } else { 0 };
    said.scheme = from_the_right(headers, &PROTO).nth(place).and_then(scheme);
    said
}

/// `Forwarded` (RFC 7239).
fn forwarded(trust: &Trust, headers: &HeaderMap) -> Forwarded {
    let mut said = Forwarded::default();
    for element in element::from_the_right(headers.get_all(FORWARDED).iter().rev()) {
        let Some(Element { node, proto }) = element else {
            break;
        };
        // Its proxy is trusted, so what it says of its own connection holds, whoever was on it.
        said.scheme = proto.and_then(scheme);
        let Some(address) = node.and_then(address) else {
            break;
        };
        said.client = Some(PeerAddr::Tcp(address));
        if !trust.covers_ip(address.ip()) {
            break;
        }
    }
    said
}

/// The members of a list field, of all its lines, last first. Empty ones do not count (RFC 9110
/// §5.6.1).
fn from_the_right<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().rev();
    lines
        .flat_map(|line| line.as_bytes().rsplit(|&b| b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
        // What is not text is no address either; U+FFFD is as wrong as anything.
        .map(|member| std::str::from_utf8(member).unwrap_or("\u{fffd}"))
}

/// `192.0.2.1`, `192.0.2.1:8080`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:8080`; port 0 where
/// there is none. In `Forwarded` a port may be hidden, `:_name`, and counts as none.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = if let Some(rest) = text.strip_prefix('[') {
        let (ip, port) = rest.split_once(']')?;
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port),
            None if port.is_empty() => None,
            None => return None,
        };
        (IpAddr::V6(ip.parse::<Ipv6Addr>().ok()?), port)
    } else if let Ok(ip) = text.parse::<IpAddr>() {
        (ip, None)
    } else {
        let (ip, port) = text.split_once(':')?;
        (IpAddr::V4(ip.parse().ok()?), Some(port))
    };
    let port = match port {
        None => 0,
        Some(hidden) if element::is_hidden(hidden) => 0,
        Some(port) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            port.parse().ok()?
        }
        Some(_) => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

/// A WebSocket is what its handshake came over.
fn scheme(text: &str) -> Option<&'static str> {
    let is = |name: &str| text.eq_ignore_ascii_case(name);
    if is("https") || is("wss") {
        Some("https")
    } else if is("http") || is("ws") {
        Some("http")
    } else {
        None
    }
}
