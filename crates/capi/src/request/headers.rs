//! The header fields of a request.

use http::HeaderName;

use crate::entry::{entry, put, wanted};
use crate::exchange::{oxb_exchange, with};
use crate::status::oxb_status::{self, *};
use crate::text::{oxb_bytes, oxb_field};

/// The first header field of that name; names are compared without regard to case.
///
/// Ownership: `name` is borrowed until this returns. `out` is written on success; the bytes are borrowed
/// until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`; `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`,
/// `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_header(
    exchange: oxb_exchange,
    name: oxb_bytes,
    out: *mut oxb_bytes,
) -> oxb_status {
    // SAFETY: as our caller promises.
    unsafe { oxb_request_header_nth(exchange, name, 0, out) }
}

/// The header field of that name which comes as number `n`, from 0 on, among those of the name.
///
/// Ownership: `name` is borrowed until this returns. `out` is written on success; the bytes are borrowed
/// until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`; `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`,
/// `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_header_nth(
    exchange: oxb_exchange,
    name: oxb_bytes,
    n: usize,
    out: *mut oxb_bytes,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        // SAFETY: the caller lends `name` until this returns.
        let name = unsafe { name.get() }?;
        let value = with(exchange, |entry| {
            // No request has a field whose name is none.
            let name = HeaderName::from_bytes(name).map_err(|_| OXB_ERR_NOT_FOUND)?;
            let value = entry.request().headers().get_all(name).into_iter().nth(n);
            Ok(oxb_bytes::of(value.ok_or(OXB_ERR_NOT_FOUND)?.as_bytes()))
        })?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, value) }
    })
}

/// How many header fields the request has.
///
/// Ownership: `out` is written on success.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_header_count(
    exchange: oxb_exchange,
    out: *mut usize,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        let count = with(exchange, |entry| Ok(entry.request().headers().len()))?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, count) }
    })
}

/// The header field at `index`, from 0 on. Names are in lower case; fields of one name stand together, in
/// the order in which they came.
///
/// Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND` past the last one; `OXB_ERR_ARG`, `OXB_ERR_STALE`,
/// `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_header_at(
    exchange: oxb_exchange,
    index: usize,
    out: *mut oxb_field,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        let field = with(exchange, |entry| {
            let (name, value) = entry
                .request()
                .headers()
                .iter()
                .nth(index)
                .ok_or(OXB_ERR_NOT_FOUND)?;
            Ok(oxb_field::of(name.as_str().as_bytes(), value.as_bytes()))
        })?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, field) }
    })
}
