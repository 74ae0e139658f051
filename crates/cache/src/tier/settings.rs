//! Where the engine is, and how it is used.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError, TlsMode,
};
use tokio::sync::mpsc::UnboundedSender;

use super::TierError;
use super::link::Connection;

/// How a process learns that another one has changed a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalidation {
    /// Whoever changes a key says so on the channel `PREFIX:invalidate`. Other programs that change keys must
    /// do the same; see the guide.
    #[default]
    PubSub,
    /// The engine itself tells of every change of a key that begins with `PREFIX/`, whoever made it
    /// (`CLIENT TRACKING` in broadcasting mode). Not for clusters, where each node would tell of its own keys
    /// only. A process is told of what it stores itself, too, and reads it once more.
    Tracking,
}

/// Where a Valkey or Redis is, 6 or later: settings of a [`Tier`](super::Tier).
///
/// URLs are `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS, which believes the certificates
/// that the system believes, and `unix:///path`.
#[derive(Clone, Debug)]
pub struct Redis {
    servers: Servers,
    node: RedisConnectionInfo,
    pub(super) prefix: String,
    pub(super) timeout: Duration,
    pub(super) max_stale: Duration,
    pub(super) invalidation: Invalidation,
}

#[derive(Clone, Debug)]
enum Servers {
    One(ConnectionInfo),
    Sentinel {
        sentinels: Vec<ConnectionInfo>,
        master: String,
    },
    Cluster(Vec<ConnectionInfo>),
}

impl Redis {
    /// One server.
    ///
    /// # Errors
    /// [`TierError`]: the URL is none.
    pub fn single(url: &str) -> Result<Redis, TierError> {
        Ok(Redis::of(Servers::One(parse(url)?)))
    }

    /// Whichever server the sentinels say is the master of that name. URLs are those of the sentinels; the
    /// master is spoken to over TLS if they are, with [`login`](Self::login) and [`database`](Self::database).
    ///
    /// # Errors
    /// [`TierError`]: a URL is none, or there is none.
    pub fn sentinel<U: AsRef<str>>(
        urls: impl IntoIterator<Item = U>,
        master: impl Into<String>,
    ) -> Result<Redis, TierError> {
        Ok(Redis::of(Servers::Sentinel {
            sentinels: parse_all(urls, "sentinel")?,
            master: master.into(),
        }))
    }

    /// A cluster, of which some nodes are named: the others are found.
    ///
    /// # Errors
    /// [`TierError`]: a URL is none, or there is none.
    pub fn cluster<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Redis, TierError> {
        Ok(Redis::of(Servers::Cluster(parse_all(
            urls,
            "cluster node",
        )?)))
    }

    fn of(servers: Servers) -> Redis {
        Redis {
            servers,
            node: RedisConnectionInfo::default(),
            prefix: "oxbridge".to_owned(),
            timeout: Duration::from_secs(1),
            max_stale: Duration::from_secs(1),
            invalidation: Invalidation::default(),
        }
    }

