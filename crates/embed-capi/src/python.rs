//! A Python function that has been started: how it starts and stops, and what it tells of itself.

use std::time::Duration;

use oxbridge_embed::pyo3::ffi;
use oxbridge_embed::{Interpreter, Python};

use crate::callbacks::Callbacks;
use crate::entry::{entry, explained, guarded, put, take, wanted};
use crate::fail::{Fail, oxe_error};
use crate::fork;
use crate::options::oxe_options;
use crate::status::oxe_status::{self, *};

/// A Python function that answers requests. Opaque. Any thread may use it until it is freed.
pub struct oxe_python {
    pub(crate) python: Python,
    pub(crate) callbacks: Callbacks,
}

/// How many calls there are.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct oxe_load {
    /// Calls that wait for a thread.
    pub waiting: u64,
    /// Calls that run, and that somebody waits for.
    pub running: u64,
    /// Calls that run though they have timed out or been cancelled.
    pub abandoned: u64,
}

/// What the caller has started, in the process that has started it.
///
/// # Safety
/// `python` is NULL or one that is not freed while the result lives.
pub(crate) unsafe fn get<'a>(python: *const oxe_python) -> Result<&'a oxe_python, oxe_status> {
    // SAFETY: as the caller promises.
    let python = unsafe { python.as_ref() }.ok_or(OXE_ERR_ARG)?;
    fork::refuse()?;
    Ok(python)
}

/// Starts Python, unless it runs in this process already; imports the modules; calls the function for the
/// start. It waits for all that.
///
/// A process has one interpreter. A function that has been started is not started again until it is stopped;
/// another function may be, if its options ask for nothing that the interpreter does not have. Signal handlers
/// stay as they are: Python installs none.
///
/// Ownership: `options` is taken, also on failure. `out` is written on success: what it gets is the caller's,
/// until `oxe_python_free`. `error` is written on failure, and the caller's to free.
/// Threads: any thread.
/// NULL: `OXE_ERR_ARG` for `options` and `out`; `error` may be NULL.
/// Returns: `OXE_OK`; `OXE_ERR_STARTED`; `OXE_ERR_INTERPRETER`; `OXE_ERR_PYTHON`: a module cannot be
/// imported, or the function for the start has raised; `OXE_ERR_MISSING`; `OXE_ERR_NOT_CALLABLE`;
/// `OXE_ERR_ANSWER`: the function for the start has returned something else than it must; `OXE_ERR_STOPPED`:
/// after `oxe_finish`; `OXE_ERR_LIMIT`: the system gives no thread; `OXE_ERR_FORKED`; `OXE_ERR_ARG`, also
/// where no function for requests is named.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_python_start(
    options: *mut oxe_options,
    out: *mut *mut oxe_python,
    error: *mut *mut oxe_error,
) -> oxe_status {
    let call = || {
        // SAFETY: NULL, or options of this library, and the caller gives them up.
        let options = unsafe { take(options) }.ok_or_else(|| Fail::arg("options is NULL"))?;
        wanted(out).map_err(|_| Fail::arg("out is NULL"))?;
        fork::refuse()?;
        fork::claim();
        let python = Box::new(oxe_python {
            python: options.start()?,
            callbacks: Callbacks::new(),
        });
        // SAFETY: not NULL, so the caller's to be written.
        Ok(unsafe { put(out, Box::into_raw(python)) }?)
    };
    // SAFETY: `error` is NULL or the caller's to be written.
    unsafe { explained(error, call) }
}

/// How many calls there are at this moment.
///
/// Ownership: `out` is written on success.
/// Threads: any thread.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`, `OXE_ERR_ARG`, `OXE_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_python_load(
    python: *const oxe_python,
    out: *mut oxe_load,
) -> oxe_status {
    entry(|| {
        // SAFETY: NULL, or one that is not freed meanwhile.
        let load = unsafe { get(python) }?.python.load();
        let load = oxe_load {
            waiting: load.waiting as u64,
            running: load.running as u64,
            abandoned: load.abandoned as u64,
        };
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, load) }
    })
}

