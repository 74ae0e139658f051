//! Why an application does not start.

use std::fmt;

use pyo3::prelude::*;

use crate::interpreter::InterpreterError;

/// Why an application does not start. Each text is one sentence for its operator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppError {
    /// Python does not start.
    Interpreter(InterpreterError),
    /// The text that names the application is of another form than `module:attribute`.
    Name(String),
    /// There is no such module, nor file.
    ModuleMissing(String),
    /// The module has nothing of that name.
    AttributeMissing(String),
    /// What has that name is no application, or one of the other kind, or a factory that the builder was
    /// not told of.
    NotAnApplication(String),
    /// The application's own code raised an exception.
    Failed {
        /// Which, and what it said.
        message: String,
        /// Python's traceback, with the frames of the application alone.
        traceback: String,
    },
    /// The application refused to start (ASGI, "Lifespan Protocol"): its own message.
    Startup(String),
    /// A setting is not what it should be.
    Setting(String),
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppError::Interpreter(e) => e.fmt(f),
            AppError::Name(text)
            | AppError::ModuleMissing(text)
            | AppError::AttributeMissing(text)
            | AppError::NotAnApplication(text)
            | AppError::Startup(text)
            | AppError::Setting(text) => f.write_str(text),
            AppError::Failed { message, .. } => f.write_str(message),
        }
    }
}

impl std::error::Error for AppError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            AppError::Interpreter(e) => std::error::Error::source(e),
            _ => None,
        }
    }
}

impl From<InterpreterError> for AppError {
    fn from(e: InterpreterError) -> Self {
        AppError::Interpreter(e)
    }
}

impl AppError {
    /// What a start has raised.
    pub(super) fn of(py: Python<'_>, error: &PyErr) -> Self {
        match explain(py, error) {
            Ok(told) => told,
            // The words for it cannot be found, for want of memory for example.
            Err(_) => AppError::Failed {
                message: error.to_string(),
                traceback: String::new(),
            },
        }
    }
}

fn explain(py: Python<'_>, error: &PyErr) -> PyResult<AppError> {
    let described = py
        .import("oxbridge._embedded")?
        .call_method1("describe", (error.value(py),))?;
    let (message, traceback): (String, String) = described.extract()?;
    let errors = py.import("oxbridge._cli.errors")?;
    let is = |name: &str| -> PyResult<bool> { Ok(error.is_instance(py, &errors.getattr(name)?)) };
    let startup_failed = py.import("oxbridge._mounted")?.getattr("StartupFailed")?;
    Ok(if is("ModuleMissing")? {
        AppError::ModuleMissing(message)
    } else if is("AttributeMissing")? {
        AppError::AttributeMissing(message)
    } else if is("NotAnApplication")? {
        AppError::NotAnApplication(message)
    } else if is("CommandError")? && !is("AppFailed")? {
        AppError::Name(message)
    } else if error.is_instance(py, &startup_failed) {
        AppError::Startup(message)
    } else {
        AppError::Failed { message, traceback }
    })
}
