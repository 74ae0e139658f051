//! The extension module behind the Python package `oxbridge`: thin translations of the server's types,
//! one file for each. What HTTP says belongs in the crate `oxbridge`, what Python users see in the package.

mod aio;
mod asgi;
mod awaitable;
mod cache;
mod call;
mod content;
mod context;
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
mod names;
mod options;
mod request;
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
