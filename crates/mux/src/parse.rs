//! From a pattern's text to its parts.

use crate::error::ParseError;
use crate::identifier;
use crate::path;
use crate::pattern::{Parts, Segment, TRAILING_SLASH};

/// Parses `[METHOD ][HOST]/[PATH]`.
pub(crate) fn parse(text: &str) -> Result<Parts, ParseError> {
    let fail = |offset, message: String| ParseError::new(text, offset, message);

    if text.is_empty() {
        return Err(fail(
            0,
            "nothing came; a pattern is [METHOD ][HOST]/[PATH], at least \"/\"".into(),
        ));
    }
    let (method, rest) = match text.split_once([' ', '\t']) {
        Some((method, rest)) => (method, rest.trim_start_matches([' ', '\t'])),
        None => ("", text),
    };
    if let Some(bad) = method.bytes().position(|byte| !is_token_byte(byte)) {
        return Err(fail(
            bad,
            format!(
                "{method:?} is not a method; what comes before a space must be a token, like GET"
            ),
        ));
    }
    let host_at = text.len() - rest.len();
    let Some(slash) = rest.find('/') else {
        return Err(fail(
            text.len(),
            format!("no '/' in {rest:?}; a path begins with one, after the host if there is one"),
        ));
    };
    let (host, full_path) = rest.split_at(slash);
    if let Some(brace) = host.find('{') {
        return Err(fail(
            host_at + brace,
            format!(
                "'{{' in the host {host:?}; a host has no wildcards (is a '/' missing before it?)"
            ),
        ));
    }
    if !method.is_empty() && method != "CONNECT" && !path::is_clean(full_path) {
        return Err(fail(
            host_at + slash,
            format!(
                "the path {full_path:?} can never match, because requests other than CONNECT have \
                 their paths cleaned first; write {:?}",
                path::clean(full_path),
            ),
        ));
    }

    let path_at = host_at + slash;
    let mut segments = Vec::new();
    let mut names: Vec<Box<str>> = Vec::new();
    let mut at = path_at + 1;
    let mut pieces = full_path[1..].split('/').peekable();
    while let Some(piece) = pieces.next() {
        let last = pieces.peek().is_none();
        let segment = if piece.is_empty() && last {
            Segment::Multi("".into())
        } else {
            parse_segment(piece, last, &names)
                .map_err(|(offset, message)| fail(at + offset, message))?
        };
        if let Segment::Single(name) | Segment::Multi(name) = &segment
            && !name.is_empty()
        {
            names.push(name.clone());
        }
        segments.push(segment);
        at += piece.len() + 1;
    }
    Ok(Parts {
        text: text.into(),
        method: method.into(),
        host: host.into(),
        segments: segments.into(),
        names: names.into(),
    })
}

/// Parses what stands between two slashes. An error's offset counts from the start of `piece`.
fn parse_segment(piece: &str, last: bool, names: &[Box<str>]) -> Result<Segment, (usize, String)> {
    let Some(brace) = piece.find('{') else {
        return Ok(Segment::Literal(literal(piece).into()));
    };
    if brace > 0 {
        let wildcard = &piece[brace..];
        return Err((
            brace,
            format!(
                "'{{' inside the segment {piece:?}; a wildcard is a whole segment, like /{wildcard}/"
            ),
        ));
    }
    let Some(inside) = piece[1..].strip_suffix('}') else {
        return Err((
            piece.len(),
            format!(
                "the wildcard {piece:?} does not end with '}}'; a wildcard is a whole segment, like /{{x}}/"
            ),
        ));
    };
    if inside == "$" {
        return if last {
            Ok(Segment::Literal(TRAILING_SLASH.into()))
        } else {
            Err((
                piece.len(),
                "'/' after {$}, which must be the end of the pattern".into(),
            ))
        };
    }
    let (name, multi) = match inside.strip_suffix("...") {
        Some(name) => (name, true),
        None => (inside, false),
    };
    if multi && !last {
        return Err((
            piece.len(),
            format!(
                "'/' after {piece}, which matches all that remains and must be the end of the pattern"
            ),
        ));
    }
    if let Some(bad) = identifier::first_bad_byte(name) {
        let wanted = "a letter or '_', then letters, digits and '_'";
        return Err((
            1 + bad,
            if name.is_empty() {
                format!("the wildcard {piece} has no name; wanted {wanted}")
            } else {
                format!("{name:?} is not a wildcard name; wanted {wanted}")
            },
        ));
    }
    if names.iter().any(|known| **known == *name) {
        return Err((
            1,
            format!("a second wildcard named {name:?}; names must differ within a pattern"),
        ));
    }
    Ok(if multi {
        Segment::Multi(name.into())
    } else {
        Segment::Single(name.into())
    })
}

/// Decodes a literal; one with a bad escape anywhere stands for itself as written.
fn literal(piece: &str) -> Vec<u8> {
    let bytes = piece.as_bytes();
    let valid = memchr::memchr_iter(b'%', bytes).all(|at| path::escape_at(bytes, at).is_some());
    if valid {
        path::decode(bytes)
    } else {
        bytes.to_vec()
    }
}

/// RFC 9110, 5.6.2: what a method may consist of.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
