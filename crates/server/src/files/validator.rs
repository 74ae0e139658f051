//! Whether a client's copy of a file is still good (RFC 9110 §8.8 and §13).

use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What tells one version of a file from another.
#[derive(Debug)]
pub(super) struct Validators {
    tag: Option<HeaderValue>,
    /// Seconds since 1970; none if the file's time is not known.
    modified: Option<u64>,
    /// Any change from now on gives the file another time.
    at_rest: bool,
    now: SystemTime,
}

/// What the conditions of a request allow.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The file, with no regard to Range.
    Whole,
    /// The file, or the ranges that the request names.
    Ranges,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

impl Validators {
    /// Of the file with this `metadata`, and with the caller's own tag if it has set one.
    pub(super) fn new(metadata: &Metadata, own_tag: Option<&HeaderValue>) -> Self {
        let now = SystemTime::now();
        // A time that is yet to come tells nothing: the file may change again and keep it.
        let at_rest = metadata
            .modified()
            .is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age >= REST));
        Validators {
            tag: own_tag.cloned().or_else(|| tag(metadata, at_rest)),
            modified: u64::try_from(metadata.mtime()).ok().filter(|s| *s > 0),
            at_rest,
            now,
        }
    }

    /// The value of ETag.
    pub(super) fn tag(&self) -> Option<HeaderValue> {
        self.tag.clone()
    }

    /// The value of Last-Modified: never later than the response's Date (§8.8.2.1), which is taken by
    /// the second.
    pub(super) fn last_modified(&self) -> Option<HeaderValue> {
        let modified = UNIX_EPOCH.checked_add(Duration::from_secs(self.modified?))?;
        let modified = if modified > self.now {
            self.now.checked_sub(Duration::from_secs(1))?
        } else {
            modified
        };
        HeaderValue::try_from(httpdate::fmt_http_date(modified)).ok()
    }

    /// Evaluates the conditions of a GET or HEAD request, in the order of §13.2.2.
    pub(super) fn judge(&self, headers: &HeaderMap) -> Verdict {
        let holds = if headers.contains_key(IF_MATCH) {
            self.is_listed(headers, &IF_MATCH, |a, b| a.is_same(b))
        } else {
            !self
                .is_modified_since(headers, &IF_UNMODIFIED_SINCE)
                .unwrap_or(false)
        };
        if !holds {
            return Verdict::Failed;
        }
        let modified = if headers.contains_key(IF_NONE_MATCH) {
            !self.is_listed(headers, &IF_NONE_MATCH, |a, b| a.is_like(b))
        } else {
            self.is_modified_since(headers, &IF_MODIFIED_SINCE)
                .unwrap_or(true)
        };
        if !modified {
            return Verdict::NotModified;
        }
        if headers.contains_key(RANGE) && self.may_join(headers) {
            Verdict::Ranges
        } else {
            Verdict::Whole
        }
    }

    /// Whether a field lists the file's tag, or is `*`. What follows a malformed member is not read.
    fn is_listed(
        &self,
        headers: &HeaderMap,
        name: &HeaderName,
        equal: fn(&EntityTag<'_>, &EntityTag<'_>) -> bool,
    ) -> bool {
        if only(headers, name).is_some_and(|value| value == "*") {
            return true;
        }
        let Some(own) = self.own_tag() else {
            return false;
        };
        headers.get_all(name).iter().any(|line| {
            let mut rest = line.as_bytes();
            while let Some((tag, after)) = EntityTag::scan(skip_separators(rest)) {
                if equal(&own, &tag) {
                    return true;
                }
                rest = after;
            }
            false
        })
    }

    fn own_tag(&self) -> Option<EntityTag<'_>> {
        EntityTag::scan(self.tag.as_ref()?.as_bytes()).map(|(tag, _)| tag)
    }

    /// Whether the file's time is later than the date in a field; `None` where that is to be ignored
    /// (§13.1.3, §13.1.4): no date or more than one, or a file whose time is not known.
    fn is_modified_since(&self, headers: &HeaderMap, name: &HeaderName) -> Option<bool> {
        let since = date(only(headers, name)?)?;
        Some(self.modified? > since)
    }

    /// Whether If-Range, if it is there, lets a part be sent (§13.1.5): the client's part is of the same
    /// version, byte for byte.
    ///
    /// A date can only say so if it was that of a file at rest when the client got its part, which the
    /// RFC makes the client find out; that the file is at rest now is what can be known here.
    fn may_join(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(IF_RANGE) {
            return true;
        }
        let Some(value) = only(headers, &IF_RANGE) else {
            return false;
        };
        match EntityTag::scan(value.as_bytes()) {
            Some((tag, [])) => self.own_tag().is_some_and(|own| own.is_same(&tag)),
            Some(_) => false,
            None => self.at_rest && self.modified.is_some() && self.modified == date(value),
        }
    }
}

/// The value of a field that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// An HTTP date (§5.6.7) in seconds since 1970.
fn date(value: &HeaderValue) -> Option<u64> {
    let date = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// The tag of a file's version. The hash keeps the inode private, and may differ between builds with
/// different compilers, which costs every cache one download.
fn tag(metadata: &Metadata, at_rest: bool) -> Option<HeaderValue> {
    let mut hash = DefaultHasher::new();
    (metadata.mtime(), metadata.mtime_nsec(), metadata.len()).hash(&mut hash);
    (metadata.dev(), metadata.ino()).hash(&mut hash);
    let weak = if at_rest { "" } else { "W/" };
    HeaderValue::try_from(format!("{weak}\"{:016x}\"", hash.finish())).ok()
}

/// An entity tag (§8.8.3).
#[derive(Debug)]
struct EntityTag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// The tag that `bytes` begin with, and what follows it.
    fn scan(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (weak, rest) = match bytes.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, bytes),
        };
        let rest = rest.strip_prefix(b"\"")?;
        let end = rest
            .iter()
            .position(|b| !matches!(b, 0x21 | 0x23..=0x7e | 0x80..))?;
        let (opaque, rest) = rest.split_at(end);
        Some((EntityTag { weak, opaque }, rest.strip_prefix(b"\"")?))
    }

    /// Strong comparison (§8.8.3.2).
    fn is_same(&self, other: &EntityTag<'_>) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// Weak comparison (§8.8.3.2).
    fn is_like(&self, other: &EntityTag<'_>) -> bool {
        self.opaque == other.opaque
    }
}

/// Without the commas and white space in front.
fn skip_separators(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|b| !matches!(b, b',' | b' ' | b'\t'));
    start.map_or(&[], |start| &bytes[start..])
}

/// The coarsest step of any file system's clock that is in use, FAT's: a file that was not changed for
/// this long cannot be changed any more and keep its time.
const REST: Duration = Duration::from_secs(2);
