//! Where values come from when no node has them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Kind};
use crate::value::Value;

/// What a getter's work is.
pub type GetterFuture = Pin<Box<dyn Future<Output = Result<Value, Error>> + Send>>;

/// Loads the value of a key, which may be any bytes. It is called at most once at a time for each key,
/// on the runtime of its [`Instance`](crate::Instance); what it returns is cached.
///
/// Any `Fn(Bytes) -> impl Future<Output = Result<Value, Error>>` is one.
pub trait Getter: Send + Sync + 'static {
    /// Starts to load `key`. [`Error::not_found`] says that there is no such thing, which may be
    /// remembered; any other error is told to all who wait, and the next caller tries again.
    fn load(&self, key: Bytes) -> GetterFuture;
}

impl<F, R> Getter for F
where
    F: Fn(Bytes) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Value, Error>> + Send + 'static,
{
    fn load(&self, key: Bytes) -> GetterFuture {
        Box::pin(self(key))
    }
}

/// A getter that blocks: it runs on the runtime's threads for blocking work.
pub(crate) struct Blocking<F>(Arc<F>);

impl<F> Blocking<F> {
    pub(crate) fn new(get: F) -> Blocking<F> {
        Blocking(Arc::new(get))
    }
}

impl<F> Getter for Blocking<F>
where
    F: Fn(&[u8]) -> Result<Value, Error> + Send + Sync + 'static,
{
    fn load(&self, key: Bytes) -> GetterFuture {
        let get = self.0.clone();
        Box::pin(async move {
            match tokio::task::spawn_blocking(move || get(&key)).await {
                Ok(outcome) => outcome,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => Err(panicked(&*panic)),
                    Err(_) => Err(Kind::Closed.into()),
                },
            }
        })
    }
}

/// What a panic said.
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("(no message)");
    Kind::Panicked(message.to_owned()).into()
}
