//! The extension module behind the Python package `oxbridge`: thin translations of the server's types,
//! one file for each. What HTTP says belongs in the crate `oxbridge`, what Python users see in the package.
//!
//! It is a Rust library, too, for programs that have Python inside: they put [`module`] in its place, and
//! give their servers [`Interpreter`] for a host; calls that such a server's threads make go through
//! [`context`]. [`in_process`] is their way in to servers that Python has started.

mod aio;
mod asgi;
mod awaitable;
mod cache;
mod call;
mod content;
pub mod context;
mod convert;
mod cookies;
mod core;
mod edge;
mod errors;
mod headers;
mod logs;
mod metrics;
mod mounted;
mod multipart;
mod mux;
pub mod names;
mod options;
mod request;
mod routes;
mod rsgi;
mod send;
mod tasks;
mod tls;
mod turns;
mod values;
mod websocket;
mod writer;
mod wsgi;

use pyo3::prelude::*;
use pyo3::wrap_pymodule;

pub use call::Interpreter;
pub use core::in_process;
pub use logs::leave_logging;

/// The module `oxbridge._oxbridge`, for an importer that gives it that name. It is made once, however often it
/// is asked for.
///
/// # Errors
/// What naming it raises, which is nothing but want of memory.
///
/// # Panics
/// Where another interpreter of the process has it already.
pub fn module(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    let module = wrap_pymodule!(_oxbridge)(py).into_bound(py);
    module.setattr("__name__", "oxbridge._oxbridge")?;
    Ok(module)
}

/// The module; see `_oxbridge.pyi` for what is in it.
#[pymodule(gil_used = false)]
fn _oxbridge(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = m.py();
    m.add_class::<writer::Writer>()?;
    m.add_class::<request::Request>()?;
    m.add_class::<headers::Headers>()?;
    m.add_class::<values::Values>()?;
    m.add_class::<multipart::Part>()?;
    m.add_class::<multipart::Parts>()?;
    m.add_class::<mux::Mux>()?;
    m.add_class::<tls::Tls>()?;
    m.add_class::<tls::TlsInfo>()?;
    m.add_class::<core::Core>()?;
    m.add_class::<turns::Turns>()?;
    m.add_class::<asgi::AsgiApp>()?;
    m.add_class::<rsgi::RsgiApp>()?;
    m.add_class::<wsgi::WsgiApp>()?;
    m.add("ProtocolError", py.get_type::<rsgi::ProtocolError>())?;
    m.add("ProtocolClosed", py.get_type::<rsgi::ProtocolClosed>())?;
    m.add_class::<metrics::Metrics>()?;
    m.add_class::<metrics::Admin>()?;
    m.add("PatternError", py.get_type::<errors::PatternError>())?;
    m.add("ResponseEnded", py.get_type::<errors::ResponseEnded>())?;
    m.add("ClientGone", py.get_type::<errors::ClientGone>())?;
    m.add("BodyTooLarge", py.get_type::<errors::BodyTooLarge>())?;
    m.add("BodyTimeout", py.get_type::<errors::BodyTimeout>())?;
    m.add("BadBody", py.get_type::<errors::BadBody>())?;
    cache::register(m)?;
    // Threads that still run Python when the interpreter goes away would hang in it.
    let stop_all = wrap_pyfunction!(core::stop_all, m)?;
    py.import("atexit")?.call_method1("register", (stop_all,))?;
    Ok(())
}