/// Imports those modules again whose files have changed since they were imported, and exchanges the function
/// for its new version at once. For development. Waits for Python.
///
/// Ownership: `count`, how many modules those were, is written on success. `error` is written on failure, and
/// the caller's to free.
/// Threads: any thread.
/// NULL: `OXE_ERR_ARG` for `python`; `count` and `error` may be NULL.
/// Returns: `OXE_OK`; `OXE_ERR_PYTHON`, `OXE_ERR_MISSING`, `OXE_ERR_NOT_CALLABLE`: all is as it was before;
/// `OXE_ERR_STOPPED`, `OXE_ERR_ARG`, `OXE_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_python_reload(
    python: *const oxe_python,
    count: *mut usize,
    error: *mut *mut oxe_error,
) -> oxe_status {
    let call = || {
        // SAFETY: NULL, or one that is not freed meanwhile.
        let names = unsafe { get(python) }?.python.reload()?;
        if !count.is_null() {
            // SAFETY: not NULL, so the caller's to be written.
            unsafe { put(count, names.len()) }?;
        }
        Ok(())
    };
    // SAFETY: `error` is NULL or the caller's to be written.
    unsafe { explained(error, call) }
}

/// Stops: new calls get `OXE_ERR_STOPPED`, those that are there may finish. What has not finished after
/// `grace_ms` milliseconds gets it, too. Waits for that; callbacks may still be called until `oxe_python_free`
/// returns. The function may be started again then.
///
/// Threads: any thread, also in callbacks.
/// NULL: `OXE_ERR_ARG`.
/// Returns: `OXE_OK`; `OXE_ERR_TIMEOUT`: the function still runs somewhere, and cannot be ended; also where it
/// calls this itself; `OXE_ERR_ARG`, `OXE_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_python_stop(python: *mut oxe_python, grace_ms: u64) -> oxe_status {
    entry(|| {
        // SAFETY: NULL, or one that is not freed meanwhile.
        let python = unsafe { get(python) }?;
        if python.python.stop(Duration::from_millis(grace_ms)) {
            Ok(())
        } else {
            Err(OXE_ERR_TIMEOUT)
        }
    })
}

/// Stops at once, as `oxe_python_stop` with no time, and frees. When it returns, every callback has been called
/// and has returned. In a callback, or where Python calls it, it does not wait for that, and those that are left
/// are called afterwards. A Python function that still runs goes on, and what it returns is dropped.
///
/// Ownership: `python` is taken. In a process that was forked from the one that has started it, nothing is
/// freed: the memory goes with the process.
/// Threads: any thread; nobody may begin to use it meanwhile or afterwards. Calls that wait get
/// `OXE_ERR_STOPPED`.
/// NULL: nothing happens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_python_free(python: *mut oxe_python) {
    guarded(|| {
        if fork::refuse().is_err() {
            return;
        }
        // SAFETY: NULL, or one of this library, and the caller gives it up.
        let Some(python) = (unsafe { take(python) }) else {
            return;
        };
        let oxe_python { python, callbacks } = *python;
        // SAFETY: may be called on any thread once an interpreter has been initialized, which it has.
        let is_in_python = unsafe { ffi::PyGILState_Check() } != 0;
        python.stop(Duration::ZERO);
        drop(python);
        if is_in_python || callbacks.are_here() {
            callbacks.close();
        } else {
            callbacks.end();
        }
    });
}

/// Ends Python's part in this process, which would otherwise come with the process's own exit: stops every
/// function, joins Python's threads, calls what `atexit` holds, flushes `sys.stdout` and `sys.stderr`. At most
/// for about `grace_ms` milliseconds. Nothing can be started afterwards; what has been started is still to be
/// freed. Without Python, nothing happens.
///
/// Threads: any thread.
/// Returns: `OXE_OK`; `OXE_ERR_TIMEOUT`: something has not ended by then; `OXE_ERR_FORKED`.
#[unsafe(no_mangle)]
pub extern "C" fn oxe_finish(grace_ms: u64) -> oxe_status {
    entry(|| {
        fork::refuse()?;
        if Interpreter::finish(Duration::from_millis(grace_ms)) {
            Ok(())
        } else {
            Err(OXE_ERR_TIMEOUT)
        }
    })
}
