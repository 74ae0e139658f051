//! How two patterns relate: which of the requests that one matches the other matches too.

use crate::pattern::{Parts, Segment, TRAILING_SLASH};

/// What two patterns that match a common request do not have in common.
///
/// Two patterns that match no common request have no relation at all, so every function here gives
/// an `Option`. Patterns relate part by part (the method, then segment by segment), and what either
/// side has alone in any part, it has alone as a whole.
///
/// | `left_alone` | `right_alone` | |
/// |---|---|---|
/// | false | false | both match the same requests: a conflict |
/// | true | false | the right one is more specific and takes precedence |
/// | false | true | the left one is |
/// | true | true | they overlap: a conflict |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Relation {
    /// The left pattern matches something that the right one does not.
    pub(crate) left_alone: bool,
    /// The right pattern matches something that the left one does not.
    pub(crate) right_alone: bool,
}

impl Relation {
    const SAME: Relation = Relation {
        left_alone: false,
        right_alone: false,
    };
    const LEFT_WIDER: Relation = Relation {
        left_alone: true,
        right_alone: false,
    };
    const RIGHT_WIDER: Relation = Relation {
        left_alone: false,
        right_alone: true,
    };

    /// Neither pattern takes precedence over the other.
    pub(crate) fn is_conflict(self) -> bool {
        self.left_alone == self.right_alone
    }

    fn and(self, part: Relation) -> Relation {
        Relation {
            left_alone: self.left_alone | part.left_alone,
            right_alone: self.right_alone | part.right_alone,
        }
    }
}

/// Whether the patterns match a common request of which neither takes precedence.
///
/// Patterns with different hosts never conflict: either no request has both, or one of them has no
/// host and so comes second.
pub(crate) fn conflict(left: &Parts, right: &Parts) -> bool {
    left.host == right.host
        && methods(&left.method, &right.method)
            .zip(paths(&left.segments, &right.segments))
            .is_some_and(|(method, path)| method.and(path).is_conflict())
}

/// Relates two methods, of which an empty one means any, and `GET` means `HEAD` too.
pub(crate) fn methods(left: &str, right: &str) -> Option<Relation> {
    match (left, right) {
        _ if left == right => Some(Relation::SAME),
        ("", _) | ("GET", "HEAD") => Some(Relation::LEFT_WIDER),
        (_, "") | ("HEAD", "GET") => Some(Relation::RIGHT_WIDER),
        _ => None,
    }
}

/// Relates two paths.
pub(crate) fn paths(left: &[Segment], right: &[Segment]) -> Option<Relation> {
    let mut relation = Relation::SAME;
    for (l, r) in left.iter().zip(right) {
        relation = relation.and(segments(l, r)?);
    }
    // Of two paths with different lengths, the shorter one has to match the rest of the longer
    // with its last segment. Then it is also the wider one, as `segments` has found already.
    let shorter = if left.len() < right.len() {
        left
    } else {
        right
    };
    (left.len() == right.len() || matches!(shorter.last(), Some(Segment::Multi(_))))
        .then_some(relation)
}

/// Relates two segments at the same place of two paths.
pub(crate) fn segments(left: &Segment, right: &Segment) -> Option<Relation> {
    use Segment::{Literal, Multi, Single};
    match (left, right) {
        (Multi(_), Multi(_)) | (Single(_), Single(_)) => Some(Relation::SAME),
        (Multi(_), _) => Some(Relation::LEFT_WIDER),
        (_, Multi(_)) => Some(Relation::RIGHT_WIDER),
        (Single(_), Literal(text)) => (**text != *TRAILING_SLASH).then_some(Relation::LEFT_WIDER),
        (Literal(text), Single(_)) => (**text != *TRAILING_SLASH).then_some(Relation::RIGHT_WIDER),
        (Literal(l), Literal(r)) => (l == r).then_some(Relation::SAME),
    }
}

#[cfg(test)]
mod tests {
    use super::paths;
    use crate::parse::parse;

    /// The index offers for comparison only patterns that do have something in common, so that they
    /// have not shows nowhere else.
    #[test]
    fn paths_with_nothing_in_common_do_not_relate() {
        for (left, right) in [
            ("/a", "/b"),
            ("/a", "/a/"),
            ("/a", "/a/{x...}"),
            ("/a", "/a/b"),
            ("/{x}", "/{x}/{y}"),
            ("/{x}", "/{$}"),
            ("/a/{x}", "/a/{$}"),
            ("/a/{$}", "/a/b"),
            ("/a/{$}", "/a/b/"),
            ("/a/", "/b/"),
            ("/a/{x...}", "/b/c/d"),
        ] {
            let [l, r] =
                [left, right].map(|text| parse(text).unwrap_or_else(|error| panic!("{error}")));
            assert_eq!(paths(&l.segments, &r.segments), None, "{left} and {right}");
            assert_eq!(paths(&r.segments, &l.segments), None, "{right} and {left}");
        }
    }
}
