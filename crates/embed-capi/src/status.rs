//! Status codes: what came of a call.

use std::ffi::{CStr, c_char};

/// What came of a call: `OXE_OK`, which is 0, or what went wrong, which is negative. A number never
/// changes its meaning; later versions may add some.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum oxe_status {
    /// Done.
    OXE_OK = 0,
    /// An argument is NULL, out of range or malformed.
    OXE_ERR_ARG = -1,
    /// The handle is no call's: its answer is there, it has been cancelled, or it never was one.
    OXE_ERR_STALE = -2,
    /// As many calls wait as may (`oxe_options_queue`).
    OXE_ERR_BUSY = -3,
    /// Python has been stopped, or has finished in this process.
    OXE_ERR_STOPPED = -4,
    /// The time is over.
    OXE_ERR_TIMEOUT = -5,
    /// The call has been cancelled.
    OXE_ERR_CANCELLED = -6,
    /// An exception that nobody has caught; `oxe_error_exception` and `oxe_error_traceback` say which.
    OXE_ERR_PYTHON = -7,
    /// A function has returned something of another shape than it must.
    OXE_ERR_ANSWER = -8,
    /// The module has no such function.
    OXE_ERR_MISSING = -9,
    /// What the module has under this name cannot be called.
    OXE_ERR_NOT_CALLABLE = -10,
    /// The function has been started already, and what was started is not stopped.
    OXE_ERR_STARTED = -11,
    /// The interpreter does not start, or runs with other settings.
    OXE_ERR_INTERPRETER = -12,
    /// There is none: no such route, method, header field.
    OXE_ERR_NOT_FOUND = -13,
    /// A header name or value has a byte that HTTP does not allow (RFC 9110 §5.5).
    OXE_ERR_BAD_HEADER = -14,
    /// The object belongs to the process that this one was forked from.
    OXE_ERR_FORKED = -15,
    /// The header that the program was compiled with does not fit this library.
    OXE_ERR_ABI = -16,
    /// There is no room for more: of calls, of header fields, of threads.
    OXE_ERR_LIMIT = -17,
    /// A fault in the library, or in another one in Rust that Python has called. Please report it.
    OXE_ERR_PANIC = -18,
}

use oxe_status::*;

impl oxe_status {
    pub(crate) fn text(self) -> &'static CStr {
        match self {
            OXE_OK => c"done",
            OXE_ERR_ARG => c"an argument is NULL, out of range or malformed",
            OXE_ERR_STALE => c"the handle is no call's, or no longer",
            OXE_ERR_BUSY => c"as many calls wait as may",
            OXE_ERR_STOPPED => c"Python has been stopped",
            OXE_ERR_TIMEOUT => c"the time is over",
            OXE_ERR_CANCELLED => c"the call has been cancelled",
            OXE_ERR_PYTHON => c"a Python exception",
            OXE_ERR_ANSWER => c"a Python function has returned something else than it must",
            OXE_ERR_MISSING => c"the Python module has no such function",
            OXE_ERR_NOT_CALLABLE => c"what the Python module has there cannot be called",
            OXE_ERR_STARTED => c"the Python function has been started already",
            OXE_ERR_INTERPRETER => c"the Python interpreter does not start",
            OXE_ERR_NOT_FOUND => c"there is none",
            OXE_ERR_BAD_HEADER => c"a header has a byte that HTTP does not allow",
            OXE_ERR_FORKED => c"the object belongs to the parent process",
            OXE_ERR_ABI => c"the header does not fit this library",
            OXE_ERR_LIMIT => c"there is no room for more",
            OXE_ERR_PANIC => c"a fault in the library",
        }
    }

    fn from_number(number: i32) -> Option<Self> {
        const ALL: [oxe_status; 19] = [
            OXE_OK,
            OXE_ERR_ARG,
            OXE_ERR_STALE,
            OXE_ERR_BUSY,
            OXE_ERR_STOPPED,
            OXE_ERR_TIMEOUT,
            OXE_ERR_CANCELLED,
            OXE_ERR_PYTHON,
            OXE_ERR_ANSWER,
            OXE_ERR_MISSING,
            OXE_ERR_NOT_CALLABLE,
            OXE_ERR_STARTED,
            OXE_ERR_INTERPRETER,
            OXE_ERR_NOT_FOUND,
            OXE_ERR_BAD_HEADER,
            OXE_ERR_FORKED,
            OXE_ERR_ABI,
            OXE_ERR_LIMIT,
            OXE_ERR_PANIC,
        ];
        ALL.into_iter().find(|status| *status as i32 == number)
    }
}

/// Says what a status means, in a few words.
///
/// Ownership: the text is the library's, valid for ever.
/// Threads: any thread.
/// Returns: NUL-terminated UTF-8, never NULL; `"unknown status"` for a number that is none.
#[unsafe(no_mangle)]
pub extern "C" fn oxe_strerror(status: i32) -> *const c_char {
    oxe_status::from_number(status)
        .map_or(c"unknown status", oxe_status::text)
        .as_ptr()
}
