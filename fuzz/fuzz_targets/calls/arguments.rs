//! The arguments that a script has for calls: mostly ones that mean something.

use std::ffi::{CString, c_char};

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::calls::abi::Bytes;

/// Mostly none, at most four.
#[derive(Debug)]
pub(super) struct Few<T>(pub(super) Vec<T>);

impl<'a, T: Arbitrary<'a>> Arbitrary<'a> for Few<T> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let count = (u.arbitrary::<u8>()? % 16).saturating_sub(11);
        (0..count)
            .map(|_| u.arbitrary())
            .collect::<Result<_>>()
            .map(Few)
    }
}

/// A handle.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Which {
    /// The exchange of the callback that runs, or the latest one.
    Current,
    Current2,
    /// One that was seen, which may have ended.
    Seen(u8),
    /// One that was seen, with a bit flipped.
    Near(u8, u8),
    Forged(u64),
    Zero,
}

/// Whether an output parameter is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Out(bool);

impl Out {
    pub(super) const YES: Self = Out(true);

    /// The place, or NULL.
    pub(super) fn at<T>(self, place: &mut T) -> *mut T {
        if self.0 { place } else { std::ptr::null_mut() }
    }
}

impl<'a> Arbitrary<'a> for Out {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Out(u.arbitrary::<u8>()? % 16 != 15))
    }
}

/// A caller's data and whether there is a function for its end.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum User {
    Data,
    Data2,
    Data3,
    DataWithoutDrop,
    Nothing,
    NullWithDrop,
}

/// A NUL-terminated text, or NULL.
#[derive(Debug)]
pub(super) struct Text(Option<CString>);

impl Text {
    pub(super) fn as_ptr(&self) -> *const c_char {
        self.0
            .as_ref()
            .map_or(std::ptr::null(), |text| text.as_ptr())
    }
}

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Text(match u.arbitrary::<u8>()? {
            0 => None,
            n if n < 128 => KNOWN.get(usize::from(n) % KNOWN.len()).map(|known| {
                // No text of the list has a NUL.
                CString::new(*known).unwrap()
            }),
            n => {
                let bytes = u.bytes(usize::from(n % 48).min(u.len()))?;
                let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
                // What follows the first NUL is cut off.
                Some(CString::new(&bytes[..end]).unwrap())
            }
        }))
    }
}

/// Texts that mean something somewhere: patterns, files, features, content types.
const KNOWN: &[&str] = &[
    "/new/{a}",
    "GET /new/x",
    "/new/{a...}",
    "POST /in/{rest...}",
    "example.com/",
    "/",
    "/{$}",
    "/{a}/{a}",
    "GET /d2/{p...}",
    "/d3/",
    "/q2/",
    "{",
    "/cb/{x}",
    FOLDER,
    FILE,
    "text/plain",
    "http2",
    "queue_fd",
    "a\nb",
    "",
    "/dev/null",
    "/nowhere",
];
/// A directory that is there, and a file.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz_targets");
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

/// The directory that the first server serves.
pub(super) fn folder() -> CString {
    // A path of the file system has no NUL.
    CString::new(env!("CARGO_MANIFEST_DIR")).unwrap()
}

/// Bytes for the library, or a NULL with a length.
#[derive(Debug)]
pub(super) enum Data {
    Null { len: usize },
    Dangling,
    Bytes(Vec<u8>),
}

impl Data {
    pub(super) fn get(&self) -> Bytes {
        let (data, len) = match self {
            Data::Null { len } => (std::ptr::null(), *len),
            Data::Dangling => (std::ptr::dangling(), 0),
            Data::Bytes(bytes) => (bytes.as_ptr(), bytes.len()),
        };
        Bytes { data, len }
    }
}

impl<'a> Arbitrary<'a> for Data {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.arbitrary::<u8>()? {
            0 => Data::Null {
                len: u.arbitrary()?,
            },
            1 => Data::Dangling,
            // More than the server keeps back before it streams.
            2..=8 => Data::Bytes(vec![b'x'; usize::from(u.arbitrary::<u16>()?) * 2]),
            n if n < 128 => Data::Bytes(NAMES[usize::from(n) % NAMES.len()].into()),
            n => Data::Bytes(u.bytes(usize::from(n % 32).min(u.len()))?.to_vec()),
        })
    }
}

/// Names of fields, wildcards and parameters, and values of fields.
const NAMES: &[&str] = &[
    "x",
    "rest",
    "y",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "te",
    "trailer",
    "0",
    "5",
    "trailers",
    "chunked",
    "close",
    "etag",
    "range",
    "x-a",
    "content-type",
    "set-cookie",
    "100-continue",
    "bytes=0-1,3-",
    "bytes=1-",
    "if-none-match",
    "*",
];

/// A status, mostly one that exists.
#[derive(Debug)]
pub(super) struct StatusCode(pub(super) u16);

impl<'a> Arbitrary<'a> for StatusCode {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        const SOME: &[u16] = &[
            200, 204, 304, 103, 100, 101, 199, 206, 404, 500, 999, 1000, 0,
        ];
        let n = u.arbitrary::<u16>()?;
        Ok(StatusCode(if n < 4096 {
            n
        } else {
            SOME[usize::from(n) % SOME.len()]
        }))
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Index {
    Small(u8),
    Any(usize),
}

impl Index {
    pub(super) fn get(self) -> usize {
        match self {
            Index::Small(n) => usize::from(n % 8),
            Index::Any(n) => n,
        }
    }
}

/// A descriptor to give to the library.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Descriptor {
    File,
    Event,
    Directory,
    Minus(u8),
    NotOpen,
}

/// How long to wait. Where a call would really wait, no longer than a moment.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Time {
    Zero,
    Zero2,
    Zero3,
    One,
    Any(i64),
}

impl Time {
    pub(super) fn get(self, may_wait: bool) -> i64 {
        match self {
            Time::One => 1,
            Time::Any(ms) if !may_wait => ms,
            _ => 0,
        }
    }
}
