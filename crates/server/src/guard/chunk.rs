//! The line in front of each chunk: its size and its extensions.

use super::Fault;
use super::scan::{self, TOKEN};

/// Reads `chunk-size [ chunk-ext ]`, given without its CRLF and without control
/// characters (RFC 9112 §7.1). Extensions are checked and have no effect.
pub(super) fn size(text: &[u8]) -> Result<u64, Fault> {
    let digits = text
        .iter()
        .position(|b| !b.is_ascii_hexdigit())
        .unwrap_or(text.len());
    if digits == 0 {
        return Err(Fault::bad("chunk size is not a hexadecimal number"));
    }
    // RFC 9112 §7.1: a recipient must expect large numbers and prevent overflow.
    let size = str::from_utf8(&text[..digits])
        .ok()
        .filter(|digits| digits.len() <= MAX_DIGITS)
        .and_then(|digits| i64::from_str_radix(digits, 16).ok())
        .ok_or(Fault::bad("chunk size is too large a number"))?;
    match extensions(&text[digits..]) {
        Some(()) => Ok(size.unsigned_abs()),
        None => Err(Fault::bad("malformed chunk extension")),
    }
}

/// RFC 9112 §7.1.1: any number of `BWS ";" BWS name [ BWS "=" BWS value ]`, where
/// a value is a token or a quoted string.
fn extensions(mut rest: &[u8]) -> Option<()> {
    while !rest.is_empty() {
        rest = skip_space(rest).strip_prefix(b";")?;
        rest = token(skip_space(rest))?;
        if let Some(value) = skip_space(rest).strip_prefix(b"=") {
            rest = match skip_space(value) {
                [b'"', inside @ ..] => after_quote(inside)?,
                value => token(value)?,
            };
        }
    }
    Some(())
}

/// What follows the token at the front of `bytes`.
fn token(bytes: &[u8]) -> Option<&[u8]> {
    let len = scan::run_of(TOKEN, bytes);
    (len > 0).then_some(&bytes[len..])
}

/// What follows the quoted string (RFC 9110 §5.6.4) whose opening quote stood
/// before `rest`.
fn after_quote(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', _, after @ ..] => after,
            [b'\\'] | [] => return None,
            [_, after @ ..] => after,
        };
    }
}

fn skip_space(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// As many as a 64-bit number has; more would be zeros in front.
const MAX_DIGITS: usize = 16;
