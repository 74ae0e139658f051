//! Why a server cannot listen where it was told to.

use std::{error, fmt, io};

/// Says which address could not be listened on, and why, in words for the person who chose it.
///
/// [`source`](error::Error::source) is the operating system's error, where there was one.
#[derive(Debug)]
pub struct BindError {
    address: String,
    reason: String,
    kind: io::ErrorKind,
    cause: Option<io::Error>,
}

impl BindError {
    /// The address as the user wrote it; for a name with several, followed by the one that failed.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What is wrong with it, without the address.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The kind of failure, for a program to act on: `AddrInUse`, `PermissionDenied`,
    /// `AddrNotAvailable`,
    /// `NotFound` (no such host or directory), `AlreadyExists` (a file that is not a socket),
    /// `InvalidInput`, or what the operating system said.
    pub fn kind(&self) -> io::ErrorKind {
        self.kind
    }

    /// The operating system's number for it (`errno`), where there was one.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.cause.as_ref().and_then(io::Error::raw_os_error)
    }

    /// A failure that this crate found.
    pub(super) fn new(
        address: impl Into<String>,
        kind: io::ErrorKind,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            address: address.into(),
            reason: reason.into(),
            kind,
            cause: None,
        }
    }

    /// A failure that the operating system reported, in our words.
    pub(super) fn system(
        address: impl Into<String>,
        reason: impl Into<String>,
        cause: io::Error,
    ) -> Self {
        Self {
            address: address.into(),
            reason: reason.into(),
            kind: cause.kind(),
            cause: Some(cause),
        }
    }

    /// The same failure under another kind, where the operating system's kind would mislead.
    pub(super) fn with_kind(mut self, kind: io::ErrorKind) -> Self {
        self.kind = kind;
        self
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.reason)
    }
}

impl error::Error for BindError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.cause
            .as_ref()
            .map(|cause| cause as &(dyn error::Error + 'static))
    }
}
