//! A second tier: a Valkey or Redis behind the memory of many processes.
//!
//! What a process has not in memory it asks of the engine before it loads it, and what it loads it stores
//! there. Sets and deletes go to the engine first; then memory forgets, here and, when they are told, in all
//! other processes.
//!
//! Nothing older is ever put in the place of something newer: a deletion leaves a mark that no other deletion
//! has, and what was loaded is stored only where the engine still has what it had when the load began.

mod envelope;
mod link;
mod listen;
mod registry;
mod settings;
mod trust;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use redis::Cmd;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::error::{Error, Kind};
use crate::group;
use crate::store::Known;
use crate::value::{Expiry, Value};

use self::envelope::Stored;
use self::link::Link;
use self::trust::Trust;

pub use self::settings::{Invalidation, Redis};

/// How long the mark of a deletion stays.
const MARK: Duration = Duration::from_secs(600);
/// A load that has taken longer is not stored: the mark of a deletion that came meanwhile may be gone.
const LONGEST_LOAD: Duration = Duration::from_secs(300);

/// Stores `ARGV[2]`, for `ARGV[3]` milliseconds unless that is 0, if the key has what `ARGV[1]` says: nothing,
/// if that is empty.
const FILL: &str = "\
local there = redis.call('GET', KEYS[1])
if (there or '') ~= ARGV[1] then return 0 end
if ARGV[3] == '0' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1";

/// A second tier, for the groups that are made with it: see
/// [`GroupBuilder::second_tier`](crate::GroupBuilder::second_tier). Cloning it is cheap and gives the same one;
/// its connections are closed with the last.
#[derive(Clone)]
pub struct Tier(Arc<Inner>);

struct Inner {
    runtime: Handle,
    settings: Redis,
    link: Link,
    shared: Arc<Shared>,
    listener: AbortHandle,
    /// The engine failed the last time.
    failing: AtomicBool,
}

/// What the listener works with.
pub(crate) struct Shared {
    pub(crate) trust: Trust,
    /// What we sign changes with.
    id: String,
    groups: Mutex<HashMap<String, Weak<group::Inner>>>,
}

/// What the engine says to a key.
pub(crate) enum Read {
    Known(Known),
    /// It has nothing good. What it has there, for [`Tier::fill`].
    Nothing(Lease),
    /// It was not to be had.
    Failed,
}

/// What stood in the engine when a load began.
pub(crate) struct Lease {
    seen: Vec<u8>,
    begun: Instant,
}

/// Settings that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierError(pub(crate) String);

impl std::fmt::Display for TierError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TierError {}

impl Tier {
    /// A tier whose connections live on the runtime that this is called in. It connects when it is needed, and
    /// whenever the engine can be reached again: that it cannot is no error here.
    ///
    /// # Errors
    /// [`TierError`]: the settings cannot go together.
    ///
    /// # Panics
    /// Outside a runtime: see [`on`](Self::on).
    pub fn new(settings: Redis) -> Result<Tier, TierError> {
        Tier::on(Handle::current(), settings)
    }

