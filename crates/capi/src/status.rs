//! Status codes: what came of a call.

use std::ffi::{CStr, c_char};

use oxbridge::{BodyError, WriteError};
use oxbridge_handles::AccessError;

use crate::fail::Fail;

/// What came of a call: `OXB_OK`, which is 0, or what went wrong, which is negative. A number never
/// changes its meaning; later versions may add some.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum oxb_status {
    /// Done.
    OXB_OK = 0,
    /// An argument is NULL, out of range or malformed.
    OXB_ERR_ARG = -1,
    /// The exchange has ended, or the handle never was one.
    OXB_ERR_STALE = -2,
    /// Another call on the same exchange, or another turn of the same server, is under way.
    OXB_ERR_BUSY = -3,
    /// Not now: the head is sent, for example, or the server is not a driven one.
    OXB_ERR_STATE = -4,
    /// The client has gone.
    OXB_ERR_GONE = -5,
    /// The call would have to wait, and must not here.
    OXB_ERR_WOULD_BLOCK = -6,
    /// The time is over.
    OXB_ERR_TIMEOUT = -7,
    /// The request body is longer than `OXB_LIMIT_BODY_BYTES`, or than `OXB_LIMIT_WHOLE_BODY`.
    OXB_ERR_TOO_LARGE = -8,
    /// The framing of the request body is wrong (RFC 9112 §7.1).
    OXB_ERR_MALFORMED = -9,
    /// A header name or value has a byte that HTTP does not allow (RFC 9110 §5.5).
    OXB_ERR_BAD_HEADER = -10,
    /// No status that can be sent here.
    OXB_ERR_BAD_STATUS = -11,
    /// The body does not fit the Content-Length that was set.
    OXB_ERR_LENGTH = -12,
    /// Statuses 204 and 304 have no body (RFC 9110 §6.4.1).
    OXB_ERR_NO_BODY = -13,
    /// A pattern is malformed, or conflicts with one that is there.
    OXB_ERR_PATTERN = -14,
    /// An address cannot be listened on.
    OXB_ERR_BIND = -15,
    /// Certificate, key or client authorities cannot be used.
    OXB_ERR_TLS = -16,
    /// The operating system said no; `oxb_error_os` has its number.
    OXB_ERR_IO = -17,
    /// There is none: no such header, path value, parameter, file.
    OXB_ERR_NOT_FOUND = -18,
    /// The server has stopped.
    OXB_ERR_STOPPED = -19,
    /// A callback cannot wait for its own server.
    OXB_ERR_IN_CALLBACK = -20,
    /// The object belongs to the process that this one was forked from.
    OXB_ERR_FORKED = -21,
    /// The header that the program was compiled with does not fit this library.
    OXB_ERR_ABI = -22,
    /// There is no room for more: of exchanges, or of header fields.
    OXB_ERR_LIMIT = -23,
    /// A fault in the library, which goes on. Please report it.
    OXB_ERR_PANIC = -24,
}

use oxb_status::*;

