//! What of an exchange a line can show.

use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, Uri, Version};

use crate::listen::PeerAddr;

/// What was asked, kept until the answer has gone. Cheap: the values share the request's own memory.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) client: PeerAddr,
    pub(crate) came: SystemTime,
    /// None for what was no request: it was refused before it was understood.
    pub(crate) head: Option<Head>,
    /// In the order of the format's names.
    pub(crate) fields: Vec<Option<HeaderValue>>,
}

/// The request line.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) sent: u64,
    pub(crate) took: Duration,
    /// Whether all of the answer was handed to the protocol.
    pub(crate) complete: bool,
    /// In the order of the format's names.
    pub(crate) fields: Vec<Option<HeaderValue>>,
}

impl Record {
    /// The client's address, without a port.
    pub(super) fn write_client(&self, out: &mut Vec<u8>) {
        match &self.client {
            PeerAddr::Tcp(address) => display(out, address.ip()),
            PeerAddr::Unix(_) => out.extend_from_slice(b"unix:"),
            PeerAddr::Unknown => out.push(b'-'),
        }
    }

    /// A request field, by its number; none also if the format never asked for it.
    pub(super) fn field(&self, number: usize) -> Option<&[u8]> {
        Some(self.fields.get(number)?.as_ref()?.as_bytes())
    }

    /// The user that the field with this number names by Basic authentication (RFC 7617 §2).
    pub(super) fn user(&self, number: usize) -> Option<Vec<u8>> {
        let (scheme, token) = self.field(number)?.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return None;
        }
        let mut pair = base64(token.trim_ascii())?;
        let colon = pair.iter().position(|b| *b == b':')?;
        pair.truncate(colon);
        Some(pair).filter(|user| !user.is_empty())
    }
}

impl Head {
    /// `HTTP/1.1`.
    pub(super) fn protocol(&self) -> &'static str {
        match self.version {
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2.0",
            _ => "HTTP/1.1",
        }
    }

    /// Gives the target, piece by piece: path and query, or the absolute form of an HTTP/1 request.
    pub(super) fn write_target(&self, mut put: impl FnMut(&[u8])) {
        if self.version != Version::HTTP_2 {
            if let Some(scheme) = self.uri.scheme_str() {
                put(scheme.as_bytes());
                put(b"://");
            }
            if let Some(authority) = self.uri.authority() {
                put(authority.as_str().as_bytes());
            }
        }
        if let Some(target) = self.uri.path_and_query() {
            put(target.as_str().as_bytes());
        } else if self.version == Version::HTTP_2
            && let Some(authority) = self.uri.authority()
        {
            // CONNECT (RFC 9113 §8.5).
            put(authority.as_str().as_bytes());
        }
    }
}

/// A number in digits; a good deal quicker than by way of `Display`, for what every line has.
pub(super) fn number(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

pub(super) fn display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    use std::io::Write as _;
    // Writing to a vector does not fail.
    let _ = write!(out, "{value}");
}

/// Base64 (RFC 4648 §4), with its padding or without; none if it is something else.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text
        .strip_suffix(b"==")
        .or_else(|| text.strip_suffix(b"="))
        .unwrap_or(text);
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.chunks(4) {
        let mut bits = 0u32;
        for digit in group {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        let bytes = (bits << (6 * (4 - group.len()))).to_be_bytes();
        // Two digits are a byte, three are two, four are three; one is none.
        out.extend_from_slice(bytes.get(1..group.len().max(2))?);
        if group.len() == 1 {
            return None;
        }
    }
    Some(out)
}
