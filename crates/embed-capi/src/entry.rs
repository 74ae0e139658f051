//! The boundary that every call crosses: no panic leaves, and errors become statuses.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fail::{Fail, oxe_error};
use crate::status::oxe_status::{self, *};

/// Runs an entry point that says only how it went.
pub(crate) fn entry(call: impl FnOnce() -> Result<(), oxe_status>) -> oxe_status {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => OXE_OK,
        Ok(Err(status)) => status,
        Err(_) => OXE_ERR_PANIC,
    }
}

/// Runs an entry point that has an error object to give.
///
/// # Safety
/// `error` is NULL or may be written.
pub(crate) unsafe fn explained(
    error: *mut *mut oxe_error,
    call: impl FnOnce() -> Result<(), Fail>,
) -> oxe_status {
    let fail = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => return OXE_OK,
        Ok(Err(fail)) => fail,
        Err(_) => Fail::from(OXE_ERR_PANIC),
    };
    let status = fail.status;
    if wanted(error).is_ok() {
        // SAFETY: not NULL, so the caller promises that it may be written.
        unsafe { error.write(Box::into_raw(Box::new(fail.into()))) };
    }
    status
}

/// Runs an entry point that cannot fail; after a panic, the default value.
pub(crate) fn guarded<R: Default>(call: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_default()
}

/// Refuses an output parameter that cannot be one, before anything is done for it.
pub(crate) fn wanted<T>(out: *mut T) -> Result<(), oxe_status> {
    if out.is_null() || !out.is_aligned() {
        Err(OXE_ERR_ARG)
    } else {
        Ok(())
    }
}

/// Writes an output parameter.
///
/// # Safety
/// `out` is NULL or may be written.
pub(crate) unsafe fn put<T>(out: *mut T, value: T) -> Result<(), oxe_status> {
    wanted(out)?;
    // SAFETY: not NULL, so the caller promises that it may be written.
    unsafe { out.write(value) };
    Ok(())
}

/// Takes over an object that this library has made; `None` for NULL.
///
/// # Safety
/// `object` is NULL, or came from `Box::into_raw` and the caller gives it up.
pub(crate) unsafe fn take<T>(object: *mut T) -> Option<Box<T>> {
    // SAFETY: not NULL, so it is as the caller promises.
    (!object.is_null()).then(|| unsafe { Box::from_raw(object) })
}
