//! Header fields as text, as Go's `Header.Write` gives them for a request that its server has read.

use http::header::{CACHE_CONTROL, HOST, PRAGMA, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};

/// `Key: value` and a line end for each field, sorted by key, keys in canonical MIME case.
///
/// Left out is what Go's server takes out of the header and keeps elsewhere: Host, and how the body was
/// framed. Added is what it adds: `Cache-Control: no-cache` beside a `Pragma: no-cache` of old clients.
pub(crate) fn text(headers: &HeaderMap) -> Vec<u8> {
    let chunked = headers.contains_key(TRANSFER_ENCODING);
    let mut fields: Vec<(String, &HeaderValue)> = headers
        .iter()
        .filter(|(name, _)| {
            *name != HOST && *name != TRANSFER_ENCODING && !(chunked && *name == TRAILER)
        })
        .map(|(name, value)| (canonical(name.as_str()), value))
        .collect();
    let no_cache = HeaderValue::from_static("no-cache");
    if headers.get(PRAGMA) == Some(&no_cache) && !headers.contains_key(CACHE_CONTROL) {
        fields.push((canonical(CACHE_CONTROL.as_str()), &no_cache));
    }
    // Stable: several values of one field stay in the order that they came in.
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut text = Vec::new();
    for (name, value) in fields {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend(value.as_bytes().trim_ascii().iter().map(|byte| {
            // A field that was folded over several lines comes out as one.
            if b"\r\n".contains(byte) { b' ' } else { *byte }
        }));
        text.extend_from_slice(b"\r\n");
    }
    text
}

/// A field name in canonical MIME case, `net/textproto`'s: the first letter and each one after a hyphen
/// is a capital, all others are small.
fn canonical(name: &str) -> String {
    let mut upper = true;
    name.chars()
        .map(|c| {
            let cased = if upper {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            };
            upper = c == '-';
            cased
        })
        .collect()
}
