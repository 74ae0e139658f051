//! Requests: what a Python function is called with.
//!
//! A request is one thread's at a time. `oxe_python_call` and `oxe_python_begin` take it.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use oxbridge_embed::{Request, Values};

use crate::entry::{entry, guarded, put, take, wanted};
use crate::status::oxe_status::{self, *};
use crate::text::oxe_bytes;

/// What a Python function is called with. Opaque: it is changed by the `oxe_request_` functions.
pub struct oxe_request(pub(crate) Request);

/// Calls `change` with a request of the caller's.
///
/// # Safety
/// `request` is NULL or a request that nobody else uses meanwhile.
unsafe fn change(
    request: *mut oxe_request,
    change: impl FnOnce(&mut Request) -> Result<(), oxe_status>,
) -> oxe_status {
    entry(|| {
        // SAFETY: as the caller promises.
        let request = unsafe { request.as_mut() }.ok_or(OXE_ERR_ARG)?;
        change(&mut request.0)
    })
}

/// Makes a request: GET, and all else empty.
///
/// Ownership: `out` is written on success: the request is the caller's, until `oxe_python_call` or
/// `oxe_python_begin` takes it or `oxe_request_free` frees it.
/// Threads: any thread.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`, `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_request_new(out: *mut *mut oxe_request) -> oxe_status {
    entry(|| {
        wanted(out)?;
        let request = Box::new(oxe_request(Request::default()));
        // SAFETY: not NULL, so the caller's to be written.
        unsafe { put(out, Box::into_raw(request)) }
    })
}

/// Frees a request that Python was not called with.
///
/// Ownership: `request` is taken.
/// Threads: one thread at a time for one request.
/// NULL: nothing happens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_request_free(request: *mut oxe_request) {
    // SAFETY: NULL, or a request of this library, and the caller gives it up.
    guarded(|| drop(unsafe { take(request) }));
}

/// Sets the method.
///
/// Ownership: the bytes are copied.
/// Threads: one thread at a time for one request.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`; `OXE_ERR_ARG`, also for what is no token (RFC 9110 §9.1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_request_method(
    request: *mut oxe_request,
    method: oxe_bytes,
) -> oxe_status {
    let set = |request: &mut Request| {
        // SAFETY: readable until this returns, as the caller promises.
        let method = unsafe { method.get() }?;
        request.method = Method::from_bytes(method).map_err(|_| OXE_ERR_ARG)?;
        Ok(())
    };
    // SAFETY: the caller gives NULL or a request that is its own.
    unsafe { change(request, set) }
}

/// Sets the path, as the function is to see it. Nothing is decoded.
///
/// Ownership: the bytes are copied.
/// Threads: one thread at a time for one request.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`, `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_request_path(
    request: *mut oxe_request,
    path: oxe_bytes,
) -> oxe_status {
    let set = |request: &mut Request| {
        // SAFETY: readable until this returns, as the caller promises.
        request.path = Bytes::copy_from_slice(unsafe { path.get() }?);
        Ok(())
    };
    // SAFETY: the caller gives NULL or a request that is its own.
    unsafe { change(request, set) }
}

/// Adds a value to what the program's router has found in the path, after those that the name has.
///
/// Ownership: the bytes are copied.
/// Threads: one thread at a time for one request.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`, `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_request_param(
    request: *mut oxe_request,
    name: oxe_bytes,
    value: oxe_bytes,
) -> oxe_status {
    // SAFETY: the caller gives NULL or a request that is its own, and bytes as `push` wants them.
    unsafe { change(request, |request| push(&mut request.params, name, value)) }
}

/// Adds a value to the parameters of the query, after those that the name has. Nothing is decoded.
///
/// Ownership: the bytes are copied.
/// Threads: one thread at a time for one request.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`, `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_request_query(
    request: *mut oxe_request,
    name: oxe_bytes,
    value: oxe_bytes,
) -> oxe_status {
    // SAFETY: the caller gives NULL or a request that is its own, and bytes as `push` wants them.
    unsafe { change(request, |request| push(&mut request.query, name, value)) }
}

/// Adds a value.
///
/// # Safety
/// The bytes of both may be read until this returns.
unsafe fn push(values: &mut Values, name: oxe_bytes, value: oxe_bytes) -> Result<(), oxe_status> {
    // SAFETY: as the caller promises.
    let (name, value) = unsafe { (name.get()?, value.get()?) };
    values.push(Bytes::copy_from_slice(name), Bytes::copy_from_slice(value));
    Ok(())
}

/// Sets the parameters of the query to those of this text, in place of what was there: what stands behind the
/// `?` of a URL, `name=value&...`, whose `%` and `+` are decoded. Anything is a query.
///
/// Ownership: the bytes are copied.
/// Threads: one thread at a time for one request.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`; `OXE_ERR_ARG`, also for bytes that are not UTF-8, which a URL cannot have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_request_query_string(
    request: *mut oxe_request,
    query: oxe_bytes,
) -> oxe_status {
    let set = |request: &mut Request| {
        // SAFETY: readable until this returns, as the caller promises.
        let query = str::from_utf8(unsafe { query.get() }?).map_err(|_| OXE_ERR_ARG)?;
        request.query = Values::parse(query);
        Ok(())
    };
    // SAFETY: the caller gives NULL or a request that is its own.
    unsafe { change(request, set) }
}

/// Adds a header field, after those of the same name. Python gets names as Go writes them: `Content-Type`.
///
/// Ownership: the bytes are copied.
/// Threads: one thread at a time for one request.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`; `OXE_ERR_BAD_HEADER`; `OXE_ERR_LIMIT`: there are 24576 names already; `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_request_header(
    request: *mut oxe_request,
    name: oxe_bytes,
    value: oxe_bytes,
) -> oxe_status {
    let add = |request: &mut Request| {
        // SAFETY: readable until this returns, as the caller promises.
        let (name, value) = unsafe { (name.get()?, value.get()?) };
        let name = HeaderName::from_bytes(name).map_err(|_| OXE_ERR_BAD_HEADER)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| OXE_ERR_BAD_HEADER)?;
        let added = request.headers.try_append(name, value);
        added.map(drop).map_err(|_| OXE_ERR_LIMIT)
    };
    // SAFETY: the caller gives NULL or a request that is its own.
    unsafe { change(request, add) }
}

/// Sets the body. It may hold any bytes, NULs too.
///
/// Ownership: the bytes are copied.
/// Threads: one thread at a time for one request.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`, `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_request_body(
    request: *mut oxe_request,
    body: oxe_bytes,
) -> oxe_status {
    let set = |request: &mut Request| {
        // SAFETY: readable until this returns, as the caller promises.
        request.body = Bytes::copy_from_slice(unsafe { body.get() }?);
        Ok(())
    };
    // SAFETY: the caller gives NULL or a request that is its own.
    unsafe { change(request, set) }
}
