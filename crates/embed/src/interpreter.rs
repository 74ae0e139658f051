//! The interpreter of this process: its settings, its start, its end.

mod config;
mod error;
mod exit;
mod signals;
mod thread;
mod venv;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyList;

pub use self::error::InterpreterError;
use self::thread::MainThread;
use crate::{ask, package};

/// How Python starts in this process, and the start itself.
///
/// A process has one interpreter. Whoever comes first starts it; a later start joins it, if it asks for
/// nothing that the running one does not have. Where the program has initialized Python itself
/// (`pyo3::Python::initialize`), the first start joins that.
///
/// ```
/// use oxbridge_embed::Interpreter;
///
/// Interpreter::new().start()?;
/// let version = oxbridge_embed::pyo3::Python::attach(|py| py.version().to_owned());
/// assert!(version.starts_with('3'));
/// # Ok::<(), oxbridge_embed::InterpreterError>(())
/// ```
///
/// **Signals** stay with the program: Python installs no handler, and Ctrl-C raises no `KeyboardInterrupt`.
///
/// Python's `subprocess` and `asyncio` change nothing about that.
///
/// **The main thread**, as Python's `threading.main_thread()` has it, is one that belongs to the interpreter
/// and runs no code of yours. So `signal.signal` raises `ValueError` in handlers, as on any other thread; and
/// a `threading.Thread` that a handler makes is a daemon unless it is told otherwise, as threads are that other
/// than Python's own have made.
///
/// **The end.** The interpreter is never torn down: CPython cannot do that safely under threads that it did
/// not start, or while a call that has timed out still runs. Instead, [`finish`](Self::finish) does
/// what a Python program's end does for its users: it stops what runs here, joins Python's threads, calls
/// what `atexit` holds, and flushes `sys.stdout` and `sys.stderr`. Without a call it happens when the
/// process exits (`main` returns, or `std::process::exit`), and takes no longer than a little over five seconds
/// then. A joined interpreter belongs to whoever initialized it, and so does its end.
///
/// **Fork.** A child process that `fork` has made without an `exec` has none of the threads that the
/// interpreter needs: a start there is an error, and its exit calls nothing of Python's. Start processes
/// with `std::process::Command`, or Python's `subprocess`.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing happens until it is started"]
pub struct Interpreter {
    venv: Option<PathBuf>,
    paths: Vec<PathBuf>,
    argv: Option<Vec<OsString>>,
    is_isolated: bool,
}

impl Interpreter {
    /// The default: the environment that the variable `VIRTUAL_ENV` names, if it is set, and Python's own
    /// variables (`PYTHONPATH`, `PYTHONHOME` and so on) in force, as for the program `python`.
    pub fn new() -> Self {
        Interpreter::default()
    }

    /// Uses this virtual environment, whatever `VIRTUAL_ENV` says: `sys.prefix` is its directory, and its
    /// packages can be imported. It must have been made by the Python version that the program is linked
    /// with.
    pub fn venv(mut self, directory: impl Into<PathBuf>) -> Self {
        self.venv = Some(directory.into());
        self
    }

    /// Puts a directory first in `sys.path`, before those that earlier calls have put there. The working
    /// directory is not in `sys.path` unless it is put there. Also possible for an interpreter that runs.
    pub fn path(mut self, directory: impl Into<PathBuf>) -> Self {
        self.paths.push(directory.into());
        self
    }

    /// What `sys.argv` is. Default: `[""]`.
    pub fn argv<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.argv = Some(arguments.into_iter().map(Into::into).collect());
        self
    }

    /// Whether the process's environment has no say: neither `VIRTUAL_ENV` nor Python's own variables
    /// count, nor the packages in the user's home directory. Default false.
    pub fn isolated(mut self, is_isolated: bool) -> Self {
        self.is_isolated = is_isolated;
        self
    }

    /// Starts Python, or joins the one that runs. Any thread may call it, also while Python runs.
    ///
    /// # Errors
    /// [`InterpreterError`]: an environment that is none or is another version's, settings other than those
    /// of the interpreter that runs, one that has finished.
    pub fn start(self) -> Result<(), InterpreterError> {
        // Whoever holds the lock may need Python.
        outside(|| self.start_outside())
    }

    fn start_outside(&self) -> Result<(), InterpreterError> {
        let mut state = lock(&STATE);
        match &*state {
            State::Finished => return Err(InterpreterError::Finished),
            State::Running(running) => running.agrees_with(self)?,
            State::Idle => {
                let running = if config::is_initialized() {
                    Running::join(self)?
                } else {
                    Running::start(self)?
                };
                *state = State::Running(running);
            }
        }
        drop(state);
        Python::attach(|py| add_paths(py, &self.paths))
            .map_err(|e| InterpreterError::Initialize(e.to_string()))
    }

    /// Ends Python's part in this process, as the type's description says, and waits for that, at most for
    /// about `grace`. False if something has not ended by then. Later starts and calls are errors.
    ///
    /// An interpreter that was joined goes on.
    pub fn finish(grace: Duration) -> bool {
        exit::finish(grace)
    }
}

