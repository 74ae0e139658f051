//! Counters of a group, as a dictionary that JSON takes.

use oxbridge_cache::{CacheStats, Stats};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// `oxbridge.cache.Stats`.
pub(crate) fn dictionary<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyDict>> {
    let counters = [
        ("gets", stats.gets),
        ("cache_hits", stats.cache_hits),
        ("stale_hits", stats.stale_hits),
        ("loads", stats.loads),
        ("loads_deduped", stats.loads_deduped),
        ("local_loads", stats.local_loads),
        ("local_load_errs", stats.local_load_errs),
        ("peer_loads", stats.peer_loads),
        ("peer_errors", stats.peer_errors),
        ("tier_hits", stats.tier_hits),
        ("tier_errors", stats.tier_errors),
        ("server_requests", stats.server_requests),
        ("sets", stats.sets),
        ("deletes", stats.deletes),
    ];
    let all = PyDict::new(py);
    for (name, count) in counters {
        all.set_item(name, count)?;
    }
    all.set_item("main", cache(py, &stats.main)?)?;
    all.set_item("hot", cache(py, &stats.hot)?)?;
    Ok(all)
}

/// `oxbridge.cache.CacheStats`.
fn cache<'py>(py: Python<'py>, stats: &CacheStats) -> PyResult<Bound<'py, PyDict>> {
    let counters = [
        ("bytes", stats.bytes),
        ("items", stats.items),
        ("hits", stats.hits),
        ("evictions", stats.evictions),
    ];
    let all = PyDict::new(py);
    for (name, count) in counters {
        all.set_item(name, count)?;
    }
    Ok(all)
}
