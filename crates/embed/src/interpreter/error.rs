//! Why Python does not start.

use std::fmt;
use std::path::PathBuf;

/// Why Python does not start, or cannot be joined.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InterpreterError {
    /// The directory is no virtual environment.
    NotAVenv {
        /// The directory.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// The virtual environment was made by another version of Python than the program is linked with.
    VenvVersion {
        /// The environment's directory.
        path: PathBuf,
        /// Its version, `3.12` for example.
        found: String,
        /// The program's.
        wanted: String,
    },
    /// Python runs already, with other settings. There is one interpreter in a process.
    Differs {
        /// The name of the setting.
        setting: &'static str,
        /// What this start asked for.
        asked: String,
        /// What the interpreter that runs has.
        running: String,
    },
    /// A setting has a NUL in it, which no path and no argument can have.
    Nul {
        /// The name of the setting.
        setting: &'static str,
    },
    /// CPython could not be initialized; its own words.
    Initialize(String),
    /// Another package `oxbridge` has been imported already; this is its file. Start before that import.
    Shadowed(String),
    /// The interpreter has finished: see [`Interpreter::finish`](crate::Interpreter::finish).
    Finished,
    /// This process is a `fork` of the one whose interpreter it is.
    Forked,
}

impl fmt::Display for InterpreterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InterpreterError::NotAVenv { path, reason } => {
                write!(f, "{} is no virtual environment: {reason}", path.display())
            }
            InterpreterError::VenvVersion {
                path,
                found,
                wanted,
            } => write!(
                f,
                "the virtual environment {} is for Python {found}; this program has Python {wanted}",
                path.display()
            ),
            InterpreterError::Differs {
                setting,
                asked,
                running,
            } => write!(
                f,
                "Python runs already, with {setting} {running}; asked for {setting} {asked}"
            ),
            InterpreterError::Nul { setting } => write!(f, "{setting} has a NUL in it"),
            InterpreterError::Initialize(message) => {
                write!(f, "Python could not be initialized: {message}")
            }
            InterpreterError::Shadowed(file) => write!(
                f,
                "another package oxbridge has been imported from {file}; start Python here before that"
            ),
            InterpreterError::Finished => {
                f.write_str("Python has finished in this process and cannot start again")
            }
            InterpreterError::Forked => f.write_str(
                "Python was started in the parent of this process, and its threads are not in a fork",
            ),
        }
    }
}

impl std::error::Error for InterpreterError {}
