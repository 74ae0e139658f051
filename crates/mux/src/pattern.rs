//! A pattern, as registered and as matched.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::ParseError;
use crate::parse;

/// What a request must look like to reach a value: `[METHOD ][HOST]/[PATH]`.
///
/// The crate's documentation says what each part means. A `Pattern` is a counted reference, so a
/// clone costs one atomic increment. Two patterns are equal if their texts are.
///
/// ```
/// use oxbridge_mux::Pattern;
///
/// let pattern: Pattern = "GET example.com/users/{id}/files/{path...}".parse()?;
/// assert_eq!(pattern.method(), Some("GET"));
/// assert_eq!(pattern.host(), Some("example.com"));
/// assert_eq!(pattern.wildcards().collect::<Vec<_>>(), ["id", "path"]);
/// assert_eq!(pattern.to_string(), "GET example.com/users/{id}/files/{path...}");
/// # Ok::<(), oxbridge_mux::ParseError>(())
/// ```
#[derive(Clone)]
pub struct Pattern(Arc<Inner>);

struct Inner {
    parts: Parts,
    location: Cow<'static, str>,
}

/// A pattern's text taken apart.
pub(crate) struct Parts {
    pub(crate) text: Box<str>,
    /// Empty for any method.
    pub(crate) method: Box<str>,
    /// Empty for any host.
    pub(crate) host: Box<str>,
    /// Never empty, for a pattern has at least one slash.
    pub(crate) segments: Box<[Segment]>,
    /// The names of the wildcards that have one, in order.
    pub(crate) names: Box<[Box<str>]>,
}

/// One piece of a pattern's path. Each begins at a slash.
///
/// | text | segments |
/// |---|---|
/// | `/a/{x}` | `Literal("a")`, `Single("x")` |
/// | `/a/` | `Literal("a")`, `Multi("")` |
/// | `/a/{rest...}` | `Literal("a")`, `Multi("rest")` |
/// | `/a/{$}` | `Literal("a")`, `Literal("/")` |
/// | `/a%20b` | `Literal("a b")` |
///
/// A trailing slash is the literal `/`, which no split at slashes can give. The one other way to
/// get it is an escaped slash that is a whole segment (`/a/%2F`), and so it is that `/a/{$}`
/// matches the request `/a/%2F` and `/a/{x}` does not. Go does the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Exactly these bytes, decoded.
    Literal(Box<[u8]>),
    /// `{x}`: one segment, whatever it holds, but not a trailing slash.
    Single(Box<str>),
    /// `{x...}`, or a pattern's trailing slash, whose name is empty: all that remains.
    Multi(Box<str>),
}

/// The literal that stands for a trailing slash.
pub(crate) const TRAILING_SLASH: &[u8] = b"/";

impl Pattern {
    pub(crate) fn new(text: &str, location: Cow<'static, str>) -> Result<Self, ParseError> {
        let parts = parse::parse(text)?;
        Ok(Pattern(Arc::new(Inner { parts, location })))
    }

    /// The text that was registered.
    pub fn as_str(&self) -> &str {
        &self.0.parts.text
    }

    /// The method, or `None` if the pattern matches any.
    ///
    /// A pattern for `GET` matches `HEAD` as well.
    pub fn method(&self) -> Option<&str> {
        Some(&*self.0.parts.method).filter(|method| !method.is_empty())
    }

    /// The host, or `None` if the pattern matches any.
    pub fn host(&self) -> Option<&str> {
        Some(&*self.0.parts.host).filter(|host| !host.is_empty())
    }

    /// The names of the wildcards, in the order of the path.
    ///
    /// A pattern's trailing slash matches like a wildcard but has no name and no value.
    pub fn wildcards(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.0.parts.names.iter().map(|name| &**name)
    }

    /// The position of a wildcard among [`wildcards`](Self::wildcards), which is that of its value
    /// in [`PathValues`](crate::PathValues).
    ///
    /// ```
    /// # use oxbridge_mux::Pattern;
    /// let pattern: Pattern = "/{user}/{repo}".parse()?;
    /// assert_eq!(pattern.wildcard_index("repo"), Some(1));
    /// assert_eq!(pattern.wildcard_index("branch"), None);
    /// # Ok::<(), oxbridge_mux::ParseError>(())
    /// ```
    pub fn wildcard_index(&self, name: &str) -> Option<usize> {
        self.0.parts.names.iter().position(|known| **known == *name)
    }

    /// Where the pattern was registered: `file:line`, or what the caller said.
    ///
    /// Empty for a pattern that was parsed and not registered.
    pub fn location(&self) -> &str {
        &self.0.location
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0.parts
    }
}

impl FromStr for Pattern {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Pattern::new(text, Cow::Borrowed(""))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.as_str()).finish()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}
