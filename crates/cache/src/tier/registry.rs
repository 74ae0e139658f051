//! Who the nodes are, as they register themselves in the engine.

use std::time::Duration;

use redis::Cmd;

use super::Tier;

/// Registers `ARGV[1]`, unless that is empty, for `ARGV[2]` milliseconds by the engine's clock, and gives all who
/// are registered.
const REGISTER: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] ~= '' then redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZRANGE', KEYS[1], 0, -1)";

impl Tier {
    /// Registers a node for a while, and lists all of them.
    pub(crate) async fn nodes(
        &self,
        me: Option<&str>,
        good_for: Duration,
    ) -> Result<Vec<String>, String> {
        let mut command = Cmd::new();
        command
            .arg("EVAL")
            .arg(REGISTER)
            .arg(1)
            .arg(self.registry());
        command.arg(me.unwrap_or_default());
        command.arg(u64::try_from(good_for.as_millis()).unwrap_or(u64::MAX));
        let listed = self.0.link.query(&command).await;
        listed.map_err(|problem| format!("{}: {problem}", self.0.settings.name()))
    }

    /// Takes a node out of the list. It falls out by itself if this fails.
    pub(crate) async fn unregister(&self, me: &str) {
        let mut command = Cmd::new();
        command.arg("ZREM").arg(self.registry()).arg(me);
        if let Err(problem) = self.0.link.query::<u64>(&command).await {
            tracing::debug!("a node is not taken out of the list: {problem}");
        }
    }

    /// The same, in a task of its own.
    pub(crate) fn unregister_later(&self, me: String) {
        let tier = self.clone();
        self.0
            .runtime
            .spawn(async move { tier.unregister(&me).await });
    }

    /// The key of the list.
    fn registry(&self) -> String {
        format!("{}:nodes", self.0.settings.prefix)
    }
}
