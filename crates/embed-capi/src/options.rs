//! Options: which Python function, and how it is called.
//!
//! Options are one thread's at a time. `oxe_python_start` takes them.

use std::ffi::{OsString, c_char};
use std::time::Duration;

use oxbridge_embed::{Body, Builder, Python};

use crate::entry::{entry, guarded, put, take, wanted};
use crate::fail::Fail;
use crate::status::oxe_status::{self, *};
use crate::text::{os_text, text};

/// For a time in milliseconds: without end.
pub const OXE_FOREVER: u64 = u64::MAX;

/// For `oxe_options_body`: a request's body is a `str`.
pub const OXE_BODY_TEXT: u32 = 0;
/// For `oxe_options_body`: a request's body is `bytes`.
pub const OXE_BODY_BYTES: u32 = 1;

/// Which Python function, and how it is called. Opaque: it is changed by the `oxe_options_` functions.
pub struct oxe_options {
    builder: Builder,
    init: Option<(String, String)>,
}

impl oxe_options {
    fn change(&mut self, change: impl FnOnce(Builder) -> Builder) {
        let builder = std::mem::replace(&mut self.builder, Python::builder());
        self.builder = change(builder);
    }

    pub(crate) fn start(self) -> Result<Python, Fail> {
        let mut builder = self.builder;
        if let Some((module, function)) = self.init {
            builder = builder.init(module, function);
        }
        Ok(builder.start()?)
    }
}

/// Calls `change` with options of the caller's.
///
/// # Safety
/// `options` is NULL or options that nobody else uses meanwhile.
unsafe fn change(
    options: *mut oxe_options,
    change: impl FnOnce(&mut oxe_options) -> Result<(), oxe_status>,
) -> oxe_status {
    entry(|| {
        // SAFETY: as the caller promises.
        let options = unsafe { options.as_mut() }.ok_or(OXE_ERR_ARG)?;
        change(options)
    })
}

/// Makes options. The function that answers requests has to be named; all else has a default.
///
/// Ownership: `out` is written on success: the options are the caller's, until `oxe_python_start` takes them
/// or `oxe_options_free` frees them.
/// Threads: any thread.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`, `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_options_new(out: *mut *mut oxe_options) -> oxe_status {
    entry(|| {
        wanted(out)?;
        let options = Box::new(oxe_options {
            builder: Python::builder(),
            init: None,
        });
        // SAFETY: not NULL, so the caller's to be written.
        unsafe { put(out, Box::into_raw(options)) }
    })
}

/// Frees options that were not started.
///
/// Ownership: `options` is taken.
/// Threads: one thread at a time for the same options.
/// NULL: nothing happens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_options_free(options: *mut oxe_options) {
    // SAFETY: NULL, or options of this library, and the caller gives them up.
    guarded(|| drop(unsafe { take(options) }));
}

/// Names the function that is called once, at the start, without arguments. It returns routes for the
/// program, `{"route": ["method", ...]}`, or any other `dict[str, list[str]]`: `oxe_python_route`. Two empty
/// texts mean none, which is the default.
///
/// Ownership: the texts are copied.
/// Threads: one thread at a time for the same options.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`; `OXE_ERR_ARG`, also for text that is not UTF-8, or only one that is empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_options_init(
    options: *mut oxe_options,
    module: *const c_char,
    function: *const c_char,
) -> oxe_status {
    let set = |options: &mut oxe_options| {
        // SAFETY: NULL or NUL-terminated, as the caller promises.
        let named = unsafe { (text(module)?, text(function)?) };
        options.init = match (named.0.is_empty(), named.1.is_empty()) {
            (false, false) => Some(named),
            (true, true) => None,
            _ => return Err(OXE_ERR_ARG),
        };
        Ok(())
    };
    // SAFETY: the caller gives NULL or options that are its own.
    unsafe { change(options, set) }
}

