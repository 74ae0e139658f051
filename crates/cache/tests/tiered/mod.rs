//! What would be a process of its own elsewhere: an instance with a group behind which there is a tier.
#![allow(
    dead_code,
    reason = "not every test file that has this module uses all of it"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use oxbridge_cache::{Error, Group, Instance, Redis, Tier, Value};
use tokio::sync::watch;

use crate::engine::until;

/// Holds loads up while it is closed.
#[derive(Clone)]
pub(crate) struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    pub(crate) fn close(&self) {
        self.0.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }
}

pub(crate) struct Process {
    pub(crate) cache: Instance,
    pub(crate) tier: Tier,
    pub(crate) group: Group,
    pub(crate) loads: Arc<AtomicUsize>,
    pub(crate) gate: Gate,
}

/// No two loads of all processes give the same.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

impl Process {
    /// One that is told of changes.
    pub(crate) async fn start(settings: &Redis) -> Process {
        let process = Process::unheard(settings);
        until("changes are told", async || process.tier.is_listening()).await;
        process
    }

    /// Two that are.
    pub(crate) async fn two(settings: &Redis) -> [Process; 2] {
        [
            Process::start(settings).await,
            Process::start(settings).await,
        ]
    }

    /// One that need not be.
    pub(crate) fn unheard(settings: &Redis) -> Process {
        let cache = Instance::new();
        let tier = Tier::new(settings.clone()).expect("good settings");
        let loads = Arc::new(AtomicUsize::new(0));
        let gate = Gate(Arc::new(watch::Sender::new(true)));
        let (count, wait) = (loads.clone(), gate.clone());
        let group = cache
            .group("values")
            .negative_ttl(Duration::from_secs(60))
            .second_tier(&tier)
            .getter(move |key: Bytes| {
                let number = NUMBER.fetch_add(1, SeqCst);
                count.fetch_add(1, SeqCst);
                let mut opened = wait.0.subscribe();
                async move {
                    // The other end is in the process, which may be gone.
                    let _ = opened.wait_for(|open| *open).await;
                    if key.as_ref() == b"missing" {
                        return Err(Error::not_found("no missing"));
                    }
                    let loaded = [&key[..], format!(" loaded {number}").as_bytes()].concat();
                    Ok(Value::new(loaded))
                }
            })
            .expect("a group");
        Process {
            cache,
            tier,
            group,
            loads,
            gate,
        }
    }
}

/// A getter without values.
pub(crate) async fn nothing(_: Bytes) -> Result<Value, Error> {
    Err(Error::not_found("nothing"))
}
