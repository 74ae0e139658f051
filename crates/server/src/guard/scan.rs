//! Finds the pieces of a line quickly: byte classes, and runs of bytes of a class.
//!
//! The two `*_line` functions recognise an ordinary line that is there as a
//! whole, and nothing else; they never say why a line is not ordinary.

use super::Fault;

/// A request line cut into its pieces.
pub(super) struct RequestLine<'a> {
    pub method: &'a [u8],
    pub target: &'a [u8],
    /// The `x` of `HTTP/1.x`: 0 or 1.
    pub minor: u8,
    /// Bytes of the line with its CRLF.
    pub len: usize,
}

/// A field line cut at its colon.
pub(super) struct FieldLine<'a> {
    pub name: &'a [u8],
    /// With the white space around it.
    pub value: &'a [u8],
    /// Bytes of the line with its CRLF.
    pub len: usize,
}

/// The request line at the front of `bytes`, if it is there as a whole and is
/// of HTTP/1.0 or 1.1.
#[inline]
pub(super) fn request_line(bytes: &[u8]) -> Option<RequestLine<'_>> {
    let method = &bytes[..run_of(TOKEN, bytes)];
    let rest = bytes[method.len()..].strip_prefix(b" ")?;
    let target = &rest[..run_of(TARGET, rest)];
    let tail = rest[target.len()..].first_chunk::<11>()?;
    let minor = match tail {
        b" HTTP/1.1\r\n" => 1,
        b" HTTP/1.0\r\n" => 0,
        _ => return None,
    };
    if method.is_empty() || target.is_empty() {
        return None;
    }
    let len = method.len() + 1 + target.len() + tail.len();
    Some(RequestLine {
        method,
        target,
        minor,
        len,
    })
}

/// The field line at the front of `bytes`, if it is there as a whole and has a
/// proper name and no control character.
#[inline]
pub(super) fn field_line(bytes: &[u8]) -> Option<FieldLine<'_>> {
    let colon = run_of(TOKEN, bytes);
    let rest = bytes[colon..].strip_prefix(b":")?;
    let end = run_of_text(rest);
    if colon == 0 || !rest[end..].starts_with(b"\r\n") {
        return None;
    }
    Some(FieldLine {
        name: &bytes[..colon],
        value: &rest[..end],
        len: colon + 1 + end + 2,
    })
}

/// The text of `line`, which ends with LF, without its CRLF.
///
/// RFC 9112 §2.2 lets a recipient take a bare LF as a line end; that leniency is
/// what smuggling lives on, and the same section bids a bare CR be refused.
/// RFC 9110 §5.5: CR, LF and NUL in a value are dangerous, other control
/// characters are invalid.
pub(super) fn line_text(line: &[u8]) -> Result<&[u8], Fault> {
    let Some(text) = line.strip_suffix(b"\r\n") else {
        return Err(Fault::bad("line ends with a bare LF"));
    };
    match text.get(run_of_text(text)) {
        None => Ok(text),
        Some(b'\r') => Err(Fault::bad("bare CR in a line")),
        Some(_) => Err(Fault::bad("control character in a line")),
    }
}

/// How many bytes at the front of `bytes` are of `class`.
#[inline]
pub(super) fn run_of(class: u8, bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|&b| !is(class, b))
        .unwrap_or(bytes.len())
}

/// Whether `byte` is of `class`.
#[inline]
pub(super) fn is(class: u8, byte: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// `bytes` without the optional white space (SP and HTAB, RFC 9110 §5.6.3)
/// around it.
#[inline]
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// How many bytes at the front of `bytes` may stand in a field value: all but
/// control characters, HTAB excepted (RFC 9110 §5.5).
#[inline]
fn run_of_text(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        // Eight at a time. A borrow can flag a byte that is in order, but only
        // one above a flagged byte that is not, so the lowest flag is right.
        while let Some(eight) = bytes[at..].first_chunk::<8>() {
            let eight = u64::from_le_bytes(*eight);
            let below_space = eight.wrapping_sub(ALL * 0x20) & !eight;
            let delete = eight ^ (ALL * 0x7f);
            let delete = delete.wrapping_sub(ALL) & !delete;
            let flags = (below_space | delete) & (ALL * 0x80);
            if flags != 0 {
                at += (flags.trailing_zeros() / 8) as usize;
                break;
            }
            at += 8;
        }
        match bytes[at..].iter().position(|&b| !is(TEXT, b) || b == b'\t') {
            None => return bytes.len(),
            Some(n) if bytes[at + n] == b'\t' => at += n + 1,
            Some(n) => return at + n,
        }
    }
}

/// tchar, RFC 9110 §5.6.2.
pub(super) const TOKEN: u8 = 1;
/// What a request target may hold. RFC 9112 §3.2 allows URI characters only;
/// browsers send a few more in queries (`{`, `|`, `^`), and others send UTF-8,
/// all of which are harmless to framing. Never SP, `#`, `<`, `>` or a control
/// character.
pub(super) const TARGET: u8 = 2;
/// reg-name of RFC 3986 §3.2.2, and the `%` of its pct-encoded.
pub(super) const REG_NAME: u8 = 4;
/// All but control characters, HTAB excepted.
pub(super) const TEXT: u8 = 8;

const ALL: u64 = 0x0101_0101_0101_0101;

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0u8;
    loop {
        let alphanumeric = byte.is_ascii_alphanumeric();
        let mut class = 0;
        if alphanumeric || among(byte, b"!#$%&'*+-.^_`|~") {
            class |= TOKEN;
        }
        if !(byte <= b' ' || byte == 0x7f || among(byte, b"#<>")) {
            class |= TARGET;
        }
        if alphanumeric || among(byte, b"-._~!$&'()*+,;=%") {
            class |= REG_NAME;
        }
        if (byte >= b' ' && byte != 0x7f) || byte == b'\t' {
            class |= TEXT;
        }
        classes[byte as usize] = class;
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};

const fn among(byte: u8, set: &[u8]) -> bool {
    let mut at = 0;
    while at < set.len() {
        if set[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}
