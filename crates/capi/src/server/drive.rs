//! Two ways for the host to drive: it takes turns, or it takes exchanges out of a queue.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use oxbridge::TurnError;

use crate::entry::{entry, put};
use crate::queue::{Queue, oxb_event};
use crate::server::{get, oxb_server, reap};
use crate::status::oxb_status::{self, *};

/// A turn has run callbacks.
pub const OXB_TURN_HANDLED: u32 = 1;
/// The descriptor that turns watch is readable.
pub const OXB_TURN_READABLE: u32 = 2;
/// `oxb_server_wake` was called.
pub const OXB_TURN_WOKEN: u32 = 4;
/// The server has stopped: there is nothing to turn any more.
pub const OXB_TURN_STOPPED: u32 = 8;

impl From<TurnError> for oxb_status {
    fn from(e: TurnError) -> Self {
        match e {
            TurnError::Busy => OXB_ERR_BUSY,
            TurnError::Inside => OXB_ERR_IN_CALLBACK,
            // NotDriven, and what a later version of the server may add.
            _ => OXB_ERR_STATE,
        }
    }
}

/// Takes a turn of a driven server (`oxb_config_driven`) on the calling thread: drives its connections
/// until callbacks have run and their answers are on their way, or until the watched descriptor is
/// readable, `oxb_server_wake` is called, or `timeout_ms` milliseconds are over (0: does what is ready;
/// negative: without end).
///
/// Ownership: `out`, if not NULL, is written on success: what came about, `OXB_TURN_…` by `|`, 0 if
/// nothing did in time.
/// Threads: one thread at a time for one server; not always the same.
/// NULL: `OXB_ERR_ARG` for `server`; `out` may be NULL.
/// Returns: `OXB_OK`; `OXB_ERR_BUSY`: another thread takes a turn; `OXB_ERR_IN_CALLBACK`: in a callback
/// that a turn has called; `OXB_ERR_STATE`: the server is not driven; `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_turn(
    server: *mut oxb_server,
    timeout_ms: i64,
    out: *mut u32,
) -> oxb_status {
    entry(|| {
        // SAFETY: NULL, or a server that is not freed meanwhile, except by a callback of this turn, which
        // leaves it to us.
        let borrowed = unsafe { get(server) }?;
        let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        let turned = borrowed.server.turn(timeout)?;
        let mut bits = 0;
        for (came, bit) in [
            (turned.handled != 0, OXB_TURN_HANDLED),
            (turned.readable, OXB_TURN_READABLE),
            (turned.woken, OXB_TURN_WOKEN),
            (turned.stopped, OXB_TURN_STOPPED),
        ] {
            bits |= if came { bit } else { 0 };
        }
        // SAFETY: the only turn on this thread's stack is over.
        if unsafe { reap(server) } {
            bits |= OXB_TURN_STOPPED;
        }
        if !out.is_null() {
            // SAFETY: not NULL, so the caller's to be written.
            unsafe { out.write(bits) };
        }
        Ok(())
    })
}

/// Makes turns of a driven server end when `fd` is readable too: the descriptor of the host's own event
/// loop (epoll, kqueue, libuv's backend), so that one call waits for both. Negative: none.
///
/// Ownership: `fd` is borrowed until this returns; a duplicate is kept.
/// Threads: one thread at a time for one server, as for turns.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_IO`: it cannot be watched (a regular file, for example, or not open);
/// `OXB_ERR_BUSY`, `OXB_ERR_IN_CALLBACK`, `OXB_ERR_STATE` as `oxb_server_turn`; `OXB_ERR_ARG`,
/// `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_watch(server: *mut oxb_server, fd: c_int) -> oxb_status {
    entry(|| {
        // SAFETY: NULL, or a server that is not freed meanwhile.
        let server = unsafe { get(server) }?;
        // SAFETY: the number is only given to the system, to be duplicated; if it is not open, the
        // system says so.
        let fd = (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) });
        server.server.watch(fd)?.map_err(|_| OXB_ERR_IO)
    })
}

/// Ends the turn under way on another thread, or the next one; and one call of `oxb_server_next` that
/// waits, or the next one.
///
/// Threads: any thread, also inside callbacks.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_wake(server: *mut oxb_server) -> oxb_status {
    entry(|| {
        // SAFETY: NULL, or a server that is not freed meanwhile.
        let server = unsafe { get(server) }?;
        server.server.wake();
        server.site.queue.wake();
        Ok(())
    })
}

/// Takes events out of the queue: exchanges of routes that were added with `oxb_config_handle_queue`, and
/// notifications without a callback. Waits for the first one at most `timeout_ms` milliseconds (0: not
/// at all; negative: without end), and takes as many as are there, up to `capacity`.
///
/// Ownership: `events` is borrowed until this returns, `*count` of them are written; `count` is written
/// on success. The exchanges are the caller's to end.
/// Threads: any thread, also several at once.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, with at least one event, or with none after `oxb_server_wake`; `OXB_ERR_TIMEOUT`;
/// `OXB_ERR_STOPPED`: the server has stopped and the queue is empty; `OXB_ERR_IN_CALLBACK`: a call that
/// may wait, in a callback; `OXB_ERR_ARG`, also for a `capacity` of 0; `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_next(
    server: *mut oxb_server,
    events: *mut oxb_event,
    capacity: usize,
    timeout_ms: i64,
    count: *mut usize,
) -> oxb_status {
    entry(|| {
        // SAFETY: NULL, or a server that is not freed meanwhile.
        let server = unsafe { get(server) }?;
        if events.is_null() || capacity == 0 || count.is_null() || !events.is_aligned() {
            return Err(OXB_ERR_ARG);
        }
        if timeout_ms != 0 && server.server.is_inside() {
            return Err(OXB_ERR_IN_CALLBACK);
        }
        let capacity = capacity.min(MOST);
        // SAFETY: not NULL, aligned, and the caller lends `capacity` of them until this returns; they need
        // not have been written.
        let events = unsafe {
            std::slice::from_raw_parts_mut(events.cast::<MaybeUninit<oxb_event>>(), capacity)
        };
        // A time past what the clock can say is no bound either.
        let deadline = u64::try_from(timeout_ms)
            .ok()
            .and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)));
        let taken = server.site.queue.next(events, deadline)?;
        // SAFETY: not NULL, so the caller's to be written.
        unsafe { put(count, taken) }
    })
}

/// More events than this are not taken at once.
const MOST: usize = 1 << 16;

/// A descriptor that is readable while events wait in the queue, and once the server has stopped: for
/// `poll`, or an event loop, which then calls `oxb_server_next` with a timeout of 0.
///
/// Ownership: `out` is written on success. The descriptor is the library's until `oxb_server_free`: it is
/// not to be read, written or closed.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_STATE`: this platform has none (`oxb_has_feature("queue_fd")`);
/// `OXB_ERR_IO`: the system gives none; `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_queue_fd(
    server: *mut oxb_server,
    out: *mut c_int,
) -> oxb_status {
    entry(|| {
        // SAFETY: NULL, or a server that is not freed meanwhile.
        let server = unsafe { get(server) }?;
        if out.is_null() {
            return Err(OXB_ERR_ARG);
        }
        if !Queue::HAS_SIGNAL {
            return Err(OXB_ERR_STATE);
        }
        let fd = server.site.queue.signal().ok_or(OXB_ERR_IO)?;
        // SAFETY: not NULL, so the caller's to be written.
        unsafe { put(out, fd) }
    })
}
