//! The connection for commands: made when it is needed, made anew when it has broken, left alone for a while
//! when the engine does not answer.

use std::pin::Pin;
use std::time::Instant;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, FromRedisValue, RedisError, Value};
use tokio::sync::Mutex;

use crate::breaker::Breaker;

use super::settings::Redis;

/// A connection that commands of many tasks share.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// See the module.
pub(super) struct Link {
    settings: Redis,
    /// And how many there were before it.
    open: Mutex<(u64, Option<Connection>)>,
    breaker: Breaker,
}

impl Link {
    pub(super) fn new(settings: Redis) -> Link {
        Link {
            settings,
            open: Mutex::default(),
            breaker: Breaker::default(),
        }
    }

    /// Has the engine do something.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, String> {
        if !self.breaker.admits(Instant::now()) {
            return Err("it has not answered lately".to_owned());
        }
        // Erased: what connecting to a cluster is made of is so deep that programs which wait for us would have to
        // raise the compiler's recursion limit.
        let asking: Pin<Box<dyn Future<Output = Result<Value, RedisError>> + Send + '_>> =
            Box::pin(self.ask(command));
        let answer = tokio::time::timeout(self.settings.timeout, asking).await;
        match answer {
            Err(_) => {
                self.breaker.failed(Instant::now());
                // It may hang for good. Whoever holds the lock is making a new one.
                if let Ok(mut open) = self.open.try_lock() {
                    open.1 = None;
                }
                Err(format!("no answer within {:?}", self.settings.timeout))
            }
            Ok(Err(error)) if is_silence(&error) => {
                self.breaker.failed(Instant::now());
                Err(error.to_string())
            }
            Ok(answer) => {
                self.breaker.answered();
                let answer = answer.map_err(|error| error.to_string())?;
                redis::from_redis_value(answer).map_err(|error| error.to_string())
            }
        }
    }

    /// Asks; once more on a new connection if the one that was there turns out to be of no use. Everything
    /// that is asked may be asked twice.
    async fn ask(&self, command: &Cmd) -> Result<Value, RedisError> {
        let (number, mut connection) = self.connection().await?;
        let answer = connection.query(command).await;
        match answer {
            Err(error) if is_silence(&error) || error.code() == Some("READONLY") => {
                self.forget(number).await;
                let (number, mut connection) = self.connection().await?;
                let answer = connection.query(command).await;
                if answer.as_ref().is_err_and(is_silence) {
                    self.forget(number).await;
                }
                answer
            }
            answer => answer,
        }
    }

    async fn connection(&self) -> Result<(u64, Connection), RedisError> {
        let mut open = self.open.lock().await;
        if let (number, Some(connection)) = &*open {
            return Ok((*number, connection.clone()));
        }
        let connection = self.settings.connect().await?;
        *open = (open.0 + 1, Some(connection.clone()));
        Ok((open.0, connection))
    }

    /// Lets a connection go, unless it has been replaced.
    async fn forget(&self, number: u64) {
        let mut open = self.open.lock().await;
        if open.0 == number {
            open.1 = None;
        }
    }
}

impl Connection {
    async fn query(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        match self {
            Connection::One(one) => one.req_packed_command(command).await,
            Connection::Cluster(cluster) => cluster.req_packed_command(command).await,
        }
    }
}

/// Whether an error says that there is nobody who answers, and not what somebody has answered.
fn is_silence(error: &RedisError) -> bool {
    error.is_io_error() || error.is_timeout() || error.is_connection_dropped()
}
