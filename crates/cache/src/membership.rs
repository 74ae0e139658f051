//! Who the peers are, where that is written down: a name of the DNS, a file, or a registry.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::instance::Instance;
use crate::peers::Dialect;
use crate::tier::Tier;

/// Where the list of peers is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A name with a port, `cache.default.svc:8080`: each of its addresses is a node, as in a headless
    /// service of Kubernetes. A node's own address is then its address there, with the same port; a node
    /// that is not ready and not in the list yet counts itself in.
    Dns(String),
    /// A file with an address on each line, as [`Instance::set_peers`] takes them. Empty lines, and what
    /// follows a `#`, mean nothing. To change it, write another file and rename it over this one.
    File(PathBuf),
    /// A Valkey or Redis, in which every node registers itself: one that leaves is gone at once, one that crashed
    /// after three times the interval at which it follows. They must follow at the same one.
    Registry(Tier),
}

/// Follows a [`Source`] until it is dropped. The peers then stay as they are.
#[derive(Debug)]
#[must_use = "dropped, it follows no longer"]
pub struct Following {
    task: AbortHandle,
    /// Where we are registered, and as whom.
    registered: Option<(Tier, String)>,
}

impl Following {
    /// Follows no longer, and returns when this node has left a registry, if it was in one: dropping it does not
    /// wait for that.
    pub async fn leave(mut self) {
        self.task.abort();
        if let Some((tier, me)) = self.registered.take() {
            tier.unregister(&me).await;
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
        if let Some((tier, me)) = self.registered.take() {
            tier.unregister_later(me);
        }
    }
}

impl Instance {
    /// Takes the list of peers from `source`, now and whenever it is another one, which is looked for
    /// every `every`. While the source cannot be read, or its list cannot be taken, the peers stay as they
    /// are, and a warning is logged once for each cause.
    pub fn follow(&self, source: Source, every: Duration) -> Following {
        let instance = self.clone();
        let registered = match &source {
            Source::Registry(tier) => self.peers().map(|me| (tier.clone(), me.me().to_owned())),
            _ => None,
        };
        let task = self.runtime().spawn(async move {
            let (mut taken, mut warned) = (Vec::new(), None);
            loop {
                match instance.list(&source, every).await {
                    Ok(list) if list == taken => {}
                    Ok(list) => match instance.set_peers(&list) {
                        Ok(()) => {
                            tracing::info!("the peers are {}", list.join(", "));
                            (taken, warned) = (list, None);
                        }
                        Err(error) => warn(&mut warned, error.to_string()),
                    },
                    Err(problem) => warn(&mut warned, problem),
                }
                tokio::time::sleep(every).await;
            }
        });
        Following {
            task: task.abort_handle(),
            registered,
        }
    }

    /// What the source says, sorted, each address once.
    async fn list(&self, source: &Source, every: Duration) -> Result<Vec<String>, String> {
        let mut list = match source {
            Source::File(path) => {
                let path = path.clone();
                let name = path.display().to_string();
                let text = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
                let text = text
                    .map_err(|_| format!("{name}: not read"))?
                    .map_err(|error| format!("{name}: {error}"))?;
                addresses(&text)
            }
            Source::Registry(tier) => {
                let good_for = (every * 3).max(Duration::from_millis(500));
                tier.nodes(self.peers().map(|peers| peers.me()), good_for)
                    .await?
            }
            Source::Dns(name) => {
                let found = tokio::net::lookup_host(name.as_str()).await;
                let found = found.map_err(|error| format!("{name}: {error}"))?;
                let (dialect, me) = self.peers().map_or((Dialect::Oxbridge, None), |peers| {
                    (peers.dialect(), Some(peers.me().to_owned()))
                });
                let scheme = match &me {
                    Some(me) if me.starts_with("https://") => "https://",
                    _ if dialect == Dialect::GroupcacheGo => "",
                    _ => "http://",
                };
                let mut list: Vec<String> =
                    found.map(|address| format!("{scheme}{address}")).collect();
                list.extend(me);
                list
            }
        };
        list.sort();
        list.dedup();
        if list.is_empty() {
            // An empty list would make every node a cluster of its own.
            return Err("the list of peers is empty".to_owned());
        }
        Ok(list)
    }
}

fn addresses(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Says what is wrong, unless it was said the last time.
fn warn(last: &mut Option<String>, problem: String) {
    if last.as_ref() != Some(&problem) {
        tracing::warn!("the peers stay as they are: {problem}");
        *last = Some(problem);
    }
}
