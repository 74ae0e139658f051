//! Text and bytes across the boundary.

use std::ffi::{CStr, OsString, c_char};
use std::os::unix::ffi::OsStringExt as _;

use crate::status::oxe_status::{self, *};

/// Bytes that belong to somebody else: a pointer and a length, no NUL needed. A length of 0 permits any
/// pointer, NULL too.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct oxe_bytes {
    /// The first byte.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

/// A name and its value: a header field.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct oxe_field {
    /// The name.
    pub name: oxe_bytes,
    /// The value.
    pub value: oxe_bytes,
}

impl oxe_bytes {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        oxe_bytes {
            data: bytes.as_ptr(),
            len: bytes.len(),
        }
    }

    /// What they are. A caller's NULL with a length is an error. The length is looked at first: of no bytes,
    /// the pointer may be anything.
    ///
    /// # Safety
    /// `data` is NULL, or `len` bytes from it may be read for as long as the result lives.
    pub(crate) unsafe fn get<'a>(self) -> Result<&'a [u8], oxe_status> {
        if self.len == 0 {
            return Ok(&[]);
        }
        if self.data.is_null() || self.len > isize::MAX as usize {
            return Err(OXE_ERR_ARG);
        }
        // SAFETY: not NULL, no longer than memory, and readable as the caller promises.
        Ok(unsafe { std::slice::from_raw_parts(self.data, self.len) })
    }
}

/// A NUL-terminated text of the caller's, UTF-8.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated string that stays as it is until this returns.
pub(crate) unsafe fn text(text: *const c_char) -> Result<String, oxe_status> {
    if text.is_null() {
        return Err(OXE_ERR_ARG);
    }
    // SAFETY: not NULL, so NUL-terminated as the caller promises.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(str::to_owned).map_err(|_| OXE_ERR_ARG)
}

/// A NUL-terminated path or argument of the caller's, in whatever encoding the system has.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn os_text(text: *const c_char) -> Result<OsString, oxe_status> {
    if text.is_null() {
        return Err(OXE_ERR_ARG);
    }
    // SAFETY: not NULL, so NUL-terminated as the caller promises.
    let text = unsafe { CStr::from_ptr(text) };
    Ok(OsString::from_vec(text.to_bytes().to_vec()))
}
