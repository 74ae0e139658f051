//! Calls: a request goes to Python, and an answer comes back, to a thread that waits or to a callback.

use std::ffi::c_void;

use crate::callbacks::{self, oxe_answer};
use crate::entry::{entry, explained, put, take, wanted};
use crate::fail::{Fail, oxe_error};
use crate::fork;
use crate::python::{get, oxe_python};
use crate::request::oxe_request;
use crate::response::oxe_response;
use crate::status::oxe_status;

/// A call whose callback has not been called yet. A number, never 0.
pub type oxe_call = u64;

/// No call.
pub const OXE_NO_CALL: oxe_call = 0;

/// Calls the function and waits for its answer.
///
/// Ownership: `request` is taken, also on failure. `out` is written on success: the response is the caller's to
/// free. `error` is written on failure, and the caller's to free.
/// Threads: any thread. In a callback it keeps other callbacks waiting; in a coroutine function, Python's event
/// loop.
/// NULL: `OXE_ERR_ARG` for `python`, `request` and `out`; `error` may be NULL.
/// Returns: `OXE_OK`; `OXE_ERR_PYTHON`; `OXE_ERR_ANSWER`; `OXE_ERR_TIMEOUT`; `OXE_ERR_BUSY`;
/// `OXE_ERR_STOPPED`; `OXE_ERR_ARG`, `OXE_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_python_call(
    python: *const oxe_python,
    request: *mut oxe_request,
    out: *mut *mut oxe_response,
    error: *mut *mut oxe_error,
) -> oxe_status {
    let call = || {
        // SAFETY: NULL, or a request of this library, and the caller gives it up.
        let request = unsafe { take(request) }.ok_or_else(|| Fail::arg("request is NULL"))?;
        wanted(out).map_err(|_| Fail::arg("out is NULL"))?;
        // A clone: it may be freed while this waits.
        // SAFETY: NULL, or one that is not freed before this has it.
        let function = unsafe { get(python) }?.python.clone();
        let response = function.request_blocking(request.0)?;
        // SAFETY: not NULL, so the caller's to be written.
        Ok(unsafe { put(out, Box::into_raw(oxe_response::new(response))) }?)
    };
    // SAFETY: `error` is NULL or the caller's to be written.
    unsafe { explained(error, call) }
}

/// Calls the function, and has `answer` called when the answer is there. Waits for nothing.
///
/// When it succeeds, `answer` is called exactly once, whatever happens: with the answer, or with an error, which
/// after `oxe_call_cancel` is `OXE_ERR_CANCELLED`. When it fails, `answer` is never called.
///
/// Ownership: `request` is taken, also on failure. `user_data` goes to `answer` as it is. `out` is written on
/// success, before `answer` is called. `error` is written on failure, and the caller's to free.
/// Threads: any thread.
/// NULL: `OXE_ERR_ARG` for `python`, `request` and `answer`; `out`, `error` and `user_data` may be NULL.
/// Returns: `OXE_OK`; `OXE_ERR_BUSY`; `OXE_ERR_STOPPED`; `OXE_ERR_LIMIT`: there are millions of calls, or the
/// system gives no thread; `OXE_ERR_ARG`, `OXE_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_python_begin(
    python: *const oxe_python,
    request: *mut oxe_request,
    answer: oxe_answer,
    user_data: *mut c_void,
    out: *mut oxe_call,
    error: *mut *mut oxe_error,
) -> oxe_status {
    let call = || {
        // SAFETY: NULL, or a request of this library, and the caller gives it up.
        let request = unsafe { take(request) }.ok_or_else(|| Fail::arg("request is NULL"))?;
        let answer = answer.ok_or_else(|| Fail::arg("answer is NULL"))?;
        if !out.is_null() {
            wanted(out).map_err(|_| Fail::arg("out is no place for a number"))?;
        }
        // SAFETY: NULL, or one that is not freed meanwhile.
        let python = unsafe { get(python) }?;
        let (function, request) = (python.python.clone(), request.0);
        let future = async move { function.request(request).await };
        python
            .callbacks
            .begin(Box::pin(future), answer, user_data, |call| {
                if !out.is_null() {
                    // SAFETY: not NULL, so the caller's to be written.
                    unsafe { out.write(call) };
                }
            })
    };
    // SAFETY: `error` is NULL or the caller's to be written.
    unsafe { explained(error, call) }
}

/// Cancels a call. When it succeeds, the callback is called with `OXE_ERR_CANCELLED`. A function that waits
/// never runs then; one that runs can find out by `oxbridge.embed.cancelled()`, and a coroutine's task is
/// cancelled.
///
/// Threads: any thread, also in callbacks.
/// Returns: `OXE_OK`; `OXE_ERR_STALE`: the call has its answer, or an error, which the callback gets or has
/// got; or there never was such a call; `OXE_ERR_FORKED`.
#[unsafe(no_mangle)]
pub extern "C" fn oxe_call_cancel(call: oxe_call) -> oxe_status {
    entry(|| {
        fork::refuse()?;
        callbacks::cancel(call)
    })
}
