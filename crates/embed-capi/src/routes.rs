//! Routes: what the function for the start has returned.

use crate::entry::{entry, guarded, put};
use crate::python::{get, oxe_python};
use crate::status::oxe_status::{self, *};
use crate::text::oxe_bytes;

/// How many routes the function for the start has returned; 0 if there is no such function.
///
/// Threads: any thread.
/// NULL: 0.
/// Returns: the number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_python_route_count(python: *const oxe_python) -> usize {
    guarded(|| {
        // SAFETY: NULL, or one that is not freed meanwhile.
        unsafe { get(python) }.map_or(0, |python| python.python.routes().len())
    })
}

/// One of the routes, by its place, from 0 on, in the order of Python's `dict`.
///
/// Ownership: `out` is written on success; the bytes, UTF-8, are borrowed until `oxe_python_free`.
/// Threads: any thread.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`; `OXE_ERR_NOT_FOUND`: there are not so many; `OXE_ERR_ARG`, `OXE_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_python_route(
    python: *const oxe_python,
    index: usize,
    out: *mut oxe_bytes,
) -> oxe_status {
    entry(|| {
        // SAFETY: NULL, or one that is not freed meanwhile.
        let python = unsafe { get(python) }?;
        let (route, _) = python.python.routes().get(index).ok_or(OXE_ERR_NOT_FOUND)?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, oxe_bytes::of(route.as_bytes())) }
    })
}

/// How many methods the route in this place has.
///
/// Threads: any thread.
/// NULL: 0.
/// Returns: the number; 0 also where there is no such route.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_python_method_count(python: *const oxe_python, route: usize) -> usize {
    guarded(|| {
        // SAFETY: NULL, or one that is not freed meanwhile.
        let routes = unsafe { get(python) }.map(|python| python.python.routes());
        let route = routes.unwrap_or_default().get(route);
        route.map_or(0, |(_, methods)| methods.len())
    })
}

/// One of the methods of the route in this place, from 0 on.
///
/// Ownership: `out` is written on success; the bytes, UTF-8, are borrowed until `oxe_python_free`.
/// Threads: any thread.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`; `OXE_ERR_NOT_FOUND`: no such route, or it has not so many; `OXE_ERR_ARG`,
/// `OXE_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_python_method(
    python: *const oxe_python,
    route: usize,
    index: usize,
    out: *mut oxe_bytes,
) -> oxe_status {
    entry(|| {
        // SAFETY: NULL, or one that is not freed meanwhile.
        let python = unsafe { get(python) }?;
        let route = python.python.routes().get(route);
        let method = route.and_then(|(_, methods)| methods.get(index));
        let method = oxe_bytes::of(method.ok_or(OXE_ERR_NOT_FOUND)?.as_bytes());
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, method) }
    })
}
