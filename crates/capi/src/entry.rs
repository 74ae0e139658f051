//! The boundary that every call crosses: no panic leaves, and errors become statuses.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fail::{Fail, oxb_error};
use crate::status::oxb_status::{self, *};

/// Runs an entry point that says only how it went.
pub(crate) fn entry(call: impl FnOnce() -> Result<(), oxb_status>) -> oxb_status {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => OXB_OK,
        Ok(Err(status)) => status,
        Err(_) => OXB_ERR_PANIC,
    }
}

/// Runs an entry point that has an error object to give.
///
/// # Safety
/// `error` is NULL or may be written.
pub(crate) unsafe fn explained(
    error: *mut *mut oxb_error,
    call: impl FnOnce() -> Result<(), Fail>,
) -> oxb_status {
    let fail = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => return OXB_OK,
        Ok(Err(fail)) => fail,
        Err(_) => Fail::from(OXB_ERR_PANIC),
    };
    // SAFETY: as the caller promises.
    unsafe { fail.put(error) }
}

/// Runs an entry point that cannot fail; after a panic, the default value.
pub(crate) fn guarded<R: Default>(call: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_default()
}

/// Refuses an output parameter that cannot be one, before anything is done for it.
pub(crate) fn wanted<T>(out: *mut T) -> Result<(), oxb_status> {
    if out.is_null() || !out.is_aligned() {
        Err(OXB_ERR_ARG)
    } else {
        Ok(())
    }
}

/// Writes an output parameter.
///
/// # Safety
/// `out` is NULL or may be written.
pub(crate) unsafe fn put<T>(out: *mut T, value: T) -> Result<(), oxb_status> {
    wanted(out)?;
    // SAFETY: not NULL, so the caller promises that it may be written.
    unsafe { out.write(value) };
    Ok(())
}
