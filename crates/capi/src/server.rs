//! A running server: how it starts and stops, and what it tells of itself.

mod drive;
mod facts;
mod routes;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use oxbridge::Server;

use crate::config::oxb_config;
use crate::entry::{entry, explained, guarded};
use crate::exchange::EXCHANGES;
use crate::fail::{Fail, oxb_error};
use crate::site::Site;
use crate::status::oxb_status::{self, *};

/// For a time in milliseconds: without end.
pub const OXB_FOREVER: u64 = u64::MAX;

/// A running server. Opaque. Any thread may use it, except where a function says otherwise, until it is
/// freed.
pub struct oxb_server {
    server: Server,
    site: Arc<Site>,
    addresses: Vec<String>,
    url: String,
    /// Freed by a callback that one of its turns has called: the turn does it.
    doomed: AtomicBool,
}

impl oxb_server {
    fn start(config: oxb_config) -> Result<Box<Self>, Fail> {
        let (server, site) = config.start()?;
        let stopped = site.clone();
        server.on_stop(move || stopped.queue.stop());
        Ok(Box::new(oxb_server {
            addresses: server.addresses().iter().map(ToString::to_string).collect(),
            url: server.url().unwrap_or_default(),
            server,
            site,
            doomed: AtomicBool::new(false),
        }))
    }

    /// Ends everything: connections, callbacks, exchanges that nobody ended. Waits for callbacks.
    fn end(self) {
        self.server.begin_stop(Duration::ZERO);
        self.close_exchanges();
        self.server.wait();
        // What callbacks have deferred meanwhile.
        self.close_exchanges();
    }

    fn close_exchanges(&self) {
        EXCHANGES.close(self.site.id, |entry| entry.abort());
    }
}

/// A server of the caller's, in the process that started it.
///
/// # Safety
/// `server` is NULL or a server that is not freed while the result lives.
unsafe fn get<'a>(server: *const oxb_server) -> Result<&'a oxb_server, oxb_status> {
    // SAFETY: as the caller promises.
    let server = unsafe { server.as_ref() }.ok_or(OXB_ERR_ARG)?;
    server.site.is_ours()?;
    Ok(server)
}

/// Frees a driven server which a callback has freed, inside the turns that the caller has taken; says
/// whether it did.
///
/// # Safety
/// As [`get`]; and nothing on this thread's stack uses the server any more if it is doomed.
unsafe fn reap(server: *mut oxb_server) -> bool {
    // SAFETY: as the caller promises.
    let doomed = unsafe { get(server) }.is_ok_and(|server| server.doomed.load(SeqCst));
    if doomed {
        // SAFETY: it came from `oxb_server_start`, and the callback has given it up.
        (*unsafe { Box::from_raw(server) }).end();
    }
    doomed
}

/// Starts a server: binds its addresses and starts its threads (a driven one has none).
///
/// Ownership: `config` is taken, also on failure, when the `drop` functions of its routes run. `out` is
/// written on success: the server is the caller's, until `oxb_server_free`. `error` is written on failure,
/// and the caller's to free.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG` for `config` and `out`; `error` may be NULL.
/// Returns: `OXB_OK`; `OXB_ERR_BIND`; `OXB_ERR_TLS`; `OXB_ERR_IO`: the system gives no event loop or
/// thread; `OXB_ERR_ARG`, also when the config listens nowhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_start(
    config: *mut oxb_config,
    out: *mut *mut oxb_server,
    error: *mut *mut oxb_error,
) -> oxb_status {
    let call = || {
        if config.is_null() {
            return Err(Fail::arg("config is NULL"));
        }
        // SAFETY: it came from `oxb_config_new`, and the caller gives it up.
        let config = unsafe { Box::from_raw(config) };
        if out.is_null() {
            return Err(Fail::arg("out is NULL"));
        }
        let server = oxb_server::start(*config)?;
        // SAFETY: not NULL, so the caller's to be written.
        unsafe { out.write(Box::into_raw(server)) };
        Ok(())
    };
    // SAFETY: `error` is NULL or the caller's to be written.
    unsafe { explained(error, call) }
}

