//! `oxbridge.cache`: the crate `oxbridge-cache` for Python. What a cache does is the crate's affair; here
//! values become objects, and whoever waits does so as Python has it.

mod awaits;
mod changes;
mod codec;
mod delivery;
mod errors;
mod following;
mod getter;
mod group;
mod home;
mod instance;
mod key;
mod listener;
mod objects;
mod stats;
mod tier;
mod waits;

use pyo3::prelude::*;

/// Adds the classes, and has the interpreter tell of its end and of forks.
pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = m.py();
    m.add_class::<instance::Instance>()?;
    m.add_class::<group::Group>()?;
    m.add_class::<tier::PyTier>()?;
    m.add_class::<following::PyFollowing>()?;
    m.add_class::<listener::Listener>()?;
    m.add_class::<awaits::Wakeups>()?;
    m.add_class::<delivery::Delivery>()?;
    m.add("CacheError", py.get_type::<errors::CacheError>())?;
    m.add("NotFound", py.get_type::<errors::NotFound>())?;
    m.add("RemoteError", py.get_type::<errors::RemoteError>())?;
    m.add("PeerError", py.get_type::<errors::PeerError>())?;
    m.add("TierError", py.get_type::<errors::TierError>())?;
    m.add("Unsupported", py.get_type::<errors::Unsupported>())?;
    m.add("CacheClosed", py.get_type::<errors::CacheClosed>())?;
    let close_all = wrap_pyfunction!(home::close_all, m)?;
    py.import("atexit")?
        .call_method1("register", (close_all,))?;
    let hooks = pyo3::types::PyDict::new(py);
    hooks.set_item("after_in_child", wrap_pyfunction!(home::forked, m)?)?;
    py.import("os")?
        .call_method("register_at_fork", (), Some(&hooks))?;
    Ok(())
}
