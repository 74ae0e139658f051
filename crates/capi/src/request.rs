//! The request of an exchange: its head, where it came from, and what its pattern took from the path.

mod body;
mod headers;
mod tls;

use std::borrow::Cow;

use http::Version;
use oxbridge::Request;

use crate::entry::{entry, put, wanted};
use crate::exchange::{Lent, Parameter, oxb_exchange, with};
use crate::status::oxb_status::{self, *};
use crate::text::{oxb_bytes, oxb_field};

/// Lends the caller bytes of the request.
///
/// # Safety
/// `out` is NULL or may be written.
unsafe fn lend(
    exchange: oxb_exchange,
    out: *mut oxb_bytes,
    find: impl FnOnce(&mut Request, &mut Lent) -> Result<oxb_bytes, oxb_status>,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        let bytes = with(exchange, |entry| {
            let (request, lent) = entry.lend();
            find(request, lent)
        })?;
        // SAFETY: as the caller promises.
        unsafe { put(out, bytes) }
    })
}

/// As [`lend`], for what is there without more ado: nothing is made for it.
///
/// # Safety
/// `out` is NULL or may be written.
unsafe fn show(
    exchange: oxb_exchange,
    out: *mut oxb_bytes,
    find: impl FnOnce(&Request) -> Option<&[u8]>,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        let bytes = with(exchange, |entry| {
            find(entry.request())
                .map(oxb_bytes::of)
                .ok_or(OXB_ERR_NOT_FOUND)
        })?;
        // SAFETY: as the caller promises.
        unsafe { put(out, bytes) }
    })
}

/// The method, such as `GET`: a case-sensitive token (RFC 9110 §9.1).
///
/// Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_method(
    exchange: oxb_exchange,
    out: *mut oxb_bytes,
) -> oxb_status {
    // SAFETY: `out` is NULL or the caller's to be written.
    unsafe {
        show(exchange, out, |request| {
            Some(request.method().as_str().as_bytes())
        })
    }
}

/// The request target as the client wrote it (RFC 9112 §3.2); path and query in HTTP/2.
///
/// Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_target(
    exchange: oxb_exchange,
    out: *mut oxb_bytes,
) -> oxb_status {
    // SAFETY: `out` is NULL or the caller's to be written.
    unsafe {
        lend(exchange, out, |request, lent| {
            let target = match request.target() {
                Cow::Borrowed(target) => return Ok(oxb_bytes::of(target.as_bytes())),
                Cow::Owned(target) => target,
            };
            let target = lent.target.get_or_insert(target.into_boxed_str());
            Ok(oxb_bytes::of(target.as_bytes()))
        })
    }
}

/// The path of the target, percent-decoded: any bytes, also NUL and what is not UTF-8. For a decision
/// about access compare the pattern or the path values, not parts of this.
///
/// Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_path(
    exchange: oxb_exchange,
    out: *mut oxb_bytes,
) -> oxb_status {
    // SAFETY: `out` is NULL or the caller's to be written.
    unsafe {
        lend(exchange, out, |request, lent| {
            let path = request.uri().path();
            if !path.contains('%') {
                return Ok(oxb_bytes::of(path.as_bytes()));
            }
            let path = lent
                .path
                .get_or_insert_with(|| percent_encoding::percent_decode_str(path).collect());
            Ok(oxb_bytes::of(path))
        })
    }
}

/// What the wildcard `name` of the route's pattern stands for, percent-decoded: `id` of `/users/{id}`. Any
/// bytes, as in `oxb_request_path`.
///
/// Ownership: `name` is borrowed until this returns. `out` is written on success; the bytes are borrowed
/// until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`: the pattern has no such wildcard; `OXB_ERR_ARG`,
/// `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_path_value(
    exchange: oxb_exchange,
    name: oxb_bytes,
    out: *mut oxb_bytes,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        // SAFETY: the caller lends `name` until this returns.
        let name = unsafe { name.get() }?;
        let name = str::from_utf8(name).map_err(|_| OXB_ERR_ARG)?;
        let value = with(exchange, |entry| {
            let value = entry.request().path_value_bytes(name);
            Ok(oxb_bytes::of(value.ok_or(OXB_ERR_NOT_FOUND)?))
        })?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, value) }
    })
}

/// The pattern that the request matched, as it was registered.
///
/// Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_pattern(
    exchange: oxb_exchange,
    out: *mut oxb_bytes,
) -> oxb_status {
    // SAFETY: `out` is NULL or the caller's to be written.
    unsafe {
        show(exchange, out, |request| {
            Some(request.pattern().as_str().as_bytes())
        })
    }
}

