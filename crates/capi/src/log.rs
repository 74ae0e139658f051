//! The log: the library's only voice. It writes to no descriptor of the process.

use std::ffi::c_void;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Once, PoisonError};

use oxbridge::log::{Sink, forward};
use tracing::Level;

use crate::entry::entry;
use crate::status::oxb_status::{self, *};
use crate::text::oxb_bytes;
use crate::user::{UserData, oxb_drop};

/// How much a line of the log matters.
#[repr(i32)]
#[derive(Clone, Copy, Debug)]
pub enum oxb_log_level {
    /// Something failed that should not.
    OXB_LOG_ERROR = 1,
    /// Something that will become an error if nobody looks.
    OXB_LOG_WARN = 2,
    /// What an operator may want to know.
    OXB_LOG_INFO = 3,
    /// What a developer may want to know; what clients did wrong.
    OXB_LOG_DEBUG = 4,
}

use oxb_log_level::*;

/// Takes a line of the log: its level (one of `oxb_log_level`) and its text, UTF-8 without a line end,
/// borrowed until the callback returns. Called on any thread, also by several at once, and often while
/// clients wait: it must be quick, must not unwind, and must call nothing of the library.
pub type oxb_log = Option<extern "C" fn(level: i32, message: oxb_bytes, user_data: *mut c_void)>;

struct Listener {
    callback: extern "C" fn(i32, oxb_bytes, *mut c_void),
    user: UserData,
}

/// The level that is wanted, 0 for none.
static LEVEL: AtomicI32 = AtomicI32::new(0);
/// Cloned for each line, so that a callback is never dropped while it runs.
static LISTENER: Mutex<Option<Arc<Listener>>> = Mutex::new(None);

struct ToListener;

impl Sink for ToListener {
    fn wants(&self, level: Level) -> bool {
        number(level) <= LEVEL.load(Relaxed)
    }

    fn line(&self, level: Level, text: &str) {
        let listener = LISTENER
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(listener) = listener {
            let message = oxb_bytes::of(text.as_bytes());
            (listener.callback)(number(level), message, listener.user.get());
        }
    }
}

fn number(level: Level) -> i32 {
    match level {
        Level::ERROR => OXB_LOG_ERROR as i32,
        Level::WARN => OXB_LOG_WARN as i32,
        Level::INFO => OXB_LOG_INFO as i32,
        Level::DEBUG => OXB_LOG_DEBUG as i32,
        // Never wanted.
        Level::TRACE => i32::MAX,
    }
}

/// Sees to it that panics go to the log instead of standard error. They are caught at the boundary.
pub(crate) fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            tracing::error!("a fault in the library, please report it: {panic}");
        }));
    });
}

/// Sets who gets the log of the whole process, in place of whoever got it before. Without a callback,
/// as at the beginning, the log is dropped: the library never writes to standard output or error.
///
/// `level` is the least important one that is wanted, one of `oxb_log_level`.
///
/// Ownership: `user_data` is kept until another callback is set; `drop` runs exactly once, also on
/// failure, when the last line is through. Like the callback, this one must call nothing of the library.
/// Threads: any thread.
/// NULL: a NULL `log` sets none, and `drop` runs at once; `user_data` and `drop` may be NULL.
/// Returns: `OXB_OK`; `OXB_ERR_ARG` for a level that is none; `OXB_ERR_STATE` when the program has a
/// log of its own (a Rust program that links this library and has a subscriber of `tracing`).
#[unsafe(no_mangle)]
pub extern "C" fn oxb_log_set(
    level: i32,
    log: oxb_log,
    user_data: *mut c_void,
    drop: oxb_drop,
) -> oxb_status {
    let user = UserData::new(user_data, drop);
    entry(move || {
        if !(OXB_LOG_ERROR as i32..=OXB_LOG_DEBUG as i32).contains(&level) {
            return Err(OXB_ERR_ARG);
        }
        static INSTALLED: Mutex<bool> = Mutex::new(false);
        {
            let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
            if !*installed {
                *installed = forward(ToListener);
                if !*installed {
                    return Err(OXB_ERR_STATE);
                }
            }
        }
        let new = log.map(|callback| Arc::new(Listener { callback, user }));
        let has_one = new.is_some();
        let old = {
            let mut listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
            LEVEL.store(if has_one { level } else { 0 }, Relaxed);
            std::mem::replace(&mut *listener, new)
        };
        // The drop function may call us: no lock is held.
        std::mem::drop(old);
        Ok(())
    })
}
