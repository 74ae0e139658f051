//! The elements of `Forwarded` (RFC 7239 §4), from the right.
//!
//! A proxy appends its element to what the client sent, and that may be anything, a quotation that never
//! ends too. So lines are taken apart from the right, where the trusted proxies wrote: what is broken on
//! the left cannot swallow what stands right of it.

use http::HeaderValue;

/// What one proxy said of the connection that it got a request on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Element<'a> {
    /// `for`: the other end of it, without the quotation marks.
    pub(super) node: Option<&'a str>,
    /// `proto`: what was spoken on it.
    pub(super) proto: Option<&'a str>,
}

/// The elements of `lines`, which are given last first; last first. None is one that is malformed.
pub(super) fn from_the_right<'a>(
    lines: impl Iterator<Item = &'a HeaderValue>,
) -> impl Iterator<Item = Option<Element<'a>>> {
    lines
        .flat_map(|line| Split::new(line.as_bytes(), b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
        .map(parse)
}

/// Whether `text` is an identifier that hides what it stands for (RFC 7239 §6.3).
pub(super) fn is_hidden(text: &str) -> bool {
    text.len() > 1
        && text.starts_with('_')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn parse(element: &[u8]) -> Option<Element<'_>> {
    let mut parsed = Element::default();
    for pair in Split::new(element, b';') {
        let pair = std::str::from_utf8(pair.trim_ascii()).ok()?;
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=')?;
        let value = match value.strip_prefix('"') {
            // No value that is read here needs a backslash.
            Some(quoted) => quoted
                .strip_suffix('"')
                .filter(|inner| !inner.contains(['"', '\\']))?,
            // RFC 7239 wants an address with a colon in quotation marks; some forget them.
            None if value.bytes().all(|b| b.is_ascii_graphic() && b != b'"') => value,
            None => return None,
        };
        let place = if name.eq_ignore_ascii_case("for") {
            &mut parsed.node
        } else if name.eq_ignore_ascii_case("proto") {
            &mut parsed.proto
        } else {
            continue;
        };
        // Each parameter at most once (§4).
        if place.replace(value).is_some() {
            return None;
        }
    }
    Some(parsed)
}

/// Pieces between separators outside quotation marks, last first.
struct Split<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Split<'a> {
    fn new(text: &'a [u8], separator: u8) -> Self {
        Split {
            rest: Some(text),
            separator,
        }
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let mut quoted = false;
        for (at, &byte) in rest.iter().enumerate().rev() {
            if byte == b'"' {
                quoted = !quoted;
            } else if byte == self.separator && !quoted {
                self.rest = Some(&rest[..at]);
                return Some(&rest[at + 1..]);
            }
        }
        Some(rest)
    }
}
