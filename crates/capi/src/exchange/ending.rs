//! How an exchange ends.

use std::ffi::{CStr, c_char};

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use oxbridge::{Exchange, ResponseWriter, WriteError};

use crate::entry::{entry, put, wanted};
use crate::exchange::{Entry, acquire, oxb_exchange, with};
use crate::response::plain_status;
use crate::status::oxb_status::{self, *};
use crate::text::oxb_bytes;

/// Takes the exchange: its handle is stale from here on.
fn take(handle: oxb_exchange) -> Result<Entry, oxb_status> {
    Ok(acquire(handle)?.take())
}

impl Entry {
    /// Ends the exchange because its server ends.
    pub(crate) fn abort(mut self) {
        self.exchange.response().abort();
    }
}

/// Answers 503: there is no room for this exchange.
pub(crate) fn turn_away(mut exchange: Exchange) {
    let mut answer = || -> Result<(), WriteError> {
        let response = exchange.response();
        response.set_status(StatusCode::SERVICE_UNAVAILABLE.as_u16())?;
        response
            .headers_mut()?
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
        response.write(b"Service Unavailable\n")?;
        response.end()
    };
    // A client that has gone needs no answer.
    let _ = answer();
}

/// Ends the exchange: the response is whole. Without a Content-Length a short one gets it now.
///
/// Ownership: the exchange ends; its handle is stale and what was borrowed from it is gone, also when
/// this fails after `OXB_ERR_STALE` and `OXB_ERR_BUSY` are ruled out.
/// Threads: any thread.
/// Returns: `OXB_OK`; `OXB_ERR_LENGTH`: less was written than Content-Length says, and the client sees a
/// response that was cut off; `OXB_ERR_BAD_HEADER`: Content-Length is no number, and the client gets 500;
/// `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub extern "C" fn oxb_exchange_end(exchange: oxb_exchange) -> oxb_status {
    entry(|| Ok(take(exchange)?.exchange.end()?))
}

/// Ends the exchange with a failure: `status` and its reason as text if nothing was sent yet, else an end
/// that the client can tell from a whole one.
///
/// `status` is 400 to 599.
///
/// Ownership: the exchange ends, as with `oxb_exchange_end`; not after `OXB_ERR_BAD_STATUS`.
/// Threads: any thread.
/// Returns: `OXB_OK`, `OXB_ERR_BAD_STATUS`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub extern "C" fn oxb_exchange_refuse(exchange: oxb_exchange, status: u16) -> oxb_status {
    entry(|| {
        if !(400..600).contains(&status) {
            return Err(OXB_ERR_BAD_STATUS);
        }
        let status = StatusCode::from_u16(status).map_err(|_| OXB_ERR_BAD_STATUS)?;
        take(exchange)?.exchange.refuse(status);
        Ok(())
    })
}

/// Gives the response up: status 500 if nothing was sent yet, else an end that the client can tell from a
/// whole one (a connection, or an HTTP/2 stream, that is cut).
///
/// Ownership: the exchange ends, as with `oxb_exchange_end`.
/// Threads: any thread.
/// Returns: `OXB_OK`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub extern "C" fn oxb_exchange_abort(exchange: oxb_exchange) -> oxb_status {
    entry(|| {
        take(exchange)?.exchange.response().abort();
        Ok(())
    })
}

/// Answers in one call: status, Content-Type, body, end. For languages in which calls are dear.
///
/// Headers that were set before are sent too. `status` is 200 to 999.
///
/// Ownership: `content_type` and `body` are borrowed until this returns; `body` may be borrowed from this
/// very exchange. The exchange ends, also when this fails, after `OXB_ERR_STALE`, `OXB_ERR_BUSY` and
/// `OXB_ERR_FORKED` are ruled out: the client then gets 500, or a response that was cut off.
/// Threads: any thread.
/// NULL: without a `content_type` it stays as it was set, or is derived from the body; `body.data` may be
/// NULL if its length is 0, else `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_STATE` after the head was sent; `OXB_ERR_BAD_STATUS`,
/// `OXB_ERR_BAD_HEADER`, `OXB_ERR_NO_BODY`, `OXB_ERR_LENGTH`, `OXB_ERR_LIMIT`, `OXB_ERR_GONE`,
/// `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_exchange_reply(
    exchange: oxb_exchange,
    status: u16,
    content_type: *const c_char,
    body: oxb_bytes,
) -> oxb_status {
    entry(|| {
        // All of the entry stays until the end: the body may be borrowed from this very exchange.
        let mut entry = take(exchange)?;
        let response = entry.response();
        // SAFETY: the caller lends both until this returns.
        let answered = unsafe { reply(response, status, content_type, body) };
        if answered.is_err() {
            response.abort();
        }
        answered
    })
}

/// Writes a whole response.
///
/// # Safety
/// `content_type` is NULL or a C string, `body` is NULL or may be read while this runs.
unsafe fn reply(
    response: &mut ResponseWriter,
    status: u16,
    content_type: *const c_char,
    body: oxb_bytes,
) -> Result<(), oxb_status> {
    // SAFETY: as our caller promises.
    let body = unsafe { body.get() }?;
    response.set_status(plain_status(status)?.as_u16())?;
    if !content_type.is_null() {
        // SAFETY: not NULL, so NUL-terminated as our caller promises.
        let text = unsafe { CStr::from_ptr(content_type) };
        let value = HeaderValue::from_bytes(text.to_bytes()).map_err(|_| OXB_ERR_BAD_HEADER)?;
        let headers = response.headers_mut()?;
        headers
            .try_insert(CONTENT_TYPE, value)
            .map_err(|_| OXB_ERR_LIMIT)?;
    }
    response.write(body)?;
    Ok(response.end()?)
}

/// Whether the client has gone, so that nobody will read what is written.
///
/// Ownership: `out` is written on success.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_exchange_is_gone(
    exchange: oxb_exchange,
    out: *mut bool,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        let gone = with(exchange, |entry| Ok(entry.response().is_client_gone()))?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, gone) }
    })
}
