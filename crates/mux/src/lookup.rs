//! What a lookup answers.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use crate::pattern::Pattern;
use crate::values::PathValues;

/// The answer of [`Mux::lookup`](crate::Mux::lookup).
///
/// ```
/// use oxbridge_mux::{Lookup, Mux};
///
/// let mut mux = Mux::new();
/// mux.register("GET /tree/{node}", "node").unwrap();
/// mux.register("GET /tree/", "tree").unwrap();
///
/// let status = |method, path| match mux.lookup(method, "", path, Some("q=1")) {
///     Lookup::Found(found) => (200, found.value.to_string()),
///     Lookup::Redirect { location, status, .. } => (status, location),
///     Lookup::MethodNotAllowed { allow } => (405, allow),
///     Lookup::NotFound => (404, String::new()),
///     Lookup::BadRequest(reason) => (400, reason.to_string()),
/// };
/// assert_eq!(status("GET", "/tree/oak"), (200, "node".into()));
/// assert_eq!(status("GET", "/tree"), (307, "/tree/?q=1".into()));
/// assert_eq!(status("POST", "/tree/oak"), (405, "GET, HEAD".into()));
/// assert_eq!(status("GET", "/shrub"), (404, "".into()));
/// assert_eq!(status("GET", "/%zz"), (400, "bad percent-escape at byte 1 of the path".into()));
/// ```
#[derive(Debug)]
pub enum Lookup<'m, 'p, T> {
    /// A pattern matches.
    Found(Match<'m, 'p, T>),
    /// The client should ask again at the clean path, or at the one with a trailing slash.
    Redirect {
        /// What the `Location` header says: an absolute path in ASCII, with the request's query.
        location: String,
        /// 307, so that the client repeats method and body.
        status: u16,
        /// The pattern that will match the new path, if any does.
        pattern: Option<&'m Pattern>,
    },
    /// Patterns match the path, but none the method.
    MethodNotAllowed {
        /// The methods that would be answered, sorted: what the `Allow` header says.
        allow: String,
    },
    /// No pattern matches the path.
    NotFound,
    /// The path is not one; answer 400.
    BadRequest(BadRequest),
}

/// A pattern that matches, its value, and what its wildcards matched.
///
/// ```
/// use oxbridge_mux::{Lookup, Mux};
///
/// let mut mux = Mux::new();
/// mux.register("/{user}/files/{path...}", "files").unwrap();
///
/// let Lookup::Found(found) = mux.lookup("GET", "", "/ann/files/a/b%2Fc", None) else { panic!() };
/// assert_eq!(*found.value, "files");
/// assert_eq!(found.get("user"), Some("ann"));
/// assert_eq!(found.get("path"), Some("a/b/c"));
/// assert_eq!(found.get("other"), None);
/// let all: Vec<_> = found.iter().collect();
/// assert_eq!(all, [("user", "ann"), ("path", "a/b/c")]);
/// ```
#[derive(Debug)]
pub struct Match<'m, 'p, T> {
    /// What was registered with the pattern.
    pub value: &'m T,
    /// The pattern.
    pub pattern: &'m Pattern,
    /// The pattern's place in the order of registration; see [`Mux::at`](crate::Mux::at).
    pub index: usize,
    path: &'p str,
    values: PathValues,
}

impl<'m, 'p, T> Match<'m, 'p, T> {
    /// The value of the wildcard `name`, decoded; `None` if the pattern has none of that name.
    ///
    /// Bytes that are not UTF-8 are replaced by U+FFFD; see [`get_bytes`](Self::get_bytes).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values
            .get(self.pattern.wildcard_index(name)?, self.path)
    }

    /// The value of the wildcard `name` as the client sent it, decoded, UTF-8 or not.
    ///
    /// ```
    /// # use oxbridge_mux::{Lookup, Mux};
    /// let mut mux = Mux::new();
    /// mux.register("/{x}", ()).unwrap();
    /// let Lookup::Found(found) = mux.lookup("GET", "", "/caf%e9", None) else { panic!() };
    /// assert_eq!(found.get_bytes("x"), Some(&b"caf\xe9"[..]));
    /// assert_eq!(found.get("x"), Some("caf\u{fffd}"));
    /// ```
    pub fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        self.values
            .bytes(self.pattern.wildcard_index(name)?, self.path)
    }

    /// Every wildcard with its value, in the order of the path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let values = (0..).map_while(|index| self.values.get(index, self.path));
        self.pattern.wildcards().zip(values)
    }

    /// The values alone, which no longer borrow the path.
    pub fn into_values(self) -> PathValues {
        self.values
    }

    pub(crate) fn new(
        value: &'m T,
        pattern: &'m Pattern,
        index: usize,
        path: &'p str,
        values: PathValues,
    ) -> Self {
        Match {
            value,
            pattern,
            index,
            path,
            values,
        }
    }
}

/// Why a request path is none.
///
/// Go's server answers 400 to these before its mux sees them.
///
/// ```
/// use oxbridge_mux::{BadRequest, Lookup, Mux};
///
/// let mux = Mux::<()>::new();
/// let Lookup::BadRequest(reason) = mux.lookup("GET", "", "/100%", None) else { panic!() };
/// assert_eq!(reason, BadRequest::BadEscape { offset: 4 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadRequest {
    /// The path is `*`, which only a server as a whole can answer (`OPTIONS *`). Go closes the
    /// connection after it.
    Asterisk,
    /// The path does not begin with a slash.
    NotAbsolute,
    /// A `%` without two hexadecimal digits after it.
    BadEscape {
        /// Where the `%` stands.
        offset: usize,
    },
    /// A byte below 0x20, or 0x7F.
    ControlByte {
        /// Where it stands.
        offset: usize,
    },
    /// The path is 4 GiB long or more.
    TooLong,
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, offset) = match self {
            BadRequest::Asterisk => return f.write_str("the path is '*'"),
            BadRequest::NotAbsolute => return f.write_str("the path does not begin with '/'"),
            BadRequest::TooLong => return f.write_str("the path is 4 GiB long or more"),
            BadRequest::BadEscape { offset } => ("bad percent-escape", offset),
            BadRequest::ControlByte { offset } => ("control character", offset),
        };
        write!(f, "{what} at byte {offset} of the path")
    }
}

impl Error for BadRequest {}

/// The value of a `Location` header for a clean, escaped path.
pub(crate) fn location(path: Cow<'_, str>, query: Option<&str>) -> String {
    let mut location = path.into_owned();
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        location.push('?');
        for byte in query.bytes() {
            // The rest is kept as the client wrote it. A header holds neither of these.
            if byte.is_ascii_control() || !byte.is_ascii() {
                // In lower case, as Go writes what it escapes in a header.
                location.push_str(&format!("%{byte:02x}"));
            } else {
                location.push(char::from(byte));
            }
        }
    }
    location
}
