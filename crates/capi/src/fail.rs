//! Error objects: what went wrong, in words.

use std::ffi::{CString, c_char};

use oxbridge::StartError;
use oxbridge::listen::ParseBindError;
use oxbridge::mux::RegisterError;
use oxbridge::tls::TlsError;

use crate::entry::guarded;
use crate::status::oxb_status::{self, *};

/// What went wrong, in words: for a person, beside the status, which is for the program.
pub struct oxb_error {
    status: oxb_status,
    message: CString,
    os: i32,
}

/// What an entry point gives up with.
pub(crate) struct Fail {
    pub(crate) status: oxb_status,
    pub(crate) message: String,
    pub(crate) os: i32,
}

impl Fail {
    pub(crate) fn new(status: oxb_status, message: impl Into<String>) -> Self {
        Fail {
            status,
            message: message.into(),
            os: 0,
        }
    }

    pub(crate) fn arg(message: impl Into<String>) -> Self {
        Fail::new(OXB_ERR_ARG, message)
    }

    /// Writes the error where the caller wants it, if anywhere; says what its status is.
    ///
    /// # Safety
    /// `out` is NULL or may be written.
    pub(crate) unsafe fn put(self, out: *mut *mut oxb_error) -> oxb_status {
        let status = self.status;
        if !out.is_null() {
            // A NUL in a message comes from a text that had one; the rest of it is lost.
            let bytes: Vec<u8> = self.message.bytes().take_while(|b| *b != 0).collect();
            let error = Box::new(oxb_error {
                status,
                message: CString::new(bytes).unwrap_or_default(),
                os: self.os,
            });
            // SAFETY: the caller of this function has promised it.
            unsafe { out.write(Box::into_raw(error)) };
        }
        status
    }
}

impl From<oxb_status> for Fail {
    fn from(status: oxb_status) -> Self {
        // SAFETY: `oxb_strerror` returns a static NUL-terminated text.
        let text = unsafe { std::ffi::CStr::from_ptr(crate::status::oxb_strerror(status as i32)) };
        Fail::new(status, text.to_string_lossy())
    }
}

impl From<ParseBindError> for Fail {
    fn from(e: ParseBindError) -> Self {
        Fail::arg(e.to_string())
    }
}

impl From<RegisterError> for Fail {
    fn from(e: RegisterError) -> Self {
        Fail::new(OXB_ERR_PATTERN, e.to_string())
    }
}

impl From<TlsError> for Fail {
    fn from(e: TlsError) -> Self {
        Fail::new(OXB_ERR_TLS, explain(&e))
    }
}

impl From<StartError> for Fail {
    fn from(e: StartError) -> Self {
        Fail {
            status: if e.bind().is_some() {
                OXB_ERR_BIND
            } else {
                OXB_ERR_IO
            },
            os: e.raw_os_error().unwrap_or(0),
            message: e.to_string(),
        }
    }
}

impl From<std::io::Error> for Fail {
    fn from(e: std::io::Error) -> Self {
        Fail {
            status: OXB_ERR_IO,
            os: e.raw_os_error().unwrap_or(0),
            message: e.to_string(),
        }
    }
}

/// An error and its causes, in one sentence.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// The status that the failed call returned.
///
/// Ownership: `error` is borrowed until this returns.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: the status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_error_status(error: *const oxb_error) -> oxb_status {
    // SAFETY: the caller gives NULL or an error of this library that is not freed.
    unsafe { error.as_ref() }.map_or(OXB_ERR_ARG, |error| error.status)
}

/// What went wrong: one sentence, which names what came and what was wanted.
///
/// Ownership: the text is borrowed until `oxb_error_free`.
/// Threads: any thread.
/// NULL: an empty text.
/// Returns: NUL-terminated UTF-8, never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_error_message(error: *const oxb_error) -> *const c_char {
    // SAFETY: the caller gives NULL or an error of this library that is not freed.
    unsafe { error.as_ref() }.map_or(c"".as_ptr(), |error| error.message.as_ptr())
}

/// The operating system's number for it (`errno`), or 0 where there is none.
///
/// Ownership: `error` is borrowed until this returns.
/// Threads: any thread.
/// NULL: 0.
/// Returns: the number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_error_os(error: *const oxb_error) -> i32 {
    // SAFETY: the caller gives NULL or an error of this library that is not freed.
    unsafe { error.as_ref() }.map_or(0, |error| error.os)
}

/// Frees an error.
///
/// Ownership: `error` is taken.
/// Threads: any thread.
/// NULL: nothing happens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_error_free(error: *mut oxb_error) {
    guarded(|| {
        if !error.is_null() {
            // SAFETY: it came from `Fail::put`, and the caller gives it up.
            drop(unsafe { Box::from_raw(error) });
        }
    });
}