/// Names the function that answers requests. It is called as
/// `function(method, path, params, query, headers, body)`, where `params`, `query` and `headers` are
/// `dict[str, list[str]]`, and returns `(status, body, headers)`: an `int`, a `str` or `bytes`, and a
/// `dict[str, list[str]]`. It may be an `async def`. Dots in its name lead to attributes of classes.
///
/// Ownership: the texts are copied.
/// Threads: one thread at a time for the same options.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`; `OXE_ERR_ARG`, also for text that is empty or not UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_options_request(
    options: *mut oxe_options,
    module: *const c_char,
    function: *const c_char,
) -> oxe_status {
    let set = |options: &mut oxe_options| {
        // SAFETY: NULL or NUL-terminated, as the caller promises.
        let (module, function) = unsafe { (text(module)?, text(function)?) };
        if module.is_empty() || function.is_empty() {
            return Err(OXE_ERR_ARG);
        }
        options.change(|builder| builder.request(module, function));
        Ok(())
    };
    // SAFETY: the caller gives NULL or options that are its own.
    unsafe { change(options, set) }
}

/// Uses this virtual environment, whatever the variable `VIRTUAL_ENV` says. It must have been made by the
/// Python version that `oxe_python_version` states.
///
/// Ownership: `directory` is copied.
/// Threads: one thread at a time for the same options.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`, `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_options_venv(
    options: *mut oxe_options,
    directory: *const c_char,
) -> oxe_status {
    let set = |options: &mut oxe_options| {
        // SAFETY: NULL or NUL-terminated, as the caller promises.
        let directory = unsafe { os_text(directory) }?;
        options.change(|builder| builder.venv(directory));
        Ok(())
    };
    // SAFETY: the caller gives NULL or options that are its own.
    unsafe { change(options, set) }
}

/// Puts a directory first in `sys.path`, before those that earlier calls have put there. The working directory
/// is not in it unless it is put there.
///
/// Ownership: `directory` is copied.
/// Threads: one thread at a time for the same options.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`, `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_options_path(
    options: *mut oxe_options,
    directory: *const c_char,
) -> oxe_status {
    let set = |options: &mut oxe_options| {
        // SAFETY: NULL or NUL-terminated, as the caller promises.
        let directory = unsafe { os_text(directory) }?;
        options.change(|builder| builder.path(directory));
        Ok(())
    };
    // SAFETY: the caller gives NULL or options that are its own.
    unsafe { change(options, set) }
}

/// Sets `sys.argv`. Default: `[""]`.
///
/// Ownership: the texts are copied. `arguments` points to `count` of them; with a count of 0 it may be
/// anything.
/// Threads: one thread at a time for the same options.
/// NULL: `OXE_ERR_ARG`, also for one of the texts.
/// Returns: `OXE_OK`, `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_options_argv(
    options: *mut oxe_options,
    count: usize,
    arguments: *const *const c_char,
) -> oxe_status {
    let set = |options: &mut oxe_options| {
        let most = isize::MAX as usize / size_of::<*const c_char>();
        if count != 0 && (arguments.is_null() || !arguments.is_aligned() || count > most) {
            return Err(OXE_ERR_ARG);
        }
        let mut argv = Vec::<OsString>::new();
        for place in 0..count {
            // SAFETY: there are `count` pointers, each NULL or NUL-terminated, as the caller promises.
            argv.push(unsafe { os_text(*arguments.add(place)) }?);
        }
        options.change(|builder| builder.argv(argv));
        Ok(())
    };
    // SAFETY: the caller gives NULL or options that are its own.
    unsafe { change(options, set) }
}

/// Says whether the process's environment has no say: neither `VIRTUAL_ENV` nor Python's own variables, nor
/// the packages in the user's home directory. Default false.
///
/// Threads: one thread at a time for the same options.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`, `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_options_isolated(options: *mut oxe_options, on: bool) -> oxe_status {
    let set = |options: &mut oxe_options| {
        options.change(|builder| builder.isolated(on));
        Ok(())
    };
    // SAFETY: the caller gives NULL or options that are its own.
    unsafe { change(options, set) }
}

