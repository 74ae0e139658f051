//! Where a server listens.

use std::ffi::c_char;

use crate::config::{change, oxb_config};
use crate::entry::explained;
use crate::fail::{Fail, oxb_error};
use crate::status::oxb_status::{self, *};
use crate::text::text;

/// Adds an address to listen on: `127.0.0.1:5000`, `[::1]:5000`, `localhost:5000` (every address of the
/// name), `:5000` (every interface), port 0 for one that the system chooses; `unix:/run/app.sock`,
/// `unix:@name` (without a file, on Linux); `fd:3` (a socket that listens already); `systemd` (what
/// systemd's socket activation handed over). It is bound by `oxb_server_start`.
///
/// Ownership: `address` is copied; `error` is written on failure, and the caller's to free.
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`; `error` may be NULL.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_listen(
    config: *mut oxb_config,
    address: *const c_char,
    error: *mut *mut oxb_error,
) -> oxb_status {
    let call = || {
        // SAFETY: NULL, or a config that only this thread uses now.
        let config = unsafe { config.as_mut() }.ok_or_else(|| Fail::arg("config is NULL"))?;
        // SAFETY: the caller lends `address` until this returns.
        let address = unsafe { text(address, "address") }?;
        config.binds.push(address.parse()?);
        Ok(())
    };
    // SAFETY: `error` is NULL or the caller's to be written.
    unsafe { explained(error, call) }
}

/// How many connections may wait to be accepted. Default 2048; the system may cap it.
///
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_ARG` also for 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_backlog(
    config: *mut oxb_config,
    connections: u32,
) -> oxb_status {
    let change_it = |config: &mut oxb_config| {
        if connections == 0 {
            return Err(OXB_ERR_ARG);
        }
        config.listen.backlog = connections;
        Ok(())
    };
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}

/// Whether several processes may listen on the same port and share its connections (`SO_REUSEPORT`); all
/// of them must say so. Default false.
///
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_reuse_port(config: *mut oxb_config, on: bool) -> oxb_status {
    let change_it = |config: &mut oxb_config| {
        config.listen.reuse_port = on;
        Ok(())
    };
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}

/// The permission bits of Unix socket files, such as 0660. Default: what the process's umask leaves.
///
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_ARG` also past 0777.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_unix_mode(config: *mut oxb_config, mode: u32) -> oxb_status {
    let change_it = |config: &mut oxb_config| {
        if mode > 0o777 {
            return Err(OXB_ERR_ARG);
        }
        config.listen.unix_mode = Some(mode);
        Ok(())
    };
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}

/// Whether `[::]`, and an address without a host, refuse IPv4. Default false.
///
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_v6_only(config: *mut oxb_config, on: bool) -> oxb_status {
    let change_it = |config: &mut oxb_config| {
        config.listen.v6_only = Some(on);
        Ok(())
    };
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}
