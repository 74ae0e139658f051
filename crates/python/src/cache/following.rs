//! `CacheFollowing`: a list of peers that is kept elsewhere, and followed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use oxbridge_cache::{Following, Source};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::home::Home;
use super::tier::PyTier;
use crate::convert::lock;

/// Follows until it is closed.
#[pyclass(frozen, name = "CacheFollowing", module = "oxbridge._oxbridge")]
pub(crate) struct PyFollowing {
    following: Mutex<Option<Following>>,
    home: Arc<Home>,
}

#[pymethods]
impl PyFollowing {
    /// Follows no longer, and takes this node out of a registry.
    fn close(&self, py: Python<'_>) {
        let following = lock(py, &self.following).take();
        if let Some(following) = following
            && self.home.check().is_ok()
        {
            py.detach(|| self.home.handle().block_on(following.leave()));
        }
    }
}

impl PyFollowing {
    pub(crate) fn new(following: Following, home: Arc<Home>) -> PyFollowing {
        PyFollowing {
            following: Mutex::new(Some(following)),
            home,
        }
    }
}

/// A source of one of the kinds that Python knows: exactly one is given.
pub(crate) fn source(
    dns: Option<String>,
    file: Option<PathBuf>,
    registry: Option<&Bound<'_, PyTier>>,
) -> PyResult<Source> {
    match (dns, file, registry) {
        (Some(dns), None, None) => {
            let port = dns.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
            if !matches!(port, Some(Ok(_))) {
                return Err(PyValueError::new_err(format!(
                    "dns is {dns:?}; wanted a name and a port, as in \"cache.default.svc:7000\""
                )));
            }
            Ok(Source::Dns(dns))
        }
        (None, Some(file), None) => Ok(Source::File(file)),
        (None, None, Some(tier)) => Ok(Source::Registry(tier.get().0.clone())),
        _ => Err(PyValueError::new_err(
            "wanted exactly one of dns, file and registry",
        )),
    }
}
