//! The body of a request: piece by piece, or whole.

use std::ffi::c_void;

use bytes::Bytes;
use http::HeaderName;
use oxbridge::{Request, RequestBody};

use crate::entry::{entry, put, wanted};
use crate::exchange::{Entry, Lent, oxb_exchange, with};
use crate::status::oxb_status::{self, *};
use crate::text::oxb_bytes;

/// How long the body is, if the client said so; 0 where there is none.
///
/// Ownership: `out` is written on success.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`: the client did not say; `OXB_ERR_ARG`, `OXB_ERR_STALE`,
/// `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_content_length(
    exchange: oxb_exchange,
    out: *mut u64,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        let length = with(exchange, |entry| {
            entry.request().content_length().ok_or(OXB_ERR_NOT_FOUND)
        })?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, length) }
    })
}

/// Reads some of the body: at most `capacity` bytes, at least one unless the body has ended. Waits for
/// the client, and lets others be served meanwhile. What is not read stays with the client.
///
/// Ownership: `buffer` is borrowed until this returns; `count` is written on success: 0 at the end.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`; `buffer` may be NULL if `capacity` is 0.
/// Returns: `OXB_OK`; `OXB_ERR_WOULD_BLOCK` where it must not wait (an inline callback, a driven server):
/// see `oxb_exchange_notify`; `OXB_ERR_GONE`, `OXB_ERR_TIMEOUT`, `OXB_ERR_TOO_LARGE` and
/// `OXB_ERR_MALFORMED`, which every later read of this body returns too; `OXB_ERR_ARG`, `OXB_ERR_STALE`,
/// `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_read(
    exchange: oxb_exchange,
    buffer: *mut c_void,
    capacity: usize,
    count: *mut usize,
) -> oxb_status {
    entry(|| {
        if count.is_null() || (buffer.is_null() && capacity != 0) {
            return Err(OXB_ERR_ARG);
        }
        let buffer = if capacity == 0 {
            &mut []
        } else {
            // The kernel has no larger ones either.
            let capacity = capacity.min(isize::MAX as usize);
            // SAFETY: not NULL, and the caller lends `capacity` bytes until this returns. They may never
            // have been written; they are only written here, never read, and any bytes are valid `u8`.
            unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), capacity) }
        };
        let n = with(exchange, |entry| {
            entry.body(|request, _| Ok(request.body_mut().read_blocking(buffer)?))
        })?;
        // SAFETY: not NULL, so the caller's to be written.
        unsafe { put(count, n) }
    })
}

/// Reads what is left of the body, all of it, into memory: `OXB_LIMIT_WHOLE_BODY` bounds it. Waits as
/// `oxb_request_read` does. Called again, it gives the same bytes.
///
/// Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: as `oxb_request_read`. After `OXB_ERR_WOULD_BLOCK` nothing is lost: what has arrived is
/// given by the call that succeeds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_body(
    exchange: oxb_exchange,
    out: *mut oxb_bytes,
) -> oxb_status {
    entry(|| {
        if out.is_null() {
            return Err(OXB_ERR_ARG);
        }
        let body = with(exchange, |entry| {
            let most = entry.site.whole_body;
            entry.body(|request, lent| {
                let body = match &mut lent.body {
                    Some(body) => body,
                    None => {
                        let body = gather(request.body_mut(), &mut lent.gathered, most)?;
                        lent.body.insert(body)
                    }
                };
                Ok(oxb_bytes::of(body))
            })
        })?;
        // SAFETY: not NULL, so the caller's to be written.
        unsafe { put(out, body) }
    })
}

impl Entry {
    /// Reads the body. An error stays: half a body never looks like a whole one.
    fn body<R>(
        &mut self,
        read: impl FnOnce(&mut Request, &mut Lent) -> Result<R, oxb_status>,
    ) -> Result<R, oxb_status> {
        if let Some(status) = self.body_failed {
            return Err(status);
        }
        let (request, lent) = self.lend();
        let result = read(request, lent);
        if let Err(status) = result
            && status != OXB_ERR_WOULD_BLOCK
        {
            self.body_failed = Some(status);
        }
        result
    }
}

/// Reads to the end, at most `most` bytes. What came before an error stays in `gathered`.
fn gather(body: &mut RequestBody, gathered: &mut Vec<u8>, most: u64) -> Result<Bytes, oxb_status> {
    let mut first: Option<Bytes> = None;
    let mut length = gathered.len() as u64;
    loop {
        let chunk = match body.chunk_blocking() {
            None => break,
            Some(Ok(chunk)) => chunk,
            Some(Err(e)) => {
                gathered.extend(first.into_iter().flatten());
                return Err(e.into());
            }
        };
        length += chunk.len() as u64;
        if length > most {
            return Err(OXB_ERR_TOO_LARGE);
        }
        if first.is_none() && gathered.is_empty() {
            // As a rule it is the only one, and need not be copied.
            first = Some(chunk);
        } else {
            gathered.extend(first.take().into_iter().flatten());
            gathered.extend_from_slice(&chunk);
        }
    }
    Ok(first.unwrap_or_else(|| std::mem::take(gathered).into()))
}

/// The trailer field of that name, which came after the body (RFC 9110 §6.5); known once the body has
/// been read to its end.
///
/// Ownership: `name` is borrowed until this returns. `out` is written on success; the bytes are borrowed
/// until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`; `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`,
/// `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_trailer(
    exchange: oxb_exchange,
    name: oxb_bytes,
    out: *mut oxb_bytes,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        // SAFETY: the caller lends `name` until this returns.
        let name = unsafe { name.get() }?;
        let value = with(exchange, |entry| {
            let name = HeaderName::from_bytes(name).map_err(|_| OXB_ERR_NOT_FOUND)?;
            let trailers = entry.request().body().trailers();
            let value = trailers.and_then(|trailers| trailers.get(name));
            Ok(oxb_bytes::of(value.ok_or(OXB_ERR_NOT_FOUND)?.as_bytes()))
        })?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, value) }
    })
}
