//! The header and trailer fields of a response.

use http::{HeaderName, HeaderValue};

use crate::entry::{entry, put, wanted};
use crate::exchange::{answer, oxb_exchange, with};
use crate::status::oxb_status::{self, *};
use crate::text::oxb_bytes;

/// A field of the caller's, checked (RFC 9110 §5.1, §5.5).
///
/// # Safety
/// Both are NULL or may be read while this runs.
unsafe fn field(
    name: oxb_bytes,
    value: oxb_bytes,
) -> Result<(HeaderName, HeaderValue), oxb_status> {
    // SAFETY: as our caller promises.
    let (name, value) = unsafe { (name.get()?, value.get()?) };
    Ok((
        HeaderName::from_bytes(name).map_err(|_| OXB_ERR_BAD_HEADER)?,
        HeaderValue::from_bytes(value).map_err(|_| OXB_ERR_BAD_HEADER)?,
    ))
}

/// Sets a header field, in place of those of the same name. `Transfer-Encoding` and `Connection` are the
/// server's own; a `Content-Length` is checked against what is written.
///
/// Ownership: `name` and `value` are borrowed until this returns.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`, unless the length is 0.
/// Returns: `OXB_OK`; `OXB_ERR_BAD_HEADER`; `OXB_ERR_LIMIT`: there are too many; `OXB_ERR_STATE` after
/// the head was sent; `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_response_set_header(
    exchange: oxb_exchange,
    name: oxb_bytes,
    value: oxb_bytes,
) -> oxb_status {
    entry(|| {
        answer(exchange, |entry| {
            // SAFETY: the caller lends both until this returns.
            let (name, value) = unsafe { field(name, value) }?;
            let headers = entry.response().headers_mut()?;
            headers.try_insert(name, value).map_err(|_| OXB_ERR_LIMIT)?;
            Ok(())
        })
    })
}

/// Adds a header field, beside those of the same name.
///
/// Ownership: `name` and `value` are borrowed until this returns.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`, unless the length is 0.
/// Returns: `OXB_OK`; `OXB_ERR_BAD_HEADER`; `OXB_ERR_LIMIT`: there are too many; `OXB_ERR_STATE` after
/// the head was sent; `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_response_add_header(
    exchange: oxb_exchange,
    name: oxb_bytes,
    value: oxb_bytes,
) -> oxb_status {
    entry(|| {
        answer(exchange, |entry| {
            // SAFETY: the caller lends both until this returns.
            let (name, value) = unsafe { field(name, value) }?;
            let headers = entry.response().headers_mut()?;
            headers.try_append(name, value).map_err(|_| OXB_ERR_LIMIT)?;
            Ok(())
        })
    })
}

/// Deletes the header fields of that name, if there are any.
///
/// Ownership: `name` is borrowed until this returns.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`, unless the length is 0.
/// Returns: `OXB_OK`; `OXB_ERR_BAD_HEADER`: no field can have that name; `OXB_ERR_STATE` after the head
/// was sent; `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_response_delete_header(
    exchange: oxb_exchange,
    name: oxb_bytes,
) -> oxb_status {
    entry(|| {
        answer(exchange, |entry| {
            // SAFETY: the caller lends it until this returns.
            let name = unsafe { name.get() }?;
            let name = HeaderName::from_bytes(name).map_err(|_| OXB_ERR_BAD_HEADER)?;
            entry.response().headers_mut()?.remove(name);
            Ok(())
        })
    })
}

/// The first header field of that name that was set.
///
/// Ownership: `name` is borrowed until this returns. `out` is written on success; the bytes are borrowed
/// until the next call on the exchange.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`, also after the head was sent; `OXB_ERR_ARG`, `OXB_ERR_STALE`,
/// `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_response_get_header(
    exchange: oxb_exchange,
    name: oxb_bytes,
    out: *mut oxb_bytes,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        // SAFETY: the caller lends it until this returns.
        let name = unsafe { name.get() }?;
        let value = with(exchange, |entry| {
            let name = HeaderName::from_bytes(name).map_err(|_| OXB_ERR_NOT_FOUND)?;
            let value = entry.response().headers().get(name);
            Ok(oxb_bytes::of(value.ok_or(OXB_ERR_NOT_FOUND)?.as_bytes()))
        })?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, value) }
    })
}

/// Sets a field to send after the body (RFC 9110 §6.5): in HTTP/2, and in chunked HTTP/1.1 responses to
/// clients that said `TE: trailers`, when a `Trailer` header names it. To be called before the end.
///
/// Ownership: `name` and `value` are borrowed until this returns.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`, unless the length is 0.
/// Returns: `OXB_OK`; `OXB_ERR_BAD_HEADER`; `OXB_ERR_LIMIT`: there are too many; `OXB_ERR_ARG`,
/// `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_response_set_trailer(
    exchange: oxb_exchange,
    name: oxb_bytes,
    value: oxb_bytes,
) -> oxb_status {
    entry(|| {
        answer(exchange, |entry| {
            // SAFETY: the caller lends both until this returns.
            let (name, value) = unsafe { field(name, value) }?;
            let trailers = entry.response().trailers_mut()?;
            trailers
                .try_insert(name, value)
                .map_err(|_| OXB_ERR_LIMIT)?;
            Ok(())
        })
    })
}
