//! Which bytes of a file a client wants (RFC 9110 §14).

use http::HeaderMap;
use http::header::RANGE;

/// The part of a file from one byte to another.
///
/// Invariant: `first <= last`, and `last` is less than the file's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByteRange {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl ByteRange {
    pub(super) fn length(self) -> u64 {
        self.last - self.first + 1
    }

    fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// What a Range header comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// There is none, or it is ignored.
    Whole,
    /// In the order in which the client wants them; not empty.
    Parts(Vec<ByteRange>),
    /// The file has none of the bytes.
    Nothing,
}

/// What the Range header wants of a file of `size` bytes.
///
/// It is ignored if it is malformed or there is more than one of it, if it counts in other units than
/// bytes, if it is abusive ([`MAX_RANGES`], ranges that overlap: §14.2 lets a server ignore both), and
/// for an empty file, since some clients ask every file for a range and Content-Range cannot express
/// an empty one.
pub(super) fn wanted(headers: &HeaderMap, size: u64) -> Wanted {
    let mut lines = headers.get_all(RANGE).iter();
    let (Some(value), None) = (lines.next(), lines.next()) else {
        return Wanted::Whole;
    };
    let set = value
        .to_str()
        .ok()
        .and_then(|v| v.split_once('='))
        .filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"))
        .and_then(|(_, set)| parse(set));
    let Some(set) = set.filter(|_| size > 0) else {
        return Wanted::Whole;
    };
    let parts: Vec<ByteRange> = set.iter().filter_map(|spec| spec.resolve(size)).collect();
    let overlap = |(i, part): (usize, &ByteRange)| parts[..i].iter().any(|p| p.overlaps(*part));
    if parts.is_empty() {
        Wanted::Nothing
    } else if parts.iter().enumerate().any(overlap) {
        Wanted::Whole
    } else {
        Wanted::Parts(parts)
    }
}

/// One range as the client writes it, before the size of the file is considered.
#[derive(Clone, Copy)]
enum Spec {
    /// `first-last` or, with the largest number, `first-`.
    FromTo(u64, u64),
    /// `-length`: so many bytes at the end.
    Last(u64),
}

impl Spec {
    /// `None` if the file has none of these bytes.
    fn resolve(self, size: u64) -> Option<ByteRange> {
        let end = size.checked_sub(1)?;
        match self {
            Spec::FromTo(first, last) => (first <= end).then_some(ByteRange {
                first,
                last: last.min(end),
            }),
            Spec::Last(0) => None,
            Spec::Last(length) => Some(ByteRange {
                first: size.saturating_sub(length),
                last: end,
            }),
        }
    }
}

/// The ranges of a set; `None` if it is malformed or has too many. Empty members are allowed in lists
/// (RFC 9110 §5.6.1.2), an empty list is not.
fn parse(set: &str) -> Option<Vec<Spec>> {
    let mut specs = Vec::new();
    for member in set.split(',') {
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            continue;
        }
        if specs.len() == MAX_RANGES {
            return None;
        }
        let (first, last) = member.split_once('-')?;
        let spec = match (first, last) {
            ("", length) => Spec::Last(number(length)?),
            (first, "") => Spec::FromTo(number(first)?, u64::MAX),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Spec::FromTo(first, last))?
            }
        };
        specs.push(spec);
    }
    (!specs.is_empty()).then_some(specs)
}

/// A number of any length. What does not fit is past the end of every file, as is the largest that does.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// More ranges than this in one request are not worth their heads. Video players and PDF readers ask
/// for one to a few.
const MAX_RANGES: usize = 16;
