//! Why a pattern was not registered.

use std::error::Error;
use std::fmt;

use crate::example;
use crate::pattern::Pattern;

/// Why [`Mux::register`](crate::Mux::register) refused a pattern.
///
/// ```
/// use oxbridge_mux::{Mux, RegisterError};
///
/// let mut mux = Mux::new();
/// let error = mux.register("GET /a/{x", ()).unwrap_err();
/// assert!(matches!(error, RegisterError::Parse(_)));
///
/// mux.register("/a/{x}", ()).unwrap();
/// let error = mux.register("/{x}/b", ()).unwrap_err();
/// assert!(matches!(error, RegisterError::Conflict(_)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// The text is not a pattern.
    Parse(ParseError),
    /// The pattern and one registered earlier match a common request, and neither takes precedence.
    Conflict(ConflictError),
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegisterError::Parse(error) => error.fmt(f),
            RegisterError::Conflict(error) => error.fmt(f),
        }
    }
}

impl Error for RegisterError {}

impl From<ParseError> for RegisterError {
    fn from(error: ParseError) -> Self {
        RegisterError::Parse(error)
    }
}

impl From<ConflictError> for RegisterError {
    fn from(error: ConflictError) -> Self {
        RegisterError::Conflict(error)
    }
}

/// Where and why a text is not a pattern.
///
/// The message names the text, the byte offset, what came and what was wanted.
///
/// ```
/// use oxbridge_mux::Pattern;
///
/// let error = "GET /a/x{y}".parse::<Pattern>().unwrap_err();
/// assert_eq!(error.offset(), 8);
/// assert_eq!(
///     error.to_string(),
///     "pattern \"GET /a/x{y}\", at byte 8: '{' inside the segment \"x{y}\"; \
///      a wildcard is a whole segment, like /{y}/",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    pattern: Box<str>,
    offset: usize,
    message: Box<str>,
}

impl ParseError {
    pub(crate) fn new(pattern: &str, offset: usize, message: impl Into<Box<str>>) -> Self {
        ParseError {
            pattern: pattern.into(),
            offset,
            message: message.into(),
        }
    }

    /// The text that was to be parsed.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The byte of the text at which it stops being a pattern.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pattern {:?}, at byte {}: {}",
            self.pattern, self.offset, self.message
        )
    }
}

impl Error for ParseError {}

/// Two patterns that match a common request, of which neither takes precedence.
///
/// The message names both, where each was registered, why they conflict, and a request that both
/// match.
///
/// ```
/// use oxbridge_mux::{Mux, RegisterError};
///
/// let mut mux = Mux::new();
/// mux.register_at("/posts/{id}", (), "app.py:10").unwrap();
/// let error = mux.register_at("/{resource}/latest", (), "app.py:12").unwrap_err();
/// let RegisterError::Conflict(error) = error else { panic!("not a conflict: {error}") };
/// assert_eq!(error.example(), "GET /posts/latest");
/// assert_eq!(
///     error.to_string(),
///     "pattern \"/{resource}/latest\" (registered at app.py:12) conflicts with \
///      pattern \"/posts/{id}\" (registered at app.py:10): \
///      both match GET /posts/latest, and neither is more specific, \
///      for only \"/{resource}/latest\" matches GET /resource/latest \
///      and only \"/posts/{id}\" matches GET /posts/id",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictError {
    new: Pattern,
    existing: Pattern,
}

impl ConflictError {
    pub(crate) fn new(new: Pattern, existing: Pattern) -> Self {
        ConflictError { new, existing }
    }

    /// The pattern that was to be registered.
    pub fn new_pattern(&self) -> &Pattern {
        &self.new
    }

    /// The pattern that was there before.
    pub fn existing_pattern(&self) -> &Pattern {
        &self.existing
    }

    /// A request that both match, as `METHOD [HOST]/PATH`.
    pub fn example(&self) -> String {
        example::common(&self.new, &self.existing)
    }
}

impl fmt::Display for ConflictError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (new, existing) = (&self.new, &self.existing);
        write!(
            f,
            "pattern {:?} (registered at {}) conflicts with pattern {:?} (registered at {}): both match {}, ",
            new.as_str(),
            new.location(),
            existing.as_str(),
            existing.location(),
            self.example(),
        )?;
        match (
            example::only_left(new, existing),
            example::only_left(existing, new),
        ) {
            (Some(left), Some(right)) => write!(
                f,
                "and neither is more specific, for only {:?} matches {left} and only {:?} matches {right}",
                new.as_str(),
                existing.as_str(),
            ),
            _ => f.write_str("and they match the same requests"),
        }
    }
}

impl Error for ConflictError {}
