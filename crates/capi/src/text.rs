//! Text and bytes across the boundary.

use std::ffi::{CStr, c_char, c_void};

use crate::fail::Fail;
use crate::status::oxb_status::{self, *};

/// Bytes that belong to somebody else: a pointer and a length, no NUL needed. A length of 0 permits any
/// pointer, NULL too.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct oxb_bytes {
    /// The first byte.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

/// A name and its value: a header or trailer field, or a query parameter.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct oxb_field {
    /// The name.
    pub name: oxb_bytes,
    /// The value.
    pub value: oxb_bytes,
}

impl oxb_bytes {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        oxb_bytes {
            data: bytes.as_ptr(),
            len: bytes.len(),
        }
    }

    /// What they are. A caller's NULL with a length is an error.
    ///
    /// # Safety
    /// `data` is NULL, or `len` bytes from it may be read for as long as the result lives.
    pub(crate) unsafe fn get<'a>(self) -> Result<&'a [u8], oxb_status> {
        // SAFETY: as the caller promises.
        unsafe { slice(self.data.cast(), self.len) }
    }
}

impl oxb_field {
    pub(crate) fn of(name: &[u8], value: &[u8]) -> Self {
        oxb_field {
            name: oxb_bytes::of(name),
            value: oxb_bytes::of(value),
        }
    }
}

/// `len` bytes from `data`. The length is looked at first: of no bytes, the pointer may be anything.
///
/// # Safety
/// `data` is NULL, or `len` bytes from it may be read for as long as the result lives.
pub(crate) unsafe fn slice<'a>(data: *const c_void, len: usize) -> Result<&'a [u8], oxb_status> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() || len > isize::MAX as usize {
        return Err(OXB_ERR_ARG);
    }
    // SAFETY: not NULL, no longer than memory, and readable as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), len) })
}

/// A NUL-terminated text of the caller's; `what` is what an error calls it.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated string that stays as it is while the result lives.
pub(crate) unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str, Fail> {
    if text.is_null() {
        return Err(Fail::arg(format!("{what} is NULL")));
    }
    // SAFETY: not NULL, so NUL-terminated as the caller promises.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str()
        .map_err(|_| Fail::arg(format!("{what} is not UTF-8: {text:?}")))
}
