//! Why a function cannot be called, or has not answered.

use std::fmt;
use std::time::Duration;

use crate::interpreter::InterpreterError;

/// Why Python does not start, or a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The interpreter does not start.
    Interpreter(InterpreterError),
    /// A setting of the builder is missing.
    Setting(&'static str),
    /// The module has no such function.
    Missing {
        /// The module.
        module: String,
        /// What was looked for in it.
        function: String,
    },
    /// What the module has under this name cannot be called.
    NotCallable {
        /// The module.
        module: String,
        /// The name.
        function: String,
        /// The type of what is there.
        found: String,
    },
    /// This function has been started already, and what was started has not been stopped.
    AlreadyStarted {
        /// `module.function`.
        function: String,
    },
    /// The system gives no thread; its own words.
    Threads(String),
    /// An exception that nobody has caught, `SystemExit` and `KeyboardInterrupt` among them; here a module's
    /// on its import, too.
    Python {
        /// The name of its type, `ValueError` or `worker.Refused` for example.
        exception: String,
        /// What it says of itself.
        message: String,
        /// As Python prints it.
        traceback: String,
    },
    /// The function has returned something of another shape than it must; what, and what was wanted.
    Answer(String),
    /// No answer came in this time. The function cannot be stopped: it goes on, and what it returns is
    /// dropped.
    Timeout(Duration),
    /// Too many calls wait already; this is how many may.
    Busy {
        /// The bound.
        queue: usize,
    },
    /// Python has been stopped.
    Stopped,
    /// A fault of this library, or of another one in Rust that the function has called. The panic's message
    /// is where the program's panic hook has put it.
    Panicked,
}

/// The kinds of [`Error`], as numbers that stay: for programs in other languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum ErrorKind {
    /// [`Error::Interpreter`]
    Interpreter = 1,
    /// [`Error::Setting`]
    Setting = 2,
    /// [`Error::Missing`]
    Missing = 3,
    /// [`Error::NotCallable`]
    NotCallable = 4,
    /// [`Error::AlreadyStarted`]
    AlreadyStarted = 5,
    /// [`Error::Threads`]
    Threads = 6,
    /// [`Error::Python`]
    Python = 7,
    /// [`Error::Answer`]
    Answer = 8,
    /// [`Error::Timeout`]
    Timeout = 9,
    /// [`Error::Busy`]
    Busy = 10,
    /// [`Error::Stopped`]
    Stopped = 11,
    /// [`Error::Panicked`]
    Panicked = 12,
}

impl Error {
    /// Its kind.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Interpreter(_) => ErrorKind::Interpreter,
            Error::Setting(_) => ErrorKind::Setting,
            Error::Missing { .. } => ErrorKind::Missing,
            Error::NotCallable { .. } => ErrorKind::NotCallable,
            Error::AlreadyStarted { .. } => ErrorKind::AlreadyStarted,
            Error::Threads(_) => ErrorKind::Threads,
            Error::Python { .. } => ErrorKind::Python,
            Error::Answer(_) => ErrorKind::Answer,
            Error::Timeout(_) => ErrorKind::Timeout,
            Error::Busy { .. } => ErrorKind::Busy,
            Error::Stopped => ErrorKind::Stopped,
            Error::Panicked => ErrorKind::Panicked,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Interpreter(_) => f.write_str("Python does not start"),
            Error::Setting(wanted) => f.write_str(wanted),
            Error::Missing { module, function } => {
                write!(f, "the module {module} has no {function}")
            }
            Error::NotCallable {
                module,
                function,
                found,
            } => write!(
                f,
                "{module}.{function} cannot be called: it is of type {found}"
            ),
            Error::AlreadyStarted { function } => {
                write!(
                    f,
                    "{function} has been started already, and not been stopped"
                )
            }
            Error::Threads(message) => write!(f, "cannot start a thread: {message}"),
            Error::Python {
                exception, message, ..
            } if message.is_empty() => f.write_str(exception),
            Error::Python {
                exception, message, ..
            } => write!(f, "{exception}: {message}"),
            Error::Answer(message) => f.write_str(message),
            Error::Timeout(after) => write!(f, "no answer within {after:?}"),
            Error::Busy { queue } => write!(f, "{queue} calls wait already, and no more may"),
            Error::Stopped => f.write_str("Python has been stopped"),
            Error::Panicked => f.write_str("a panic ended the call"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Interpreter(e) => Some(e),
            _ => None,
        }
    }
}

impl From<InterpreterError> for Error {
    fn from(e: InterpreterError) -> Self {
        Error::Interpreter(e)
    }
}
