//! What a handler or an operator is told when something cannot be done.

use std::fmt;
use std::io;

/// Why a request body could not be read to its end.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// It is longer than [`Limits::max_body`](crate::Limits::max_body), whose value is given.
    TooLarge(u64),
    /// The client closed the connection, reset the stream or was cut off before the end.
    ClientGone,
    /// Its framing is wrong: a chunk size that is no number, for example (RFC 9112 §7.1).
    Malformed(String),
    /// No byte came for [`Limits::body_timeout`](crate::Limits::body_timeout).
    TimedOut,
    /// More of the body has to be waited for, which a handler that runs inside the reactor must not.
    WouldBlock,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::TooLarge(limit) => write!(f, "the request body is longer than the limit of {limit} bytes"),
            BodyError::ClientGone => f.write_str("the client left before the end of the request body"),
            BodyError::Malformed(what) => write!(f, "the request body is malformed: {what}"),
            BodyError::TimedOut => f.write_str("the client sent nothing of its body for too long"),
            BodyError::WouldBlock => {
                f.write_str("the rest of the body has not arrived, and a handler that promised not to block cannot wait for it")
            }
        }
    }
}

impl std::error::Error for BodyError {}

impl BodyError {
    /// The status that answers a request whose handler gives up on this error.
    pub fn status(&self) -> http::StatusCode {
        match self {
            BodyError::TooLarge(_) => http::StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TimedOut => http::StatusCode::REQUEST_TIMEOUT,
            BodyError::ClientGone | BodyError::Malformed(_) => http::StatusCode::BAD_REQUEST,
            BodyError::WouldBlock => http::StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Why a response could not be written.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// The response has ended already: the handler returned, or called `end` or `abort`.
    Ended,
    /// The client closed the connection or reset the stream, or was cut off.
    ClientGone,
    /// The head was sent already, so it can no longer change.
    HeadSent,
    /// The status is not one of 100 to 999, or 101, which this server does not switch to.
    BadStatus(u16),
    /// A header name or value has a byte that HTTP does not allow (RFC 9110 §5.5).
    BadHeader(String),
    /// The bytes do not fit the Content-Length that the handler declared.
    Length {
        /// What Content-Length said.
        declared: u64,
        /// What the handler wrote, or wanted to.
        written: u64,
    },
    /// The status (204, 304) has no body (RFC 9110 §6.4.1).
    NoBody(u16),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Ended => f.write_str("the response has ended"),
            WriteError::ClientGone => f.write_str("the client has gone"),
            WriteError::HeadSent => f.write_str("the response head has been sent already"),
            WriteError::BadStatus(code) => write!(
                f,
                "{code} is no status that a handler can send (wanted 100 to 999, not 101)"
            ),
            WriteError::BadHeader(what) => write!(f, "bad header {what}"),
            WriteError::Length { declared, written } => {
                write!(
                    f,
                    "Content-Length is {declared} but the handler wrote {written} bytes"
                )
            }
            WriteError::NoBody(code) => write!(f, "a response with status {code} has no body"),
        }
    }
}

impl std::error::Error for WriteError {}

/// Why a server did not start.
#[derive(Debug)]
pub struct StartError(pub(crate) StartKind);

#[derive(Debug)]
pub(crate) enum StartKind {
    Bind(crate::listen::BindError),
    Io(&'static str, io::Error),
    /// A default header field that cannot be one.
    Field(http::HeaderName),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            StartKind::Bind(e) => e.fmt(f),
            StartKind::Io(what, e) => write!(f, "cannot {what}: {e}"),
            StartKind::Field(name) => write!(
                f,
                "cannot add {name} to every answer: it belongs to one message, and the protocol writes it"
            ),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            StartKind::Bind(e) => std::error::Error::source(e),
            StartKind::Io(_, e) => Some(e),
            StartKind::Field(_) => None,
        }
    }
}

impl StartError {
    /// The address that cannot be listened on, if it is that.
    pub fn bind(&self) -> Option<&crate::listen::BindError> {
        match &self.0 {
            StartKind::Bind(e) => Some(e),
            StartKind::Io(..) | StartKind::Field(_) => None,
        }
    }

    /// The field that cannot be in every answer, if it is that: see
    /// [`Builder::default_headers`](crate::Builder::default_headers).
    pub fn field(&self) -> Option<&http::HeaderName> {
        match &self.0 {
            StartKind::Field(name) => Some(name),
            StartKind::Bind(_) | StartKind::Io(..) => None,
        }
    }

    /// The operating system's error number, where there is one.
    pub fn raw_os_error(&self) -> Option<i32> {
        match &self.0 {
            StartKind::Bind(e) => e.raw_os_error(),
            StartKind::Io(_, e) => e.raw_os_error(),
            StartKind::Field(_) => None,
        }
    }
}

impl From<crate::listen::BindError> for StartError {
    fn from(e: crate::listen::BindError) -> Self {
        StartError(StartKind::Bind(e))
    }
}