/// What follows the `?` of the target, undecoded; empty if nothing does.
///
/// Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_query(
    exchange: oxb_exchange,
    out: *mut oxb_bytes,
) -> oxb_status {
    // SAFETY: `out` is NULL or the caller's to be written.
    unsafe {
        show(exchange, out, |request| {
            Some(request.query().unwrap_or("").as_bytes())
        })
    }
}

/// The parameters of the query, decoded (application/x-www-form-urlencoded, WHATWG URL §5.1).
fn parameters<'a>(request: &Request, lent: &'a mut Lent) -> &'a [Parameter] {
    lent.query.get_or_insert_with(|| {
        form_urlencoded::parse(request.query().unwrap_or("").as_bytes())
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    })
}

/// The first parameter of that name in the query, decoded: `+` is a space, and `%` escapes are bytes;
/// what is not UTF-8 then becomes U+FFFD.
///
/// Ownership: `name` is borrowed until this returns. `out` is written on success; the bytes are borrowed
/// until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`; `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`,
/// `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_query_value(
    exchange: oxb_exchange,
    name: oxb_bytes,
    out: *mut oxb_bytes,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        // SAFETY: the caller lends `name` until this returns.
        let name = unsafe { name.get() }?;
        let value = with(exchange, |entry| {
            let (request, lent) = entry.lend();
            parameters(request, lent)
                .iter()
                .find(|(known, _)| known.as_bytes() == name)
                .map(|(_, value)| oxb_bytes::of(value.as_bytes()))
                .ok_or(OXB_ERR_NOT_FOUND)
        })?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, value) }
    })
}

/// The parameter of the query at `index`, from 0 on, in the order in which they came; decoded as in
/// `oxb_request_query_value`.
///
/// Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND` past the last one; `OXB_ERR_ARG`, `OXB_ERR_STALE`,
/// `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_query_at(
    exchange: oxb_exchange,
    index: usize,
    out: *mut oxb_field,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        let field = with(exchange, |entry| {
            let (request, lent) = entry.lend();
            let (name, value) = parameters(request, lent)
                .get(index)
                .ok_or(OXB_ERR_NOT_FOUND)?;
            Ok(oxb_field::of(name.as_bytes(), value.as_bytes()))
        })?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, field) }
    })
}

/// The host that the client asked for, with its port if it gave one; empty if it named none, which only
/// HTTP/1.0 may.
///
/// Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_host(
    exchange: oxb_exchange,
    out: *mut oxb_bytes,
) -> oxb_status {
    // SAFETY: `out` is NULL or the caller's to be written.
    unsafe { show(exchange, out, |request| Some(request.host().as_bytes())) }
}

/// `https` or `http`: whether this connection is encrypted, whatever a proxy says.
///
/// Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_scheme(
    exchange: oxb_exchange,
    out: *mut oxb_bytes,
) -> oxb_status {
    // SAFETY: `out` is NULL or the caller's to be written.
    unsafe { show(exchange, out, |request| Some(request.scheme().as_bytes())) }
}

/// The protocol: `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
///
/// Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_protocol(
    exchange: oxb_exchange,
    out: *mut oxb_bytes,
) -> oxb_status {
    // SAFETY: `out` is NULL or the caller's to be written.
    unsafe {
        show(exchange, out, |request| {
            Some(match request.version() {
                Version::HTTP_10 => b"HTTP/1.0",
                Version::HTTP_2 => b"HTTP/2",
                _ => b"HTTP/1.1",
            })
        })
    }
}

/// The address of the other end, the client or a proxy before it: `127.0.0.1:40112`, `[::1]:40112`, or
/// `unix:` and the path that the client is bound to, if it is.
///
/// Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_remote(
    exchange: oxb_exchange,
    out: *mut oxb_bytes,
) -> oxb_status {
    // SAFETY: `out` is NULL or the caller's to be written.
    unsafe {
        lend(exchange, out, |request, lent| {
            let remote = lent
                .remote
                .get_or_insert_with(|| request.peer().to_string().into());
            Ok(oxb_bytes::of(remote.as_bytes()))
        })
    }
}

/// The address that the server listens on, as `oxb_config_listen` reads it.
///
/// Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_local(
    exchange: oxb_exchange,
    out: *mut oxb_bytes,
) -> oxb_status {
    // SAFETY: `out` is NULL or the caller's to be written.
    unsafe {
        lend(exchange, out, |request, lent| {
            let local = lent
                .local
                .get_or_insert_with(|| request.local().to_string().into());
            Ok(oxb_bytes::of(local.as_bytes()))
        })
    }
}
