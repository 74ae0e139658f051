//! The connection that tells of changes, and until when memory is believed by it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, PushInfo, PushKind, RedisError, Value};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::settings::{Invalidation, Redis};
use super::{Shared, channel};

/// The pause before the first attempt to connect again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Listens for ever; whoever started it ends it.
pub(super) async fn listen(settings: Redis, shared: Arc<Shared>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let begun = Instant::now();
        let Err(problem) = session(&settings, &shared).await;
        shared.trust.end();
        // What is being loaded may be older than what is not told from now on.
        shared.forget_all();
        if pause == FIRST_PAUSE {
            tracing::warn!(
                "changes of the second tier, {}, are not told: {problem}",
                settings.name()
            );
        }
        if begun.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One connection, from its first to its last sign of life.
async fn session(settings: &Redis, shared: &Shared) -> Result<Infallible, RedisError> {
    let (pushes, mut told) = mpsc::unbounded_channel();
    let mut connection = timely(settings, settings.connect_listener(pushes)).await?;
    timely(settings, subscribe(settings, &mut connection)).await?;
    // What changed before is not told any more.
    shared.forget_all();
    loop {
        let asked = Instant::now();
        let mut ping = Cmd::new();
        ping.arg("PING");
        timely(settings, ping.query_async::<Value>(&mut connection)).await?;
        // The engine answers in order: what it told before the ping has come.
        while let Ok(push) = told.try_recv() {
            take(shared, push)?;
        }
        shared.trust.extend(asked);
        wait(shared, &mut told, asked + settings.max_stale / 3).await?;
    }
}

async fn subscribe(
    settings: &Redis,
    connection: &mut MultiplexedConnection,
) -> Result<(), RedisError> {
    match settings.invalidation {
        Invalidation::PubSub => connection.subscribe(channel(&settings.prefix)).await,
        Invalidation::Tracking => {
            let mut command = Cmd::new();
            command.arg(&["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX"]);
            command.arg(format!("{}/", settings.prefix));
            command.query_async(connection).await
        }
    }
}

/// Takes what is told as it comes, until `end`.
async fn wait(
    shared: &Shared,
    told: &mut UnboundedReceiver<PushInfo>,
    end: Instant,
) -> Result<(), RedisError> {
    let end = tokio::time::Instant::from_std(end);
    loop {
        match tokio::time::timeout_at(end, told.recv()).await {
            Err(_) => return Ok(()),
            Ok(Some(push)) => take(shared, push)?,
            Ok(None) => return Err(over("the connection is closed")),
        }
    }
}

/// Does what a push asks for.
fn take(shared: &Shared, push: PushInfo) -> Result<(), RedisError> {
    match push.kind {
        PushKind::Message => {
            if let Some(Value::BulkString(message)) = push.data.get(1) {
                // SENDER/group/key; the sender may be empty.
                let mut parts = message.splitn(3, |byte| *byte == b'/');
                if let (Some(sender), Some(group), Some(key)) =
                    (parts.next(), parts.next(), parts.next())
                    && sender != shared.id.as_bytes()
                {
                    shared.forget(group, key);
                }
            }
        }
        PushKind::Invalidate => match push.data.first() {
            Some(Value::Array(keys)) => {
                for key in keys {
                    if let Value::BulkString(key) = key {
                        // PREFIX/group/key.
                        let mut parts = key.splitn(3, |byte| *byte == b'/');
                        if let (Some(_), Some(group), Some(key)) =
                            (parts.next(), parts.next(), parts.next())
                        {
                            shared.forget(group, key);
                        }
                    }
                }
            }
            // All keys are gone.
            _ => shared.forget_all(),
        },
        PushKind::Disconnection => return Err(over("the connection broke")),
        _ => {}
    }
    Ok(())
}

/// Waits for no longer than the engine may take.
async fn timely<T>(
    settings: &Redis,
    work: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, RedisError> {
    match tokio::time::timeout(settings.timeout, work).await {
        Ok(done) => done,
        Err(_) => Err(over("no answer in time")),
    }
}

fn over(problem: &'static str) -> RedisError {
    std::io::Error::other(problem).into()
}
