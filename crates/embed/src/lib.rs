//! Python inside a Rust HTTP program.
//!
//! [`Python`] is a Python function that answers requests, on threads that have entered the interpreter once, with
//! a bound on what waits and on how long it takes. [`Interpreter`] starts Python in this process: once, with
//! the signal handlers left alone, in a virtual environment if there is one, with the Python package
//! `oxbridge` on board.
//!
//! [`Wsgi`] and [`Asgi`] make tower services of whole applications, Django's, Flask's or FastAPI's for
//! example: a site moves to Rust one route at a time.
//!
//! The program links to libpython. What finds it at run time is the program's choice: an rpath, as
//! `pyo3_build_config::add_libpython_rpath_link_args()` in its build script sets one, or the system's own
//! directories.

#![deny(missing_docs)]

mod answer;
mod app;
mod arguments;
mod ask;
mod builder;
mod call;
mod calls;
mod claim;
mod engine;
mod error;
mod exception;
mod function;
mod inbox;
mod interpreter;
mod package;
mod python;
mod reload;
mod request;
mod response;
mod text;

pub use app::{App, AppBuilder, AppError, Asgi, Lifespan, Responding, Wsgi};
pub use builder::Builder;
pub use calls::Load;
pub use error::{Error, ErrorKind};
pub use interpreter::{Interpreter, InterpreterError};
pub use python::{Body, Python};
pub use request::{Request, Values};
pub use response::Response;

pub use pyo3;

/// The guide's example is compiled, too.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/mounting.md")]
struct Guide;
