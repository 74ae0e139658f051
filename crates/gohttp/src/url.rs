//! A request's URL as text, as Go's `req.URL.String()` gives it.
//!
//! Go decodes a path when it reads it and encodes it again when it writes it, except where the client's
//! own encoding is one that Go could have meant. So most targets come out as they went in, and those
//! with bytes that ought to have been escaped come out escaped.

use std::fmt::Write as _;

use oxbridge::Request;

/// The URL of a request; `net/url`, `URL.String`.
///
/// Only a target in absolute form names scheme and host. (That of CONNECT matches no pattern.)
pub(crate) fn text(request: &Request) -> String {
    let uri = request.uri();
    let mut text = String::new();
    // HTTP/2 says scheme and host in fields of their own, which Go keeps apart from the URL too.
    if request.version() != http::Version::HTTP_2
        && let Some(authority) = uri.authority()
    {
        if let Some(scheme) = uri.scheme_str() {
            text.push_str(&scheme.to_ascii_lowercase());
            text.push(':');
        }
        text.push_str("//");
        text.push_str(authority.as_str());
    }
    let path = uri.path_and_query().map_or("", |target| target.path());
    text.push_str(&escaped_path(path));
    if let Some(query) = uri.query() {
        text.push('?');
        text.push_str(query);
    }
    text
}

/// The path, in the client's encoding if that is a valid one, else in Go's; `URL.EscapedPath`.
fn escaped_path(path: &str) -> String {
    let valid = path
        .bytes()
        .all(|b| b == b'%' || b"!'()*[]".contains(&b) || !should_escape(b));
    if valid {
        return path.to_owned();
    }
    let mut escaped = String::with_capacity(path.len() + 8);
    for byte in percent_decoded(path.as_bytes()) {
        if should_escape(byte) {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        } else {
            escaped.push(char::from(byte));
        }
    }
    escaped
}

/// Whether Go escapes this byte in a path; `net/url`, `shouldEscape` with `encodePath`.
fn should_escape(byte: u8) -> bool {
    !(byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte))
}

/// The bytes that a path stands for. The mux has refused a path whose escapes are broken, so what looks
/// like one and is none stays as it is.
fn percent_decoded(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [high, low, after @ ..])
                if let (Some(high), Some(low)) = (digit(*high), digit(*low)) =>
            {
                decoded.push(high << 4 | low);
                after
            }
            _ => {
                decoded.push(*first);
                tail
            }
        };
    }
    decoded
}

/// The value of a hexadecimal digit.
fn digit(byte: u8) -> Option<u8> {
    // At most 15.
    char::from(byte).to_digit(16).map(|value| value as u8)
}