    /// As [`new`](Self::new), on `runtime`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn on(runtime: Handle, settings: Redis) -> Result<Tier, TierError> {
        settings.check()?;
        let shared = Arc::new(Shared {
            trust: Trust::new(settings.max_stale),
            id: format!("{:032x}", number()),
            groups: Mutex::default(),
        });
        let listener = runtime.spawn(listen::listen(settings.clone(), shared.clone()));
        Ok(Tier(Arc::new(Inner {
            runtime,
            link: Link::new(settings.clone()),
            settings,
            shared,
            listener: listener.abort_handle(),
            failing: AtomicBool::new(false),
        })))
    }

    /// Whether changes that others make are told: the connection that tells of them is there, and memory is
    /// believed.
    pub fn is_listening(&self) -> bool {
        self.0.shared.trust.holds()
    }

    pub(crate) fn trust(&self) -> &Trust {
        &self.0.shared.trust
    }

    /// Tells `group` of changes from now on, as long as it lives.
    pub(crate) fn register(&self, name: &str, group: &Arc<group::Inner>) {
        let mut groups = self.0.shared.groups();
        groups.retain(|_, group| group.strong_count() != 0);
        groups.insert(name.to_owned(), Arc::downgrade(group));
    }

    /// Reads what the engine has for a key.
    pub(crate) async fn read(&self, group: &str, key: &[u8]) -> Read {
        let begun = Instant::now();
        let mut command = Cmd::new();
        command.arg("GET").arg(self.place(group, key));
        let raw: Option<Vec<u8>> = match self.query("read", &command).await {
            Ok(raw) => raw,
            Err(_) => return Read::Failed,
        };
        let seen = raw.unwrap_or_default();
        if !seen.is_empty() {
            match envelope::decode(&seen, Expiry::now()) {
                Ok(Stored::Known(known)) => return Read::Known(known),
                Ok(Stored::Nothing) => {}
                Err(problem) => tracing::warn!(
                    group,
                    key = %key.escape_ascii(),
                    "what the second tier has for a key is not used: {problem}"
                ),
            }
        }
        Read::Nothing(Lease { seen, begun })
    }

    /// Stores what was loaded, unless something came in between. False if that is why it was not stored: memory
    /// should not have it either, and would, until the change is told.
    pub(crate) async fn fill(&self, group: &str, key: &[u8], known: &Known, lease: Lease) -> bool {
        if lease.begun.elapsed() > LONGEST_LOAD {
            return true;
        }
        let Some(good_for) = good_for(known.expires()) else {
            return true;
        };
        let mut command = Cmd::new();
        command.arg("EVAL").arg(FILL).arg(1);
        command.arg(self.place(group, key)).arg(lease.seen);
        command.arg(envelope::encode(known)).arg(good_for);
        // A failure was logged, and the value is good without.
        let stored: Result<u8, Error> = self.query("fill", &command).await;
        !matches!(stored, Ok(0))
    }

    /// Sets a key.
    ///
    /// # Errors
    /// [`Kind::Tier`]: it may have been set.
    pub(crate) async fn set(&self, group: &str, key: &[u8], value: Value) -> Result<(), Error> {
        let known = Known::Value(value);
        let Some(good_for) = good_for(known.expires()) else {
            // It has expired already, and takes the place of what was there all the same.
            return self.delete(group, &[Bytes::copy_from_slice(key)]).await;
        };
        self.write(group, key, envelope::encode(&known), good_for)
            .await
    }

    /// Deletes keys.
    ///
    /// # Errors
    /// [`Kind::Tier`], when all have been tried.
    pub(crate) async fn delete(&self, group: &str, keys: &[Bytes]) -> Result<(), Error> {
        let mark = u64::try_from(MARK.as_millis()).unwrap_or(u64::MAX);
        let written = join_all(keys.iter().map(async |key| {
            self.write(group, key, envelope::deleted(number()), mark)
                .await
        }));
        written.await.into_iter().collect()
    }

    async fn write(
        &self,
        group: &str,
        key: &[u8],
        stored: Vec<u8>,
        good_for: u64,
    ) -> Result<(), Error> {
        let mut command = Cmd::new();
        command.arg("SET").arg(self.place(group, key)).arg(stored);
        if good_for != 0 {
            command.arg("PX").arg(good_for);
        }
        self.query::<()>("change", &command).await?;
        if self.0.settings.invalidation == Invalidation::PubSub {
            let mut command = Cmd::new();
            command.arg("PUBLISH").arg(channel(&self.0.settings.prefix));
            command.arg(
                [
                    self.0.shared.id.as_bytes(),
                    b"/",
                    group.as_bytes(),
                    b"/",
                    key,
                ]
                .concat(),
            );
            self.query::<u64>("tell of a change", &command).await?;
        }
        Ok(())
    }

    fn place(&self, group: &str, key: &[u8]) -> Vec<u8> {
        let prefix = self.0.settings.prefix.as_bytes();
        [prefix, b"/", group.as_bytes(), b"/", key].concat()
    }

    /// Has the engine do something; logs the first of several failures.
    async fn query<T: redis::FromRedisValue>(&self, what: &str, command: &Cmd) -> Result<T, Error> {
        match self.0.link.query(command).await {
            Ok(answer) => {
                if self.0.failing.swap(false, Relaxed) {
                    tracing::info!("the second tier answers again");
                }
                Ok(answer)
            }
            Err(problem) => {
                let name = self.0.settings.name();
                if !self.0.failing.swap(true, Relaxed) {
                    tracing::warn!("the second tier, {name}, could not {what}: {problem}");
                }
                Err(Kind::Tier {
                    engine: name,
                    problem,
                }
                .into())
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Two tiers are equal if they are the same one.
impl PartialEq for Tier {
    fn eq(&self, other: &Tier) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tier {}

impl std::fmt::Debug for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tier")
            .field("engine", &self.0.settings.name())
            .field("is_listening", &self.is_listening())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn groups(&self) -> std::sync::MutexGuard<'_, HashMap<String, Weak<group::Inner>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a key out of memory.
    fn forget(&self, group: &[u8], key: &[u8]) {
        let Ok(name) = std::str::from_utf8(group) else {
            return;
        };
        let group = self.groups().get(name).and_then(Weak::upgrade);
        if let Some(group) = group {
            group.delete_here(&Bytes::copy_from_slice(key));
        }
    }

    /// Takes everything out of memory.
    fn forget_all(&self) {
        let groups: Vec<Arc<group::Inner>> =
            self.groups().values().filter_map(Weak::upgrade).collect();
        for group in groups {
            group.clear_here();
        }
    }
}

/// Where changes are told.
fn channel(prefix: &str) -> String {
    format!("{prefix}:invalidate")
}

/// For how many milliseconds from now; 0 for ever; `None` if it is over.
fn good_for(expires: Option<Expiry>) -> Option<u64> {
    let Some(expires) = expires else {
        return Some(0);
    };
    let left = expires
        .unix_nanos()
        .saturating_sub(Expiry::now().unix_nanos());
    let millis = u64::try_from(left).ok()? / 1_000_000;
    (millis > 0).then_some(millis)
}

/// A number that nobody else has.
fn number() -> u128 {
    use std::hash::{BuildHasher as _, RandomState};
    let half = || u128::from(RandomState::new().hash_one(Instant::now()));
    half() << 64 | half()
}