/// Stops a server at once and frees it. It waits for callbacks that run (`oxb_server_stop` before it gives
/// them time, and bounds the wait). Then no callback runs any more, every `drop` function has run, and the
/// handles of its exchanges are stale, deferred ones too.
///
/// Inside a callback of the server it does not wait: what is left goes when that callback has returned; of
/// a driven server, when the call that takes the turn (`oxb_server_turn`, `_wait` or `_stop`) returns.
///
/// Ownership: `server` is taken. In a process that was forked from the one that started it, nothing is
/// freed: the memory goes with the process.
/// Threads: any thread; nobody may use the server meanwhile or afterwards.
/// NULL: nothing happens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_free(server: *mut oxb_server) {
    guarded(|| {
        // SAFETY: NULL, or the caller's.
        let Ok(borrowed) = (unsafe { get(server) }) else {
            return;
        };
        if !borrowed.server.is_inside() {
            // SAFETY: it came from `oxb_server_start`, and the caller gives it up.
            (*unsafe { Box::from_raw(server) }).end();
            return;
        }
        borrowed.server.begin_stop(Duration::ZERO);
        if borrowed.site.driven && borrowed.server.is_aboard() {
            // A turn further up this thread's stack uses it: that one frees it.
            borrowed.doomed.store(true, SeqCst);
            return;
        }
        // SAFETY: as above; from here on the box is the only way to it.
        let owned = unsafe { Box::from_raw(server) };
        let reaper = std::thread::Builder::new().name("oxbridge-reaper".into());
        if let Err(e) = reaper.spawn(move || owned.end()) {
            tracing::error!("cannot start the thread that frees a server: {e}");
        }
    });
}

/// Starts to stop, and returns at once: no new connections, what runs may finish, HTTP/2 clients are told
/// by GOAWAY. What has not finished after `grace_ms` milliseconds is cut. A later call may shorten the
/// time, not lengthen it.
///
/// Threads: any thread, also inside callbacks.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_begin_stop(
    server: *mut oxb_server,
    grace_ms: u64,
) -> oxb_status {
    entry(|| {
        // SAFETY: NULL, or a server that is not freed meanwhile.
        let server = unsafe { get(server) }?;
        server.server.begin_stop(Duration::from_millis(grace_ms));
        Ok(())
    })
}

/// Stops, as `oxb_server_begin_stop`, and waits until it has: at most `grace_ms` milliseconds and a
/// moment. The turns of a driven server are taken meanwhile.
///
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_TIMEOUT`: a callback still runs, whose thread ends when it does;
/// `OXB_ERR_IN_CALLBACK`: in a callback of this server, or an inline one of any: the stop has begun, but
/// cannot be waited for here; `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_stop(server: *mut oxb_server, grace_ms: u64) -> oxb_status {
    entry(|| {
        let pointer = server;
        // SAFETY: NULL, or a server that is not freed meanwhile.
        let server = unsafe { get(server) }?;
        let grace = Duration::from_millis(grace_ms);
        server.server.begin_stop(grace);
        if server.server.is_inside() {
            return Err(OXB_ERR_IN_CALLBACK);
        }
        let stopped = server.server.stop(grace);
        // SAFETY: the only turns on this thread's stack were in `stop`.
        if unsafe { reap(pointer) } || stopped {
            Ok(())
        } else {
            Err(OXB_ERR_TIMEOUT)
        }
    })
}

/// Waits until the server has stopped, at most `timeout_ms` milliseconds (`OXB_FOREVER`: without end). The
/// turns of a driven server are taken meanwhile: this is its simplest loop.
///
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_TIMEOUT`; `OXB_ERR_IN_CALLBACK`: in a callback of this server, or an inline
/// one of any; `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_wait(server: *mut oxb_server, timeout_ms: u64) -> oxb_status {
    entry(|| {
        let pointer = server;
        // SAFETY: NULL, or a server that is not freed meanwhile.
        let server = unsafe { get(server) }?;
        if server.server.is_inside() {
            return Err(OXB_ERR_IN_CALLBACK);
        }
        // A time past what the clock can say is no bound either.
        let deadline = Some(timeout_ms)
            .filter(|ms| *ms != OXB_FOREVER)
            .and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)));
        let stopped = server.server.wait_until(deadline);
        // SAFETY: the only turns on this thread's stack were in `wait_until`.
        if unsafe { reap(pointer) } || stopped {
            Ok(())
        } else {
            Err(OXB_ERR_TIMEOUT)
        }
    })
}

/// Reads certificate and key again; connections that come afterwards get them.
///
/// Ownership: `error` is written on failure, and the caller's to free.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`; `error` may be NULL.
/// Returns: `OXB_OK`, also without TLS; `OXB_ERR_TLS`: the old ones stay in force; `OXB_ERR_ARG`,
/// `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_reload_tls(
    server: *mut oxb_server,
    error: *mut *mut oxb_error,
) -> oxb_status {
    let call = || {
        // SAFETY: NULL, or a server that is not freed meanwhile.
        let server = unsafe { get(server) }?;
        Ok(server.server.reload_tls()?)
    };
    // SAFETY: `error` is NULL or the caller's to be written.
    unsafe { explained(error, call) }
}
