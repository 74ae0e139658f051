//! The response of an exchange: status, headers, body, trailers.

mod files;
mod headers;

use std::ffi::c_void;

use http::StatusCode;

use crate::entry::{entry, put, wanted};
use crate::exchange::{answer, oxb_exchange, with};
use crate::status::oxb_status::{self, *};
use crate::text::slice;

/// A status that is an answer: 200 to 999.
pub(crate) fn plain_status(status: u16) -> Result<StatusCode, oxb_status> {
    if status < 200 {
        return Err(OXB_ERR_BAD_STATUS);
    }
    StatusCode::from_u16(status).map_err(|_| OXB_ERR_BAD_STATUS)
}

/// Sets the status, 200 to 999; without it, it is 200.
///
/// Threads: any thread.
/// Returns: `OXB_OK`; `OXB_ERR_BAD_STATUS`; `OXB_ERR_STATE` after the head was sent; `OXB_ERR_STALE`,
/// `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub extern "C" fn oxb_response_set_status(exchange: oxb_exchange, status: u16) -> oxb_status {
    entry(|| {
        answer(exchange, |entry| {
            let status = plain_status(status)?;
            Ok(entry.response().set_status(status.as_u16())?)
        })
    })
}

/// Sends an informational response now, with the headers that are set so far: 103 Early Hints (RFC 8297),
/// for example. `status` is 100 to 199, but not 101. HTTP/1.0 and HTTP/2 clients are not sent any.
///
/// Threads: any thread.
/// Returns: `OXB_OK`; `OXB_ERR_BAD_STATUS`; `OXB_ERR_STATE` after the head was sent; `OXB_ERR_STALE`,
/// `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub extern "C" fn oxb_response_inform(exchange: oxb_exchange, status: u16) -> oxb_status {
    entry(|| {
        with(exchange, |entry| {
            if !(100..200).contains(&status) {
                return Err(OXB_ERR_BAD_STATUS);
            }
            Ok(entry.response().set_status(status)?)
        })
    })
}

/// Writes a piece of the body: all of it, or nothing and the status says why. The first 32 KiB wait for
/// the end, so that a short response gets a Content-Length; a longer one streams. Where the client is
/// slow this waits for it, and lets others be served meanwhile; where it must not wait, the bytes are
/// queued (`OXB_EVENT_WRITABLE` says when there is room).
///
/// Ownership: `data` is borrowed until this returns.
/// Threads: any thread.
/// NULL: `data` may be NULL if `len` is 0, else `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_GONE`: the client has left, or took nothing for
/// `OXB_LIMIT_WRITE_TIMEOUT`; `OXB_ERR_NO_BODY` after status 204 or 304; `OXB_ERR_LENGTH` past a
/// Content-Length; `OXB_ERR_BAD_HEADER`: Content-Length is no number; `OXB_ERR_ARG`, `OXB_ERR_STALE`,
/// `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_response_write(
    exchange: oxb_exchange,
    data: *const c_void,
    len: usize,
) -> oxb_status {
    entry(|| {
        // SAFETY: the caller lends `data` until this returns.
        let data = unsafe { slice(data, len) }?;
        answer(exchange, |entry| Ok(entry.response().write(data)?))
    })
}

/// Sends what has been written so far, now; the head too, after which status and headers stay as they are.
///
/// Threads: any thread.
/// Returns: `OXB_OK`; `OXB_ERR_GONE`; `OXB_ERR_BAD_HEADER`: Content-Length is no number; `OXB_ERR_STALE`,
/// `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub extern "C" fn oxb_response_flush(exchange: oxb_exchange) -> oxb_status {
    entry(|| answer(exchange, |entry| Ok(entry.response().flush()?)))
}

/// The status that will be sent, or was.
///
/// Ownership: `out` is written on success.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_response_status(exchange: oxb_exchange, out: *mut u16) -> oxb_status {
    entry(|| {
        wanted(out)?;
        let status = with(exchange, |entry| Ok(entry.response().status().as_u16()))?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, status) }
    })
}

/// How many bytes of the body have been written.
///
/// Ownership: `out` is written on success.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_response_written(exchange: oxb_exchange, out: *mut u64) -> oxb_status {
    entry(|| {
        wanted(out)?;
        let written = with(exchange, |entry| Ok(entry.response().written()))?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, written) }
    })
}

/// Whether the head has been sent, so that status and headers no longer change.
///
/// Ownership: `out` is written on success.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_response_head_sent(
    exchange: oxb_exchange,
    out: *mut bool,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        let sent = with(exchange, |entry| Ok(entry.response().head_sent()))?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, sent) }
    })
}

/// Forgets status, headers, trailers and what was written, as long as nothing was sent: for a handler
/// that starts anew, with an error page for example.
///
/// Threads: any thread.
/// Returns: `OXB_OK`; `OXB_ERR_STATE` after the head was sent; `OXB_ERR_STALE`, `OXB_ERR_BUSY`,
/// `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub extern "C" fn oxb_response_reset(exchange: oxb_exchange) -> oxb_status {
    entry(|| {
        with(exchange, |entry| {
            if !entry.response().reset() {
                return Err(OXB_ERR_STATE);
            }
            entry.set_touched(false);
            Ok(())
        })
    })
}
