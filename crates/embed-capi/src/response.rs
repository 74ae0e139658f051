//! Responses: what a Python function has answered.

use http::{HeaderName, HeaderValue};
use oxbridge_embed::Response;

use crate::entry::{entry, guarded, put, take};
use crate::status::oxe_status::{self, *};
use crate::text::{oxe_bytes, oxe_field};

/// What a Python function has answered, checked: a server can send it as it is. It does not change, so several
/// threads may read it.
pub struct oxe_response {
    response: Response,
    /// The fields in their order: the map has no places.
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl oxe_response {
    pub(crate) fn new(response: Response) -> Box<Self> {
        let fields = response.headers.iter();
        Box::new(oxe_response {
            fields: fields.map(|(n, v)| (n.clone(), v.clone())).collect(),
            response,
        })
    }
}

/// A response of the caller's.
///
/// # Safety
/// `response` is NULL or a response that is not freed while the result lives.
unsafe fn get<'a>(response: *const oxe_response) -> Result<&'a oxe_response, oxe_status> {
    // SAFETY: as the caller promises.
    unsafe { response.as_ref() }.ok_or(OXE_ERR_ARG)
}

/// The status, from 200 to 599.
///
/// Ownership: `out` is written on success.
/// Threads: any thread.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`, `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_response_status(
    response: *const oxe_response,
    out: *mut u16,
) -> oxe_status {
    entry(|| {
        // SAFETY: NULL, or a response that is not freed meanwhile.
        let response = unsafe { get(response) }?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, response.response.status.as_u16()) }
    })
}

/// The body.
///
/// Ownership: `out` is written on success; the bytes are borrowed until `oxe_response_free`.
/// Threads: any thread.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`, `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_response_body(
    response: *const oxe_response,
    out: *mut oxe_bytes,
) -> oxe_status {
    entry(|| {
        // SAFETY: NULL, or a response that is not freed meanwhile.
        let response = unsafe { get(response) }?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, oxe_bytes::of(&response.response.body)) }
    })
}

/// How many header fields there are. A name with three values counts three times.
///
/// Threads: any thread.
/// NULL: 0.
/// Returns: the number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_response_header_count(response: *const oxe_response) -> usize {
    guarded(|| {
        // SAFETY: NULL, or a response that is not freed meanwhile.
        unsafe { get(response) }.map_or(0, |response| response.fields.len())
    })
}

/// One of the header fields, by its place, from 0 on. Values of one name follow each other in their order.
/// The name is in lower case.
///
/// Ownership: `out` is written on success; the bytes are borrowed until `oxe_response_free`.
/// Threads: any thread.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`; `OXE_ERR_NOT_FOUND`: there are not so many; `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_response_header_at(
    response: *const oxe_response,
    index: usize,
    out: *mut oxe_field,
) -> oxe_status {
    entry(|| {
        // SAFETY: NULL, or a response that is not freed meanwhile.
        let response = unsafe { get(response) }?;
        let (name, value) = response.fields.get(index).ok_or(OXE_ERR_NOT_FOUND)?;
        let field = oxe_field {
            name: oxe_bytes::of(name.as_str().as_bytes()),
            value: oxe_bytes::of(value.as_bytes()),
        };
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, field) }
    })
}

/// The first value of a header field. Upper and lower case do not matter.
///
/// Ownership: `name` is borrowed until this returns. `out` is written on success; the bytes are borrowed until
/// `oxe_response_free`.
/// Threads: any thread.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`; `OXE_ERR_NOT_FOUND`: no such field, or no such name can be; `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_response_header(
    response: *const oxe_response,
    name: oxe_bytes,
    out: *mut oxe_bytes,
) -> oxe_status {
    entry(|| {
        // SAFETY: NULL, or a response that is not freed meanwhile.
        let response = unsafe { get(response) }?;
        // SAFETY: readable until this returns, as the caller promises.
        let name = HeaderName::from_bytes(unsafe { name.get() }?).map_err(|_| OXE_ERR_NOT_FOUND)?;
        let value = response.response.headers.get(name);
        let value = oxe_bytes::of(value.ok_or(OXE_ERR_NOT_FOUND)?.as_bytes());
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, value) }
    })
}

/// Frees a response, and with it all bytes that were borrowed of it.
///
/// Ownership: `response` is taken.
/// Threads: any thread; nobody may use the response meanwhile or afterwards.
/// NULL: nothing happens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_response_free(response: *mut oxe_response) {
    // SAFETY: NULL, or a response of this library, and the caller gives it up.
    guarded(|| drop(unsafe { take(response) }));
}
