//! The exceptions of `oxbridge.cache`, and how errors of the crate become them and come from them.

use oxbridge_cache::{Error, Kind};
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(
    oxbridge.cache,
    CacheError,
    PyException,
    "Something about a cache went wrong."
);
create_exception!(
    oxbridge.cache,
    NotFound,
    CacheError,
    "There is no such thing. For getters to raise, and what callers get then."
);
create_exception!(
    oxbridge.cache,
    RemoteError,
    CacheError,
    "The getter of the node that owns the key failed, and says this."
);
create_exception!(
    oxbridge.cache,
    PeerError,
    CacheError,
    "Another node could not be reached, or did not answer as it should."
);
create_exception!(
    oxbridge.cache,
    TierError,
    CacheError,
    "The second tier could not be changed, or did not answer: what was asked may or may not have been done."
);
create_exception!(
    oxbridge.cache,
    Unsupported,
    CacheError,
    "The peers' dialect has no such operation."
);
create_exception!(
    oxbridge.cache,
    CacheClosed,
    CacheError,
    "The instance is closed, or belongs to the process that this one was forked from."
);

/// An exception that a getter raised, on its way to those who wait.
#[derive(Debug)]
struct Raised {
    error: PyErr,
    /// For other nodes.
    text: String,
}

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Raised {}

/// A getter's exception as an error of the crate.
pub(crate) fn raised(py: Python<'_>, error: PyErr) -> Error {
    let said = error.value(py).str();
    let said = said.map_or_else(
        |_| String::new(),
        |said| said.to_string_lossy().into_owned(),
    );
    if error.is_instance_of::<NotFound>(py) {
        return Error::not_found(said);
    }
    let name = crate::convert::type_name(error.value(py));
    let text = if said.is_empty() {
        name
    } else {
        format!("{name}: {said}")
    };
    Error::getter(Raised { error, text })
}

/// An error of the crate as an exception: the getter's own, if it was raised in this process.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let text = error.to_string();
    match error.kind() {
        Kind::NotFound(_) => NotFound::new_err(text),
        Kind::Getter(inner) => match inner.downcast_ref::<Raised>() {
            Some(raised) => raised.error.clone_ref(py),
            None => CacheError::new_err(text),
        },
        Kind::Remote(_) => RemoteError::new_err(text),
        Kind::Peer { .. } => PeerError::new_err(text),
        Kind::Tier { .. } => TierError::new_err(text),
        Kind::Unsupported(_) => Unsupported::new_err(text),
        Kind::Closed => closed(),
        _ => CacheError::new_err(text),
    }
}

/// For what can no longer be done.
pub(crate) fn closed() -> PyErr {
    CacheClosed::new_err("the instance of this group is closed")
}
