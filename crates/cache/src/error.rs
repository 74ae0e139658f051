//! What can go wrong with a key.

use std::sync::Arc;

/// Why a key has no value, or an operation failed. Cheap to clone: all who wait for one load get the same.
#[derive(Clone, Debug)]
pub struct Error(Arc<Kind>);

/// The kinds of [`Error`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Kind {
    /// The getter says that there is no such thing. It may be remembered (negative caching).
    NotFound(String),
    /// The getter failed.
    Getter(Box<dyn std::error::Error + Send + Sync>),
    /// The getter panicked, with this message.
    Panicked(String),
    /// The node that owns the key says that its own getter failed.
    Remote(String),
    /// A peer could not be reached, did not answer in time, or answered something else than its dialect.
    Peer {
        /// The peer's address.
        peer: String,
        /// What happened.
        problem: String,
    },
    /// The second tier could not be changed, or not be told in time: it is not known whether it has been.
    Tier {
        /// Where the engine is.
        engine: String,
        /// What happened.
        problem: String,
    },
    /// The operation is not in the dialect that the peers speak.
    Unsupported(&'static str),
    /// The group or the runtime that should do the work is gone.
    Closed,
}

impl Error {
    /// There is no such thing: for getters.
    pub fn not_found(what: impl Into<String>) -> Error {
        Kind::NotFound(what.into()).into()
    }

    /// The getter failed: for getters.
    pub fn getter(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Kind::Getter(error.into()).into()
    }

    /// Which kind it is.
    pub fn kind(&self) -> &Kind {
        &self.0
    }

    /// Whether it says that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(*self.0, Kind::NotFound(_))
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Error {
        Error(Arc::new(kind))
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.0 {
            Kind::NotFound(what) => f.write_str(what),
            Kind::Getter(error) => error.fmt(f),
            Kind::Panicked(message) => write!(f, "the getter panicked: {message}"),
            Kind::Remote(message) => f.write_str(message),
            Kind::Peer { peer, problem } => write!(f, "peer {peer}: {problem}"),
            Kind::Tier { engine, problem } => write!(f, "the second tier, {engine}: {problem}"),
            Kind::Unsupported(what) => f.write_str(what),
            Kind::Closed => f.write_str("the cache is gone"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.0 {
            Kind::Getter(error) => error.source(),
            _ => None,
        }
    }
}
