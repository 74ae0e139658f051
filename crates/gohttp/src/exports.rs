//! The six functions, as C sees them. `include/libgohttp.h` declares them; a test compares the two.
//!
//! Any thread may call any of them at any time, also inside a handler. No argument is trusted, a null
//! pointer least of all, and no panic leaves.

#![expect(non_snake_case, reason = "these are the original's names")]

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{library, log, writers};

/// What a handler reads of a request. The strings end in NUL and live until the handler returns.
#[derive(Debug)]
#[repr(C)]
pub struct Request {
    /// `GET`.
    pub Method: *const c_char,
    /// The host that the client asked for, with its port if it gave one; Go's `req.Host`.
    pub Host: *const c_char,
    /// Path and query, as a rule; Go's `req.URL.String()`.
    pub URL: *const c_char,
    /// The whole body. Bytes after a NUL are there, but their number is not known.
    pub Body: *const c_char,
    /// A line `Key: value\r\n` for each field, sorted by key, without Host; Go's `Header.Write`.
    pub Headers: *const c_char,
}

/// The number that stands for a response writer. It means nothing once its handler has returned, and
/// using it then is an error, never a fault.
pub type ResponseWriterPtr = c_uint;

/// A handler. It may block, and it is called by several threads at the same time.
pub type FuncPtr = unsafe extern "C" fn(w: ResponseWriterPtr, r: *mut Request);

/// What C calls EOF, and the original gave for an error.
pub(crate) const EOF: c_int = -1;

/// Serves the patterns of [`HandleFunc`] at this address, and blocks until [`Shutdown`].
///
/// Returns 0 then, and -1 at once if it cannot serve; a line on standard error says why. Callers that
/// were compiled for the original's `void` do not see the number.
///
/// # Safety
/// `addr` is null or a string that ends in NUL, which is only read, and only during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ListenAndServe(addr: *const c_char) -> c_int {
    boundary("ListenAndServe", EOF, || {
        // SAFETY: the caller's promise, passed on.
        match unsafe { text(addr) } {
            Ok(addr) => library::listen_and_serve(addr),
            Err(problem) => {
                log::line(format_args!(
                    "http: ListenAndServe: the address is {problem}"
                ));
                EOF
            }
        }
    })
}

/// Stops every [`ListenAndServe`]; everything can be started again. Does nothing where none runs.
///
/// Waits until what runs has finished, but not inside a handler, which it would wait for. What has not
/// finished after ten seconds is cut off.
#[unsafe(no_mangle)]
pub extern "C" fn Shutdown() {
    boundary("Shutdown", (), library::shutdown);
}

/// Has `handler` answer the requests that match `pattern`; running servers too.
///
/// A pattern that is none, or that conflicts with an earlier one, changes nothing, and a line on standard
/// error says what is wrong.
///
/// # Safety
/// `pattern` is null or a string that ends in NUL, which is only read, and only during the call.
/// `handler` is null or a function that stays where it is for the rest of the process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn HandleFunc(pattern: *const c_char, handler: Option<FuncPtr>) {
    boundary("HandleFunc", (), || {
        // SAFETY: the caller's promise, passed on.
        let pattern = match unsafe { text(pattern) } {
            Ok(pattern) => pattern,
            Err(problem) => {
                log::line(format_args!("http: HandleFunc: the pattern is {problem}"));
                return;
            }
        };
        match handler {
            Some(handler) => library::handle(pattern, handler),
            None => log::line(format_args!(
                "http: HandleFunc: the handler of pattern {pattern:?} is NULL"
            )),
        }
    });
}

/// Calls `handler(w, r)`. The original needed it inside; it is here for programs that call it.
///
/// # Safety
/// As the handler asks of its arguments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Call_HandleFunc(
    w: ResponseWriterPtr,
    r: *mut Request,
    handler: Option<FuncPtr>,
) {
    match handler {
        // SAFETY: the caller passes on what the handler asks for.
        Some(handler) => unsafe { handler(w, r) },
        None => boundary("Call_HandleFunc", (), || {
            log::line(format_args!("http: Call_HandleFunc: the handler is NULL"));
        }),
    }
}

/// Writes a piece of the answer; the status is 200 if none was set before. Returns `length`, or -1 if
/// it could not be written: the handler has returned, the client has gone, the status has no body, or
/// the arguments are wrong, which a line on standard error says.
///
/// # Safety
/// `buf` is null or points to `length` bytes, which are only read, and only during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ResponseWriter_Write(
    w: ResponseWriterPtr,
    buf: *const c_char,
    length: c_int,
) -> c_int {
    boundary("ResponseWriter_Write", EOF, || {
        let Ok(size) = usize::try_from(length) else {
            log::line(format_args!(
                "http: ResponseWriter_Write: the length is {length}"
            ));
            return EOF;
        };
        let data = match (buf.is_null(), size) {
            (_, 0) => &[],
            (true, _) => {
                log::line(format_args!(
                    "http: ResponseWriter_Write: the buffer is NULL and the length {length}"
                ));
                return EOF;
            }
            // SAFETY: the caller's promise; the slice is gone when this function returns.
            (false, _) => unsafe { std::slice::from_raw_parts(buf.cast::<u8>(), size) },
        };
        if writers::write(w, data) { length } else { EOF }
    })
}

/// Sets the status of the answer, before the first write. Too late, or with a number that is no status,
/// it changes nothing, and a line on standard error says so. Does nothing after the handler has returned.
#[unsafe(no_mangle)]
pub extern "C" fn ResponseWriter_WriteHeader(w: ResponseWriterPtr, status: c_int) {
    boundary("ResponseWriter_WriteHeader", (), || {
        writers::write_header(w, status)
    });
}

/// Runs `f`; a panic, which would be a fault of ours, becomes `failed`.
fn boundary<R>(function: &str, failed: R, f: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| {
        log::line(format_args!(
            "http: {function} failed inside; this is a fault of libgohttp"
        ));
        failed
    })
}

/// A C string as text, or what is wrong with it.
///
/// # Safety
/// `pointer` is null or a string that ends in NUL and stays as it is for `'a`.
unsafe fn text<'a>(pointer: *const c_char) -> Result<&'a str, String> {
    if pointer.is_null() {
        return Err("NULL".to_owned());
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { CStr::from_ptr(pointer) };
    bytes
        .to_str()
        .map_err(|e| format!("no UTF-8: {bytes:?} ({e})"))
}