    /// What the keys of this cache begin with: `PREFIX/group/key`. Default: `oxbridge`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long the engine may take, connecting included. If it takes longer, values are loaded without it,
    /// and it is left alone for a while. Default: 1 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// For how long memory is believed after the last sign of life of the connection that tells of changes.
    /// That is how old a value may be when the network fails; after it, and until the connection is back, every
    /// value is asked of the engine or loaded. Signs of life are asked for three times in that time. At least
    /// 30 ms; default: 1 s.
    #[must_use]
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.max_stale = max_stale.max(Duration::from_millis(30));
        self
    }

    /// How changes become known. Default: [`Invalidation::PubSub`].
    #[must_use]
    pub fn invalidation(mut self, invalidation: Invalidation) -> Self {
        self.invalidation = invalidation;
        self
    }

    /// Who we are to a master that sentinels have found.
    #[must_use]
    pub fn login(mut self, user: Option<&str>, password: &str) -> Self {
        if let Some(user) = user {
            self.node = self.node.set_username(user);
        }
        self.node = self.node.set_password(password);
        self
    }

    /// The number of the database of a master that sentinels have found. Default: 0.
    #[must_use]
    pub fn database(mut self, number: i64) -> Self {
        self.node = self.node.set_db(number);
        self
    }

    /// # Errors
    /// What cannot go together.
    pub(super) fn check(&self) -> Result<(), TierError> {
        if self.prefix.is_empty() || self.prefix.contains('/') {
            return Err(TierError(format!(
                "a prefix must not be empty and must not contain \"/\", and this one is {:?}",
                self.prefix
            )));
        }
        if matches!(self.servers, Servers::Cluster(_))
            && self.invalidation == Invalidation::Tracking
        {
            return Err(TierError(
                "a cluster tells of changes by pub/sub only: each of its nodes tracks its own keys"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// What the engine calls itself in errors.
    pub(super) fn name(&self) -> String {
        let list = |all: &[ConnectionInfo]| {
            let names: Vec<String> = all.iter().map(|one| one.addr().to_string()).collect();
            names.join(", ")
        };
        match &self.servers {
            Servers::One(one) => one.addr().to_string(),
            Servers::Sentinel { sentinels, master } => {
                format!("{master} of the sentinels {}", list(sentinels))
            }
            Servers::Cluster(nodes) => format!("the cluster of {}", list(nodes)),
        }
    }

    /// Connects, for commands.
    pub(super) async fn connect(&self) -> Result<Connection, RedisError> {
        if let Servers::Cluster(nodes) = &self.servers {
            let client = ClusterClientBuilder::new(nodes.clone())
                .connection_timeout(self.timeout)
                .response_timeout(self.timeout)
                .build()?;
            return Ok(Connection::Cluster(client.get_async_connection().await?));
        }
        let client = self.client(ProtocolVersion::RESP2).await?;
        let config = self.config();
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        Ok(Connection::One(connection.await?))
    }

    /// Connects, to be told of changes.
    pub(super) async fn connect_listener(
        &self,
        pushes: UnboundedSender<PushInfo>,
    ) -> Result<MultiplexedConnection, RedisError> {
        let client = self.client(ProtocolVersion::RESP3).await?;
        let config = self.config().set_push_sender(pushes);
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    fn config(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
    }

    /// The server, the master, or any node of the cluster that can be reached.
    async fn client(&self, protocol: ProtocolVersion) -> Result<Client, RedisError> {
        match &self.servers {
            Servers::One(info) => Client::open(speaking(info, protocol)),
            Servers::Sentinel { sentinels, master } => {
                let node = self.node.clone().set_protocol(protocol);
                let mut info =
                    SentinelNodeConnectionInfo::default().set_redis_connection_info(node);
                if matches!(sentinels[0].addr(), ConnectionAddr::TcpTls { .. }) {
                    info = info.set_tls_mode(TlsMode::Secure);
                }
                let sentinels = sentinels.clone();
                let mut client = SentinelClient::build(
                    sentinels,
                    master,
                    Some(info),
                    SentinelServerType::Master,
                )?;
                client.async_get_client().await
            }
            Servers::Cluster(nodes) => {
                let mut problem = None;
                for node in nodes {
                    let client = Client::open(speaking(node, protocol))?;
                    let config = self.config();
                    match client
                        .get_multiplexed_async_connection_with_config(&config)
                        .await
                    {
                        Ok(_) => return Ok(client),
                        Err(error) => problem = Some(error),
                    }
                }
                Err(problem.unwrap_or_else(|| {
                    RedisError::from(std::io::Error::other("no node of the cluster is known"))
                }))
            }
        }
    }
}

fn speaking(info: &ConnectionInfo, protocol: ProtocolVersion) -> ConnectionInfo {
    let settings = info.redis_settings().clone().set_protocol(protocol);
    info.clone().set_redis_settings(settings)
}

fn parse(url: &str) -> Result<ConnectionInfo, TierError> {
    // The URL may hold a password, and is not repeated whole.
    url.into_connection_info().map_err(|error| {
        let scheme = url.split_once("://").map_or("(none)", |(scheme, _)| scheme);
        TierError(format!(
            "a URL of the second tier, whose scheme is {scheme:?}, is not redis://, rediss:// or unix://: {error}"
        ))
    })
}

fn parse_all<U: AsRef<str>>(
    urls: impl IntoIterator<Item = U>,
    what: &str,
) -> Result<Vec<ConnectionInfo>, TierError> {
    let all: Vec<ConnectionInfo> = urls
        .into_iter()
        .map(|url| parse(url.as_ref()))
        .collect::<Result<_, _>>()?;
    if all.is_empty() {
        return Err(TierError(format!("no {what} is named")));
    }
    Ok(all)
}
