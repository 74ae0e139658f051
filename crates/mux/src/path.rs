//! Request paths as bytes: what is allowed in them, what is clean, and percent-decoding.
//!
//! The mux matches the *escaped* path, split at `/`, and decodes each segment on its own, so that
//! an escaped slash (`%2F`) stays inside its segment.

use std::borrow::Cow;

use crate::lookup::BadRequest;

/// A path that is ready to be matched.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Prepared<'p> {
    /// Every byte that a path must not hold raw is escaped here.
    pub(crate) text: Cow<'p, str>,
    /// There is a `%` in it, always followed by two hexadecimal digits.
    pub(crate) escaped: bool,
    /// A segment is empty, `.` or `..`; an empty last segment (a trailing slash) does not count.
    pub(crate) unclean: bool,
}

/// Reads a request path once and says what has to be done before it can be matched.
///
/// An ordinary path comes back borrowed. One with a byte that should have been escaped (`"`, `{`,
/// `|`, a non-ASCII letter, ...) is decoded as a whole and escaped again, as Go's `net/url` does;
/// in that one case a `%2F` turns into a slash.
pub(crate) fn prepare(path: &str) -> Result<Prepared<'_>, BadRequest> {
    let bytes = path.as_bytes();
    match bytes.first() {
        Some(b'/') => {}
        None => {
            return Ok(Prepared {
                text: Cow::Borrowed(""),
                escaped: false,
                unclean: true,
            });
        }
        Some(_) if path == "*" => return Err(BadRequest::Asterisk),
        Some(_) => return Err(BadRequest::NotAbsolute),
    }
    let mut seen = 0;
    let mut after_slash = 0;
    for &byte in bytes {
        let class = CLASS[usize::from(byte)];
        // `//` and `/.` are where an unclean segment can begin.
        seen |= class & PATH_CLASSES | (class & after_slash);
        after_slash = if byte == b'/' { AFTER_SLASH } else { 0 };
    }
    if seen & (CONTROL | PERCENT) != 0 {
        reject_controls_and_bad_escapes(bytes)?;
    }
    let text = if seen & FOREIGN == 0 {
        Cow::Borrowed(path)
    } else {
        Cow::Owned(escape(&decode(bytes)))
    };
    let unclean = match &text {
        Cow::Borrowed(_) if seen & AFTER_SLASH == 0 => false,
        text => !is_clean(text),
    };
    let escaped = match &text {
        Cow::Borrowed(_) => seen & PERCENT != 0,
        Cow::Owned(_) => true,
    };
    Ok(Prepared {
        text,
        escaped,
        unclean,
    })
}

fn reject_controls_and_bad_escapes(path: &[u8]) -> Result<(), BadRequest> {
    if let Some(offset) = path
        .iter()
        .position(|&b| CLASS[usize::from(b)] & CONTROL != 0)
    {
        return Err(BadRequest::ControlByte { offset });
    }
    match memchr::memchr_iter(b'%', path).find(|&at| escape_at(path, at).is_none()) {
        Some(offset) => Err(BadRequest::BadEscape { offset }),
        None => Ok(()),
    }
}

/// Whether [`clean`] would leave `path`, which begins with `/`, as it is.
pub(crate) fn is_clean(path: &str) -> bool {
    let mut segments = path[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "" if last => {}
            "" | "." | ".." => return false,
            _ => {}
        }
    }
    true
}

/// Removes empty and `.` segments and resolves `..`; keeps a trailing slash.
///
/// `..` at the root is dropped. The result always begins with `/`.
pub(crate) fn clean(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 1);
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => out.truncate(out.rfind('/').unwrap_or(0)),
            _ => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
    if out.is_empty() || path.ends_with('/') {
        out.push('/');
    }
    out
}

/// The byte that the escape `%XY` at `at` stands for, or `None` if it is not one.
pub(crate) fn escape_at(bytes: &[u8], at: usize) -> Option<u8> {
    match *bytes.get(at..at + 3)? {
        [b'%', high, low] => Some(hex(high)? << 4 | hex(low)?),
        _ => None,
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Decodes every escape; `bytes` holds valid escapes only, anything else is copied as it is.
pub(crate) fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    out.extend(Decoded::new(bytes));
    out
}

/// The decoded bytes of a segment one by one, so that comparing needs no buffer.
#[derive(Clone)]
pub(crate) struct Decoded<'p> {
    bytes: &'p [u8],
    at: usize,
}

impl<'p> Decoded<'p> {
    pub(crate) fn new(bytes: &'p [u8]) -> Self {
        Decoded { bytes, at: 0 }
    }
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        if byte == b'%'
            && let Some(decoded) = escape_at(self.bytes, self.at)
        {
            self.at += 3;
            return Some(decoded);
        }
        self.at += 1;
        Some(byte)
    }
}

/// Escapes every byte but letters, digits and ``-_.~$&+,/:;=@``, as Go writes a path.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if CLASS[usize::from(byte)] & BARE != 0 {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Must not stand in a path unescaped, but is let in and escaped.
const FOREIGN: u8 = 1;
/// Must not stand in a request target at all.
const CONTROL: u8 = 1 << 1;
const PERCENT: u8 = 1 << 2;
/// A slash or a dot: right after a slash it may make the path unclean.
const AFTER_SLASH: u8 = 1 << 3;
/// Written as it is by [`escape`].
const BARE: u8 = 1 << 4;
const PATH_CLASSES: u8 = FOREIGN | CONTROL | PERCENT;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            0..=0x1f | 0x7f => CONTROL,
            b'%' => PERCENT,
            b'/' | b'.' => AFTER_SLASH | BARE,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => BARE,
            b'-' | b'_' | b'~' | b'$' | b'&' | b'+' | b',' | b':' | b';' | b'=' | b'@' => BARE,
            // Fine where a client wrote them, yet escaped where we write a path.
            b'!' | b'\'' | b'(' | b')' | b'*' | b'[' | b']' => 0,
            _ => FOREIGN,
        };
        byte += 1;
    }
    table
}