/// What has become of the interpreter.
enum State {
    Idle,
    Running(Running),
    Finished,
}

static STATE: Mutex<State> = Mutex::new(State::Idle);

struct Running {
    /// The process that started it.
    process: u32,
    settings: Interpreter,
    /// `None` where somebody else has initialized Python.
    main: Option<MainThread>,
}

impl Running {
    fn start(settings: &Interpreter) -> Result<Self, InterpreterError> {
        let main = MainThread::start(settings)?;
        exit::register();
        Ok(Running {
            process: std::process::id(),
            settings: settings.clone(),
            main: Some(main),
        })
    }

    /// Joins an interpreter that the program has initialized, whose environment and arguments are what
    /// they are.
    fn join(settings: &Interpreter) -> Result<Self, InterpreterError> {
        let running = Running {
            process: std::process::id(),
            settings: Interpreter::new(),
            main: None,
        };
        running.agrees_with(settings)?;
        Python::attach(|py| {
            signals::keep_joined(py).map_err(|e| InterpreterError::Initialize(e.to_string()))?;
            package::install(py)?;
            ask::stop_at_exit(py).map_err(|e| InterpreterError::Initialize(e.to_string()))
        })?;
        Ok(running)
    }

    /// Whether a start with these settings would have made the same interpreter.
    fn agrees_with(&self, settings: &Interpreter) -> Result<(), InterpreterError> {
        if self.process != std::process::id() {
            return Err(InterpreterError::Forked);
        }
        let differs = |setting, asked: String, running: String| {
            Err(InterpreterError::Differs {
                setting,
                asked,
                running,
            })
        };
        if let Some(asked) = &settings.venv {
            let prefix = Python::attach(prefix);
            if !prefix.as_deref().is_some_and(|prefix| same(prefix, asked)) {
                let prefix = prefix.unwrap_or_default();
                return differs(
                    "venv",
                    asked.display().to_string(),
                    prefix.display().to_string(),
                );
            }
        }
        if let Some(asked) = &settings.argv
            && self.settings.argv.as_ref() != Some(asked)
        {
            let running = self.settings.argv.as_ref();
            return differs(
                "argv",
                format!("{asked:?}"),
                running.map_or_else(|| "[\"\"]".to_owned(), |argv| format!("{argv:?}")),
            );
        }
        if settings.is_isolated && !self.settings.is_isolated {
            return differs("isolated", "true".to_owned(), "false".to_owned());
        }
        Ok(())
    }
}

/// `sys.prefix`.
fn prefix(py: Python<'_>) -> Option<PathBuf> {
    let prefix = py.import("sys").and_then(|sys| sys.getattr("prefix"));
    prefix.and_then(|prefix| prefix.extract()).ok()
}

fn same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// Puts what `sys.path` does not have yet at its front.
fn add_paths(py: Python<'_>, paths: &[PathBuf]) -> PyResult<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let path = py.import("sys")?.getattr("path")?.cast_into::<PyList>()?;
    for directory in paths {
        // A relative one would mean something else after a change of the working directory.
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.clone());
        let directory = directory.as_os_str();
        if !path.contains(directory)? {
            path.insert(0, directory)?;
        }
    }
    Ok(())
}

/// Runs `wait`, which may take long, outside Python: a Rust function that Python has called would keep everybody
/// else out of it.
pub(crate) fn outside<R: Send>(wait: impl FnOnce() -> R + Send) -> R {
    // SAFETY: may be called on any thread; without an interpreter, nobody is inside.
    if config::is_initialized() && unsafe { ffi::PyGILState_Check() } != 0 {
        return Python::attach(|py| py.detach(wait));
    }
    wait()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
