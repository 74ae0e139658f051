//! Example requests, which show a user how two patterns conflict.

use crate::path;
use crate::pattern::{Parts, Pattern, Segment, TRAILING_SLASH};
use crate::relation;

/// A request that both patterns match. They must have such a request in common.
pub(crate) fn common(left: &Pattern, right: &Pattern) -> String {
    let (left, right) = (left.parts(), right.parts());
    let path = common_path(&left.segments, &right.segments);
    request(narrower_method(left, right), left, path)
}

/// A request that `left` matches and `right` does not, if there is one.
pub(crate) fn only_left(left: &Pattern, right: &Pattern) -> Option<String> {
    let (left, right) = (left.parts(), right.parts());
    if let Some(path) = difference_path(&left.segments, &right.segments) {
        return Some(request(narrower_method(left, right), left, path));
    }
    let method = match (&*left.method, &*right.method) {
        (l, r) if !relation::methods(l, r)?.left_alone => return None,
        // `right` has a method; any other will do, but one that it does not imply.
        ("", "GET" | "HEAD") => "POST",
        _ => "GET",
    };
    Some(request(
        method,
        left,
        common_path(&left.segments, &right.segments),
    ))
}

/// Writes a request as `METHOD [HOST]/PATH`.
fn request(method: &str, pattern: &Parts, path: String) -> String {
    let method = match method {
        // Only a CONNECT can have an empty segment.
        "" if !path::is_clean(&path) => "CONNECT",
        "" => "GET",
        method => method,
    };
    format!("{method} {}{path}", pattern.host)
}

/// The method that both patterns match; empty if both match any.
fn narrower_method<'a>(left: &'a Parts, right: &'a Parts) -> &'a str {
    match relation::methods(&left.method, &right.method) {
        Some(relation) if relation.left_alone => &right.method,
        _ => &left.method,
    }
}

fn common_path(left: &[Segment], right: &[Segment]) -> String {
    let mut out = String::new();
    for i in 0..left.len().max(right.len()) {
        match (left.get(i), right.get(i)) {
            // Where both are wild, a single segment satisfies a multi too.
            (Some(l), Some(r)) => push_segment(&mut out, narrower(l, r)),
            (Some(one), None) | (None, Some(one)) => push_segment(&mut out, one),
            (None, None) => {}
        }
    }
    out
}

fn difference_path(left: &[Segment], right: &[Segment]) -> Option<String> {
    let wider = |(l, r)| relation::segments(l, r).is_some_and(|relation| relation.left_alone);
    let place = left.iter().zip(right).position(wider)?;
    let mut out = String::new();
    for (i, l) in left.iter().enumerate() {
        match (l, right.get(i)) {
            (Segment::Multi(name), Some(r)) if i == place => {
                // The end of the path: something that is not a trailing slash where `right` wants
                // one, and a trailing slash where it wants anything else.
                out.push('/');
                if *r == Segment::Literal(TRAILING_SLASH.into()) {
                    out.push_str(&path::escape(if name.is_empty() {
                        b"x"
                    } else {
                        name.as_bytes()
                    }));
                }
            }
            (Segment::Single(name), Some(Segment::Literal(text))) if i == place => {
                out.push('/');
                out.push_str(&path::escape(name.as_bytes()));
                if name.as_bytes() == &**text {
                    out.push('x');
                }
            }
            (_, Some(r)) => push_segment(&mut out, narrower(l, r)),
            (_, None) => push_segment(&mut out, l),
        }
    }
    Some(out)
}

/// Of two related segments, the one that matches less.
fn narrower<'a>(left: &'a Segment, right: &'a Segment) -> &'a Segment {
    match relation::segments(left, right) {
        Some(relation) if relation.left_alone => right,
        _ => left,
    }
}

/// Writes a segment that `segment` matches: itself, or its name.
fn push_segment(out: &mut String, segment: &Segment) {
    out.push('/');
    match segment {
        Segment::Literal(text) if **text == *TRAILING_SLASH => {}
        // Escaped, a slash does not separate, and dots are not cleaned away.
        Segment::Literal(text) => match &**text {
            b"." => out.push_str("%2E"),
            b".." => out.push_str("%2E%2E"),
            text => out.push_str(&path::escape(text).replace('/', "%2F")),
        },
        Segment::Single(name) => out.push_str(&path::escape(name.as_bytes())),
        Segment::Multi(_) => {}
    }
}
