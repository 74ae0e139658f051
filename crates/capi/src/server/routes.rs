//! Routes that are added to a server that runs.

use std::ffi::{c_char, c_void};

use crate::config::{Route, callback, directory, oxb_handler};
use crate::entry::explained;
use crate::fail::{Fail, oxb_error};
use crate::server::{get, oxb_server};
use crate::status::oxb_status;
use crate::text::text;
use crate::user::{UserData, oxb_drop};

/// Adds a route to a server of the caller's.
///
/// # Safety
/// `server` is NULL or a server that is not freed meanwhile; `pattern` is NULL or a C string.
unsafe fn add(
    server: *mut oxb_server,
    pattern: *const c_char,
    route: Result<Route, Fail>,
) -> Result<(), Fail> {
    // SAFETY: as our caller promises.
    let server = unsafe { get(server) }?;
    // SAFETY: as our caller promises.
    let pattern = unsafe { text(pattern, "pattern") }?;
    route?.add_to_running(&server.server, pattern, &server.site)
}

/// As `oxb_config_handle`, for a server that runs, from the next request on.
///
/// Ownership: `pattern` is copied; `user_data` is kept until the server is freed and no callback runs any
/// more; `drop` runs exactly once, also on failure. `error` is written on failure, and the caller's to
/// free.
/// Threads: any thread, also inside callbacks.
/// NULL: `OXB_ERR_ARG` for `server`, `pattern` and `handler`; the others may be NULL.
/// Returns: as `oxb_config_handle`; `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_handle(
    server: *mut oxb_server,
    pattern: *const c_char,
    handler: oxb_handler,
    user_data: *mut c_void,
    drop: oxb_drop,
    error: *mut *mut oxb_error,
) -> oxb_status {
    let user = UserData::new(user_data, drop);
    // SAFETY: all three are NULL or the caller's, as the header says.
    unsafe {
        explained(error, || {
            add(server, pattern, callback(handler, user, Route::Blocking))
        })
    }
}

/// As `oxb_config_handle_inline`, for a server that runs, from the next request on.
///
/// Ownership: as `oxb_server_handle`.
/// Threads: any thread, also inside callbacks.
/// NULL: `OXB_ERR_ARG` for `server`, `pattern` and `handler`; the others may be NULL.
/// Returns: as `oxb_config_handle`; `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_handle_inline(
    server: *mut oxb_server,
    pattern: *const c_char,
    handler: oxb_handler,
    user_data: *mut c_void,
    drop: oxb_drop,
    error: *mut *mut oxb_error,
) -> oxb_status {
    let user = UserData::new(user_data, drop);
    // SAFETY: all three are NULL or the caller's, as the header says.
    unsafe {
        explained(error, || {
            add(server, pattern, callback(handler, user, Route::Inline))
        })
    }
}

/// As `oxb_config_handle_queue`, for a server that runs, from the next request on.
///
/// Ownership: as `oxb_server_handle`.
/// Threads: any thread, also inside callbacks.
/// NULL: `OXB_ERR_ARG` for `server` and `pattern`; the others may be NULL.
/// Returns: as `oxb_config_handle`; `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_handle_queue(
    server: *mut oxb_server,
    pattern: *const c_char,
    user_data: *mut c_void,
    drop: oxb_drop,
    error: *mut *mut oxb_error,
) -> oxb_status {
    let user = UserData::new(user_data, drop);
    // SAFETY: all three are NULL or the caller's, as the header says.
    unsafe { explained(error, || add(server, pattern, Ok(Route::Queue(user)))) }
}

/// As `oxb_config_serve_dir`, for a server that runs, from the next request on.
///
/// Ownership: `pattern` and `directory` are copied; `error` is written on failure, and the caller's to
/// free.
/// Threads: any thread, also inside callbacks.
/// NULL: `OXB_ERR_ARG`; `error` may be NULL.
/// Returns: as `oxb_config_serve_dir`; `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_serve_dir(
    server: *mut oxb_server,
    pattern: *const c_char,
    directory: *const c_char,
    error: *mut *mut oxb_error,
) -> oxb_status {
    // SAFETY: all are NULL or the caller's, as the header says.
    unsafe { explained(error, || add(server, pattern, self::directory(directory))) }
}