/// Sets how many calls of a plain function may run at the same time, each on a thread. The threads are made
/// when they are needed. Default 200.
///
/// Threads: one thread at a time for the same options.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`; `OXE_ERR_ARG`, also for 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_options_threads(options: *mut oxe_options, count: u32) -> oxe_status {
    // SAFETY: the caller gives NULL or options that are its own.
    unsafe { bound(options, count, Builder::threads) }
}

/// Sets how many calls of a coroutine function may run at the same time, all on one thread. Default 1000.
///
/// Threads: one thread at a time for the same options.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`; `OXE_ERR_ARG`, also for 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_options_tasks(options: *mut oxe_options, count: u32) -> oxe_status {
    // SAFETY: the caller gives NULL or options that are its own.
    unsafe { bound(options, count, Builder::tasks) }
}

/// Sets how many calls may wait until others have ended; past it they get `OXE_ERR_BUSY`. Default 1024.
///
/// Threads: one thread at a time for the same options.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`; `OXE_ERR_ARG`, also for 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_options_queue(options: *mut oxe_options, calls: u32) -> oxe_status {
    // SAFETY: the caller gives NULL or options that are its own.
    unsafe { bound(options, calls, Builder::queue) }
}

/// Sets a count.
///
/// # Safety
/// As [`change`].
unsafe fn bound(
    options: *mut oxe_options,
    count: u32,
    set: fn(Builder, usize) -> Builder,
) -> oxe_status {
    let set = |options: &mut oxe_options| {
        if count == 0 {
            return Err(OXE_ERR_ARG);
        }
        options.change(|builder| set(builder, count as usize));
        Ok(())
    };
    // SAFETY: as the caller promises.
    unsafe { change(options, set) }
}

/// Sets how long a call may take, waiting included, before it gets `OXE_ERR_TIMEOUT`: in milliseconds, or
/// `OXE_FOREVER`. Python goes on with what it has begun; what it returns is dropped. Default 30000.
///
/// Threads: one thread at a time for the same options.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`; `OXE_ERR_ARG`, also for 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_options_timeout(
    options: *mut oxe_options,
    timeout_ms: u64,
) -> oxe_status {
    let set = |options: &mut oxe_options| {
        if timeout_ms == 0 {
            return Err(OXE_ERR_ARG);
        }
        let timeout = (timeout_ms != OXE_FOREVER).then(|| Duration::from_millis(timeout_ms));
        options.change(|builder| builder.timeout(timeout));
        Ok(())
    };
    // SAFETY: the caller gives NULL or options that are its own.
    unsafe { change(options, set) }
}

/// Says what a request's body is in Python: `OXE_BODY_TEXT`, the default, or `OXE_BODY_BYTES`. As text it is
/// UTF-8, and a byte that is none becomes a lone surrogate (`surrogateescape`, PEP 383): none is lost. All
/// else that is text in Python follows that rule whatever the body does.
///
/// Threads: one thread at a time for the same options.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`; `OXE_ERR_ARG`, also for another number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_options_body(options: *mut oxe_options, kind: u32) -> oxe_status {
    let set = |options: &mut oxe_options| {
        let body = match kind {
            OXE_BODY_TEXT => Body::Text,
            OXE_BODY_BYTES => Body::Bytes,
            _ => return Err(OXE_ERR_ARG),
        };
        options.change(|builder| builder.body(body));
        Ok(())
    };
    // SAFETY: the caller gives NULL or options that are its own.
    unsafe { change(options, set) }
}

/// Says whether files are looked at before calls, a few times a second, and modules that have changed are
/// imported anew, as by `oxe_python_reload`. For development. Default false.
///
/// Threads: one thread at a time for the same options.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`, `OXE_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_options_reload(options: *mut oxe_options, on: bool) -> oxe_status {
    let set = |options: &mut oxe_options| {
        options.change(|builder| builder.reload(on));
        Ok(())
    };
    // SAFETY: the caller gives NULL or options that are its own.
    unsafe { change(options, set) }
}
