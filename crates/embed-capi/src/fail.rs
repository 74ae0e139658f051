//! Error objects: what went wrong, in words.

use std::error::Error as _;
use std::ffi::{CString, c_char};

use oxbridge_embed::{Error, InterpreterError};

use crate::entry::{guarded, take};
use crate::status::oxe_status::{self, *};

/// What went wrong, in words: for a person, beside the status, which is for the program. It does not change, so
/// several threads may read it.
pub struct oxe_error {
    status: oxe_status,
    message: CString,
    exception: CString,
    traceback: CString,
}

/// What an entry point gives up with.
pub(crate) struct Fail {
    pub(crate) status: oxe_status,
    message: String,
    /// Type and traceback of a Python exception.
    exception: Option<(String, String)>,
}

impl Fail {
    pub(crate) fn new(status: oxe_status, message: impl Into<String>) -> Self {
        Fail {
            status,
            message: message.into(),
            exception: None,
        }
    }

    pub(crate) fn arg(message: impl Into<String>) -> Self {
        Fail::new(OXE_ERR_ARG, message)
    }
}

impl From<oxe_status> for Fail {
    fn from(status: oxe_status) -> Self {
        Fail::new(status, status.text().to_string_lossy())
    }
}

impl From<Error> for Fail {
    fn from(e: Error) -> Self {
        let mut message = e.to_string();
        if let Some(cause) = e.source() {
            message += &format!(": {cause}");
        }
        let status = match &e {
            Error::Interpreter(InterpreterError::Finished) | Error::Stopped => OXE_ERR_STOPPED,
            Error::Interpreter(InterpreterError::Forked) => OXE_ERR_FORKED,
            Error::Interpreter(_) => OXE_ERR_INTERPRETER,
            Error::Setting(_) => OXE_ERR_ARG,
            Error::Missing { .. } => OXE_ERR_MISSING,
            Error::NotCallable { .. } => OXE_ERR_NOT_CALLABLE,
            Error::AlreadyStarted { .. } => OXE_ERR_STARTED,
            Error::Threads(_) => OXE_ERR_LIMIT,
            Error::Python { .. } => OXE_ERR_PYTHON,
            Error::Answer(_) => OXE_ERR_ANSWER,
            Error::Timeout(_) => OXE_ERR_TIMEOUT,
            Error::Busy { .. } => OXE_ERR_BUSY,
            // Panicked. A kind that this file does not know yet is a fault of this library.
            _ => OXE_ERR_PANIC,
        };
        let exception = match e {
            Error::Python {
                exception,
                traceback,
                ..
            } => Some((exception, traceback)),
            _ => None,
        };
        Fail {
            status,
            message,
            exception,
        }
    }
}

impl From<Fail> for oxe_error {
    fn from(fail: Fail) -> Self {
        let (exception, traceback) = fail.exception.unwrap_or_default();
        oxe_error {
            status: fail.status,
            message: shown(fail.message),
            exception: shown(exception),
            traceback: shown(traceback),
        }
    }
}

/// A text that C can read to its end: Python's may have NULs in them.
fn shown(text: String) -> CString {
    CString::new(text).unwrap_or_else(|e| {
        let text = String::from_utf8_lossy(&e.into_vec()).replace('\0', "\\x00");
        CString::new(text).unwrap_or_default()
    })
}

/// The status that the failed call returned.
///
/// Ownership: `error` is borrowed until this returns.
/// Threads: any thread.
/// NULL: `OXE_ERR_ARG`.
/// Returns: the status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_error_status(error: *const oxe_error) -> oxe_status {
    // SAFETY: the caller gives NULL or an error of this library that is not freed.
    unsafe { error.as_ref() }.map_or(OXE_ERR_ARG, |error| error.status)
}

/// What went wrong: a sentence that names what came and what was wanted; of a Python exception, its type and
/// what it says of itself. A NUL in it is written as `\x00`.
///
/// Ownership: the text is borrowed until `oxe_error_free`.
/// Threads: any thread.
/// NULL: an empty text.
/// Returns: NUL-terminated UTF-8, never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_error_message(error: *const oxe_error) -> *const c_char {
    // SAFETY: the caller gives NULL or an error of this library that is not freed.
    unsafe { error.as_ref() }.map_or(c"".as_ptr(), |error| error.message.as_ptr())
}

/// The type of a Python exception, such as `ValueError` or `worker.Refused`.
///
/// Ownership: the text is borrowed until `oxe_error_free`.
/// Threads: any thread.
/// NULL: an empty text.
/// Returns: NUL-terminated UTF-8, never NULL; empty unless the status is `OXE_ERR_PYTHON`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_error_exception(error: *const oxe_error) -> *const c_char {
    // SAFETY: the caller gives NULL or an error of this library that is not freed.
    unsafe { error.as_ref() }.map_or(c"".as_ptr(), |error| error.exception.as_ptr())
}

/// The traceback of a Python exception, as Python prints it: several lines, causes included.
///
/// Ownership: the text is borrowed until `oxe_error_free`.
/// Threads: any thread.
/// NULL: an empty text.
/// Returns: NUL-terminated UTF-8, never NULL; empty unless the status is `OXE_ERR_PYTHON`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_error_traceback(error: *const oxe_error) -> *const c_char {
    // SAFETY: the caller gives NULL or an error of this library that is not freed.
    unsafe { error.as_ref() }.map_or(c"".as_ptr(), |error| error.traceback.as_ptr())
}

/// Frees an error.
///
/// Ownership: `error` is taken.
/// Threads: any thread.
/// NULL: nothing happens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_error_free(error: *mut oxe_error) {
    // SAFETY: NULL, or an error of this library, and the caller gives it up.
    guarded(|| drop(unsafe { take(error) }));
}
