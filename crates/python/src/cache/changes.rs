//! Sets and deletes. Where they go to other nodes they are tasks of their own, which go on whoever waits
//! for them.

use std::future::Future;

use oxbridge_cache::{Error, Kind};
use pyo3::prelude::*;
use tokio::task::{JoinError, JoinHandle};

use super::errors::exception;
use super::group::{Group, time_to_live};
use super::key::key_of;
use super::{awaits, waits};

/// A change of the cluster.
pub(super) type Change = JoinHandle<Result<(), Error>>;

impl Group {
    pub(super) fn begin_set(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        ttl: Option<f64>,
    ) -> PyResult<Option<Change>> {
        let key = key_of(key)?;
        self.values.source.home.check()?;
        let whose = format!("the value for the group {:?}", self.values.source.name);
        let mut value = self.values.source.codec.encode(value, &whose)?;
        if let Some(ttl) = time_to_live("ttl", ttl)? {
            value = value.with_ttl(ttl);
        }
        if !self.is_shared {
            self.values.group.set_local(key, value);
            return Ok(None);
        }
        let (group, key) = (self.values.group.clone(), key.to_vec());
        Ok(Some(self.run(async move { group.set(&key, value).await })))
    }

    pub(super) fn begin_delete(&self, keys: Vec<Vec<u8>>) -> PyResult<Option<Change>> {
        self.values.source.home.check()?;
        if !self.is_shared {
            for key in &keys {
                self.values.group.delete_local(key);
            }
            return Ok(None);
        }
        let group = self.values.group.clone();
        Ok(Some(
            self.run(async move { group.delete_many(&keys).await }),
        ))
    }

    pub(super) fn begin_clear(&self) -> Change {
        let group = self.values.group.clone();
        self.run(async move { group.clear_everywhere().await })
    }

    fn run(&self, change: impl Future<Output = Result<(), Error>> + Send + 'static) -> Change {
        self.values.source.home.handle().spawn(change)
    }

    pub(super) fn finish(&self, py: Python<'_>, change: Change) -> PyResult<()> {
        let outcome = waits::wait(py, change)?;
        ended(py, outcome)
    }

    pub(super) fn finish_later(&self, py: Python<'_>, change: Change) -> PyResult<Py<PyAny>> {
        awaits::awaitable(
            py,
            change,
            |py, outcome| ended(py, outcome).map(|()| py.None()),
            || self.waiting(py, &[]),
        )
    }
}

fn ended(py: Python<'_>, outcome: Result<Result<(), Error>, JoinError>) -> PyResult<()> {
    let outcome = outcome.unwrap_or_else(|_| Err(Kind::Closed.into()));
    outcome.map_err(|error| exception(py, &error))
}
