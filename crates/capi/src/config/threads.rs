//! Who runs handlers: how many threads, or the host itself.

use crate::config::{change, oxb_config};
use crate::status::oxb_status::{self, *};

/// How many event loops the server has, each with threads of its own: one for each processor that it may
/// use. Default 1; a driven server has one in any case.
///
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_ARG` also for 0 and past 1024.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_reactors(config: *mut oxb_config, count: u32) -> oxb_status {
    let change_it = |config: &mut oxb_config| {
        if !(1..=1024).contains(&count) {
            return Err(OXB_ERR_ARG);
        }
        config.reactors = count as usize;
        Ok(())
    };
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}

/// How many callbacks of one event loop may block at the same time. Threads are made as they are needed.
/// Default 200.
///
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_ARG` also for 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_threads(config: *mut oxb_config, count: u32) -> oxb_status {
    let change_it = |config: &mut oxb_config| {
        if count == 0 {
            return Err(OXB_ERR_ARG);
        }
        config.threads = count as usize;
        Ok(())
    };
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}

/// How many requests may wait for a thread of an event loop, and how many for `oxb_server_next`; past it
/// clients get 503 with Retry-After. Default 1024.
///
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_ARG` also for 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_queue(config: *mut oxb_config, exchanges: u32) -> oxb_status {
    let change_it = |config: &mut oxb_config| {
        if exchanges == 0 {
            return Err(OXB_ERR_ARG);
        }
        config.queue = exchanges as usize;
        Ok(())
    };
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}

/// Whether the host drives the server, from its own threads and its own loop: see `oxb_server_turn`. Such
/// a server has no threads, and nothing on its exchanges waits. Default false.
///
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_driven(config: *mut oxb_config, on: bool) -> oxb_status {
    let change_it = |config: &mut oxb_config| {
        config.driven = on;
        Ok(())
    };
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}
