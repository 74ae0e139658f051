//! Files as responses.

use std::ffi::{c_char, c_int};
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use oxbridge::FileError;
use oxbridge::files::{serve_file, write_part};

use crate::entry::{entry, explained};
use crate::exchange::{answer, oxb_exchange};
use crate::fail::{Fail, explain, oxb_error};
use crate::status::oxb_status::{self, *};
use crate::text::text;

fn status_of(error: &FileError) -> oxb_status {
    match error {
        FileError::Missing(_) | FileError::Directory(_) | FileError::NotRegular(_) => {
            OXB_ERR_NOT_FOUND
        }
        FileError::Write(e) => e.into(),
        _ => OXB_ERR_IO,
    }
}

/// Writes `length` bytes of an open regular file, from `offset` on, as a piece of the body. Sets no
/// header. At most 64 KiB of it are in memory at once, however large it is and however slow the client:
/// this waits as `oxb_response_write` does, or leaves the rest to the server where it must not wait. The
/// file's own position is neither used nor moved.
///
/// Ownership: `fd` is borrowed until this returns; a duplicate is kept for as long as it is needed.
/// Threads: any thread.
/// Returns: as `oxb_response_write`; `OXB_ERR_ARG`: `fd` is not open; `OXB_ERR_IO`: it cannot be read, or
/// it ended early, and then the response should be aborted.
#[unsafe(no_mangle)]
pub extern "C" fn oxb_response_write_fd(
    exchange: oxb_exchange,
    fd: c_int,
    offset: u64,
    length: u64,
) -> oxb_status {
    entry(|| {
        answer(exchange, |entry| {
            if fd < 0 || offset.checked_add(length).is_none() {
                return Err(OXB_ERR_ARG);
            }
            // SAFETY: the number is only given to the system, to be duplicated; if it is not open, the
            // system says so.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            let file = File::from(fd.try_clone_to_owned().map_err(|_| OXB_ERR_ARG)?);
            write_part(
                entry.response(),
                &file,
                Path::new("the descriptor"),
                offset,
                length,
            )
            .map_err(|e| {
                tracing::debug!("a file cannot be sent: {}", explain(&e));
                status_of(&e)
            })
        })
    })
}

/// Answers the request with a file: Content-Type from its name, Last-Modified, ETag, conditional requests
/// (RFC 9110 §13) and ranges (§14); GET and HEAD only, 405 to others. A Content-Type or ETag that was set
/// before stays. It does not end the exchange. `path` is taken as it is: what comes from a client must
/// be checked, which `oxb_config_serve_dir` does.
///
/// Ownership: `path` is borrowed until this returns; `error` is written on failure, and the caller's to
/// free.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG` for `path`; `error` may be NULL.
/// Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`: no regular file is there, and nothing was written, so
/// `oxb_exchange_refuse(exchange, 404)` is a fitting answer; `OXB_ERR_IO`: it cannot be opened or read;
/// `OXB_ERR_STATE` after the head was sent; `OXB_ERR_GONE`, `OXB_ERR_ARG`, `OXB_ERR_STALE`,
/// `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_response_send_file(
    exchange: oxb_exchange,
    path: *const c_char,
    error: *mut *mut oxb_error,
) -> oxb_status {
    let call = || {
        // SAFETY: the caller lends `path` until this returns.
        let path = PathBuf::from(unsafe { text(path, "path") }?);
        let mut detail = None;
        let sent = answer(exchange, |entry| {
            let (response, request) = entry.parts();
            serve_file(response, request, &path).map_err(|e| {
                let status = status_of(&e);
                detail = Some(Fail {
                    status,
                    os: std::error::Error::source(&e)
                        .and_then(|e| e.downcast_ref::<std::io::Error>())
                        .and_then(std::io::Error::raw_os_error)
                        .unwrap_or(0),
                    message: explain(&e),
                });
                status
            })
        });
        sent.map_err(|status| detail.take().unwrap_or_else(|| status.into()))
    };
    // SAFETY: `error` is NULL or the caller's to be written.
    unsafe { explained(error, call) }
}
