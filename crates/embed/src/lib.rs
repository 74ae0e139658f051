//! CPython inside a Rust HTTP program.
//!
//! [`Interpreter`] starts Python in this process: once, with the signal handlers left alone, in a virtual
//! environment if there is one, with the Python package `oxbridge` on board.
//!
//! [`Wsgi`] and [`Asgi`] make tower services of whole applications, Django's, Flask's or FastAPI's for
//! example: a site moves to Rust one route at a time.
//!
//! The program links to libpython. What finds it at run time is the program's choice: an rpath, as
//! `pyo3_build_config::add_libpython_rpath_link_args()` in its build script sets one, or the system's own
//! directories.

#![deny(missing_docs)]

mod app;
mod interpreter;
mod package;

pub use app::{App, AppBuilder, AppError, Asgi, Lifespan, Responding, Wsgi};
pub use interpreter::{Interpreter, InterpreterError};
pub use pyo3;