impl oxb_status {
    fn text(self) -> &'static CStr {
        match self {
            OXB_OK => c"done",
            OXB_ERR_ARG => c"an argument is NULL, out of range or malformed",
            OXB_ERR_STALE => c"the exchange has ended, or the handle never was one",
            OXB_ERR_BUSY => c"another call on the same object is under way",
            OXB_ERR_STATE => c"not possible in this state",
            OXB_ERR_GONE => c"the client has gone",
            OXB_ERR_WOULD_BLOCK => c"the call would have to wait, and must not here",
            OXB_ERR_TIMEOUT => c"the time is over",
            OXB_ERR_TOO_LARGE => c"the request body is longer than the limit",
            OXB_ERR_MALFORMED => c"the framing of the request body is wrong",
            OXB_ERR_BAD_HEADER => c"a header has a byte that HTTP does not allow",
            OXB_ERR_BAD_STATUS => c"no status that can be sent here",
            OXB_ERR_LENGTH => c"the body does not fit its Content-Length",
            OXB_ERR_NO_BODY => c"a response with this status has no body",
            OXB_ERR_PATTERN => c"the pattern is malformed, or conflicts with another one",
            OXB_ERR_BIND => c"the address cannot be listened on",
            OXB_ERR_TLS => c"the certificate, key or client authorities cannot be used",
            OXB_ERR_IO => c"the operating system said no",
            OXB_ERR_NOT_FOUND => c"there is none",
            OXB_ERR_STOPPED => c"the server has stopped",
            OXB_ERR_IN_CALLBACK => c"a callback cannot wait for its own server",
            OXB_ERR_FORKED => c"the object belongs to the parent process",
            OXB_ERR_ABI => c"the header does not fit this library",
            OXB_ERR_LIMIT => c"there is no room for more",
            OXB_ERR_PANIC => c"a fault in the library",
        }
    }

    fn from_number(number: i32) -> Option<Self> {
        const ALL: [oxb_status; 25] = [
            OXB_OK,
            OXB_ERR_ARG,
            OXB_ERR_STALE,
            OXB_ERR_BUSY,
            OXB_ERR_STATE,
            OXB_ERR_GONE,
            OXB_ERR_WOULD_BLOCK,
            OXB_ERR_TIMEOUT,
            OXB_ERR_TOO_LARGE,
            OXB_ERR_MALFORMED,
            OXB_ERR_BAD_HEADER,
            OXB_ERR_BAD_STATUS,
            OXB_ERR_LENGTH,
            OXB_ERR_NO_BODY,
            OXB_ERR_PATTERN,
            OXB_ERR_BIND,
            OXB_ERR_TLS,
            OXB_ERR_IO,
            OXB_ERR_NOT_FOUND,
            OXB_ERR_STOPPED,
            OXB_ERR_IN_CALLBACK,
            OXB_ERR_FORKED,
            OXB_ERR_ABI,
            OXB_ERR_LIMIT,
            OXB_ERR_PANIC,
        ];
        ALL.into_iter().find(|status| *status as i32 == number)
    }
}

impl From<AccessError> for oxb_status {
    fn from(e: AccessError) -> Self {
        match e {
            AccessError::Stale => OXB_ERR_STALE,
            AccessError::Busy => OXB_ERR_BUSY,
        }
    }
}

impl From<WriteError> for oxb_status {
    fn from(e: WriteError) -> Self {
        (&e).into()
    }
}

impl From<&WriteError> for oxb_status {
    fn from(e: &WriteError) -> Self {
        match e {
            WriteError::ClientGone => OXB_ERR_GONE,
            WriteError::BadStatus(_) => OXB_ERR_BAD_STATUS,
            WriteError::BadHeader(_) => OXB_ERR_BAD_HEADER,
            WriteError::Length { .. } => OXB_ERR_LENGTH,
            WriteError::NoBody(_) => OXB_ERR_NO_BODY,
            // HeadSent and Ended, and what a later version of the server may add.
            _ => OXB_ERR_STATE,
        }
    }
}

impl From<BodyError> for oxb_status {
    fn from(e: BodyError) -> Self {
        match e {
            BodyError::TooLarge(_) => OXB_ERR_TOO_LARGE,
            BodyError::ClientGone => OXB_ERR_GONE,
            BodyError::TimedOut => OXB_ERR_TIMEOUT,
            BodyError::WouldBlock => OXB_ERR_WOULD_BLOCK,
            // Malformed, and what a later version of the server may add.
            _ => OXB_ERR_MALFORMED,
        }
    }
}

impl From<Fail> for oxb_status {
    fn from(fail: Fail) -> Self {
        fail.status
    }
}

/// Says what a status means, in a few words.
///
/// Ownership: the text is the library's, valid for ever.
/// Threads: any thread.
/// Returns: NUL-terminated UTF-8, never NULL; `"unknown status"` for a number that is none.
#[unsafe(no_mangle)]
pub extern "C" fn oxb_strerror(status: i32) -> *const c_char {
    oxb_status::from_number(status)
        .map_or(c"unknown status", oxb_status::text)
        .as_ptr()
}
