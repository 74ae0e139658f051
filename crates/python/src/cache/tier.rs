//! `CacheTier`: a second tier, as Python's `Redis` describes it.

use std::sync::Arc;

use oxbridge_cache::{Invalidation, Redis, Tier, TierError};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::group::time_to_live;
use super::home::Home;

/// What Python's `Redis` says.
#[derive(FromPyObject)]
pub(crate) struct RedisSettings {
    url: Option<String>,
    sentinels: Vec<String>,
    master: Option<String>,
    cluster: Vec<String>,
    prefix: String,
    timeout: f64,
    max_stale: f64,
    invalidation: String,
    username: Option<String>,
    password: Option<String>,
    database: Option<i64>,
}

/// A second tier, on the runtime of the instance that has made it.
#[pyclass(frozen, name = "CacheTier", module = "oxbridge._oxbridge")]
pub(crate) struct PyTier(pub(crate) Tier);

#[pymethods]
impl PyTier {
    /// Whether changes that others make are told.
    #[getter]
    fn is_listening(&self) -> bool {
        self.0.is_listening()
    }
}

impl PyTier {
    pub(crate) fn new(home: &Arc<Home>, settings: &RedisSettings) -> PyResult<PyTier> {
        let tier = settings
            .read()
            .and_then(|redis| Tier::on(home.handle().clone(), redis).map_err(wrong))?;
        Ok(PyTier(tier))
    }
}

impl RedisSettings {
    fn read(&self) -> PyResult<Redis> {
        let mut redis = match (&self.url, &self.sentinels[..], &self.cluster[..]) {
            (Some(url), [], []) => Redis::single(url),
            (None, [_, ..], []) => {
                let Some(master) = &self.master else {
                    return Err(PyValueError::new_err(
                        "master is missing: the name under which the sentinels know the master",
                    ));
                };
                Redis::sentinel(&self.sentinels, master)
            }
            (None, [], [_, ..]) => Redis::cluster(&self.cluster),
            _ => {
                return Err(PyValueError::new_err(
                    "wanted exactly one of url, sentinels and cluster",
                ));
            }
        }
        .map_err(wrong)?;
        if self.sentinels.is_empty() {
            for (name, given) in [
                ("master", self.master.is_some()),
                ("username", self.username.is_some()),
                ("password", self.password.is_some()),
                ("database", self.database.is_some()),
            ] {
                if given {
                    return Err(PyValueError::new_err(format!(
                        "{name} is for sentinels only; elsewhere the URL says it"
                    )));
                }
            }
        }
        if let Some(password) = &self.password {
            redis = redis.login(self.username.as_deref(), password);
        }
        if let Some(database) = self.database {
            redis = redis.database(database);
        }
        if let Some(timeout) = time_to_live("timeout", Some(self.timeout))? {
            redis = redis.timeout(timeout);
        }
        if let Some(max_stale) = time_to_live("max_stale", Some(self.max_stale))? {
            redis = redis.max_stale(max_stale);
        }
        let invalidation = match self.invalidation.as_str() {
            "pubsub" => Invalidation::PubSub,
            "tracking" => Invalidation::Tracking,
            other => {
                return Err(PyValueError::new_err(format!(
                    "invalidation is {other:?}; wanted \"pubsub\" or \"tracking\""
                )));
            }
        };
        Ok(redis.prefix(&self.prefix).invalidation(invalidation))
    }
}

fn wrong(error: TierError) -> PyErr {
    PyValueError::new_err(error.to_string())
}
