//! What is asked of other nodes.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use prost::Message as _;
use tokio::runtime::Handle;

use crate::error::{Error, Kind};
use crate::value::{Expiry, Value};

use super::dialect::Dialect;
use super::pool::{Node, Peers};
use super::secret::Secret;
use super::wire::{GetResponse, Keys, Outcomes, RemoveKeysRequest, SetRequest};

type Connector = HttpsConnector<HttpConnector>;

/// HTTP/1.1 to every node, over connections that are kept.
#[derive(Debug)]
pub(super) struct Client {
    http: legacy::Client<Connector, Full<Bytes>>,
    dialect: Dialect,
    timeout: Duration,
    max_answer: usize,
    secret: Option<HeaderValue>,
    /// Values that peers have given.
    given: AtomicU32,
}

/// What a node says instead of yes.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The owner's own getter has no value: asking elsewhere would not help.
    Final(Error),
    /// It answered something else than was wanted.
    Answered(String),
    /// It could not be reached, or not in time, or broke off.
    Silent(String),
}

impl Client {
    pub(super) fn new(settings: &Peers, runtime: Handle) -> Client {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(settings.timeout));
        tcp.enforce_http(false);
        // Without a configuration no address with https is taken, so nothing is believed that is not said.
        let tls = match &settings.tls {
            Some(config) => config.as_ref().clone(),
            None => believe_nobody(),
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let http = legacy::Client::builder(OnRuntime(runtime))
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .build(connector);
        Client {
            http,
            dialect: settings.dialect,
            timeout: settings.timeout,
            max_answer: settings.max_answer,
            secret: settings
                .secret
                .as_ref()
                .filter(|_| settings.dialect == Dialect::Oxbridge)
                .map(Secret::header),
            given: AtomicU32::new(0),
        }
    }

    /// Whether a copy of the value that a peer has just given is kept: of every one, but of one in ten in
    /// golang/groupcache's dialect, where nothing else tells how hot a key is.
    pub(super) fn keeps_copy(&self) -> bool {
        self.dialect != Dialect::Golang || self.given.fetch_add(1, Relaxed).is_multiple_of(10)
    }

    /// The value of a key.
    pub(super) async fn get(&self, node: &Node, group: &str, key: &[u8]) -> Result<Value, Refusal> {
        let request = Request::get(self.url(node, group, key));
        let (status, body) = self.send(request, Bytes::new()).await?;
        let text = || String::from_utf8_lossy(&body).trim_end().to_owned();
        match (status, self.dialect) {
            (StatusCode::OK, _) => {}
            (_, Dialect::Golang) => return Err(unwanted(status, &body)),
            (StatusCode::NOT_FOUND, _) => {
                return Err(Refusal::Final(Error::not_found(text())));
            }
            (StatusCode::SERVICE_UNAVAILABLE, _) => {
                return Err(Refusal::Final(Kind::Remote(text()).into()));
            }
            _ => return Err(unwanted(status, &body)),
        }
        let answer = GetResponse::decode(body)
            .map_err(|e| Refusal::Answered(format!("what it answers is no GetResponse: {e}")))?;
        let expires = answer.expire.and_then(Expiry::from_unix_nanos);
        if expires.is_some_and(|at| at.is_past(Expiry::now())) {
            return Err(Refusal::Answered("its value has expired".to_owned()));
        }
        Ok(Value::new(answer.value.unwrap_or_default()).with_expiry(expires))
    }

    /// The values of many keys, in one request.
    pub(super) async fn get_many(
        &self,
        node: &Node,
        group: &str,
        keys: Vec<Bytes>,
    ) -> Result<Vec<Result<Value, Error>>, Refusal> {
        let count = keys.len();
        let request = Request::post(self.bulk_url(node, group, "get"));
        let body = Keys { keys }.encode_to_vec().into();
        let (status, body) = self.send(request, body).await?;
        if status != StatusCode::OK {
            return Err(unwanted(status, &body));
        }
        let answer = Outcomes::decode(body)
            .map_err(|e| Refusal::Answered(format!("what it answers is no Outcomes: {e}")))?;
        if answer.outcomes.len() != count {
            return Err(Refusal::Answered(format!(
                "it answers {} of {count} keys",
                answer.outcomes.len()
            )));
        }
        let outcomes = answer.outcomes.into_iter().map(|outcome| {
            match (outcome.value, outcome.not_found, outcome.failed) {
                (Some(value), ..) => {
                    let expires = outcome.expire.and_then(Expiry::from_unix_nanos);
                    Ok(Value::new(value).with_expiry(expires))
                }
                (None, Some(what), _) => Err(Error::not_found(what)),
                (None, None, failed) => Err(Kind::Remote(failed.unwrap_or_default()).into()),
            }
        });
        Ok(outcomes.collect())
    }

    /// Has the node keep a value.
    pub(super) async fn set(
        &self,
        node: &Node,
        group: &str,
        key: &Bytes,
        value: &Value,
    ) -> Result<(), Refusal> {
        let message = SetRequest {
            group: Bytes::copy_from_slice(group.as_bytes()),
            key: key.clone(),
            value: Some(value.bytes().clone()),
            expire: Some(value.expires().map_or(0, Expiry::unix_nanos)),
        };
        let request = Request::put(self.url(node, group, key));
        self.tell(request, message.encode_to_vec().into()).await
    }

    /// Has the node forget keys.
    pub(super) async fn delete(
        &self,
        node: &Node,
        group: &str,
        keys: &[Bytes],
    ) -> Result<(), Refusal> {
        if self.dialect == Dialect::Oxbridge {
            let keys = keys.to_vec();
            let request = Request::post(self.bulk_url(node, group, "delete"));
            let body = Keys { keys }.encode_to_vec().into();
            return self.tell(request, body).await;
        }
        let mut rest: Vec<&Bytes> = keys.iter().collect();
        if self.dialect == Dialect::GroupcacheGo && keys.len() > 1 {
            // JSON carries text only.
            let is_text = |key: &&Bytes| std::str::from_utf8(key).is_ok();
            let (texts, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_text);
            rest = others;
            if !self.delete_texts(node, group, &texts).await? {
                rest.extend(texts);
            }
        }
        for key in rest {
            let request = Request::builder()
                .method(Method::DELETE)
                .uri(self.url(node, group, key));
            self.tell(request, Bytes::new()).await?;
        }
        Ok(())
    }

    /// Has the node forget a whole group: our own dialect has that.
    pub(super) async fn clear(&self, node: &Node, group: &str) -> Result<(), Refusal> {
        self.tell(
            Request::post(self.bulk_url(node, group, "clear")),
            Bytes::new(),
        )
        .await
    }

    /// Has the node forget keys by one request; false if it knows no such request, as versions before
    /// 3.3 of groupcache-go do not.
    async fn delete_texts(
        &self,
        node: &Node,
        group: &str,
        keys: &[&Bytes],
    ) -> Result<bool, Refusal> {
        let message = RemoveKeysRequest {
            group: group.to_owned(),
            keys: keys
                .iter()
                .map(|key| String::from_utf8_lossy(key).into_owned())
                .collect(),
        };
        let body = serde_json::to_vec(&message)
            .map_err(|e| Refusal::Answered(format!("the keys are no JSON: {e}")))?;
        let group = self.dialect.escape(group.as_bytes());
        let request = Request::post(format!("{}{group}/_remove-keys/", node.base))
            .header(CONTENT_TYPE, "application/json");
        match self.send(request, body.into()).await? {
            (StatusCode::OK, _) => Ok(true),
            (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, _) => Ok(false),
            (status, body) => Err(unwanted(status, &body)),
        }
    }

    fn url(&self, node: &Node, group: &str, key: &[u8]) -> String {
        format!(
            "{}{}/{}",
            node.base,
            self.dialect.escape(group.as_bytes()),
            self.dialect.escape(key)
        )
    }

    /// Where the requests of our own dialect for many keys go: not below the group, whose keys may have any
    /// name.
    fn bulk_url(&self, node: &Node, group: &str, what: &str) -> String {
        let group = self.dialect.escape(group.as_bytes());
        format!("{}{group}?bulk={what}", node.base)
    }

    async fn tell(&self, request: http::request::Builder, body: Bytes) -> Result<(), Refusal> {
        let (status, body) = self.send(request, body).await?;
        if status == StatusCode::OK {
            Ok(())
        } else {
            Err(unwanted(status, &body))
        }
    }

    /// Sends a request and takes the whole answer, within the time and the size that are allowed.
    async fn send(
        &self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Refusal> {
        let mut request = request;
        if let Some(secret) = &self.secret {
            request = request.header(AUTHORIZATION, secret);
        }
        if self.dialect == Dialect::Oxbridge {
            // Until when we wait: what arrives later must not be done any more.
            let deadline = Expiry::after(self.timeout).unix_nanos();
            request = request.header(DEADLINE, deadline);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|e| Refusal::Answered(format!("the request cannot be written: {e}")))?;
        let exchange = async {
            let response = self.http.request(request).await.map_err(silent)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), self.max_answer);
            match body.collect().await {
                Ok(whole) => Ok((status, whole.to_bytes())),
                Err(e) if e.is::<http_body_util::LengthLimitError>() => Err(Refusal::Answered(
                    format!("its answer is longer than {} bytes", self.max_answer),
                )),
                Err(e) => Err(Refusal::Silent(format!("its answer broke off: {e}"))),
            }
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Refusal::Silent(format!(
                "no answer within {:?}",
                self.timeout
            ))),
        }
    }
}

/// What stands where nobody asked for TLS. The provider is chosen here, since a program may have several.
fn believe_nobody() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|_| unreachable!("the provider has the ciphers of its own protocols"))
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

fn silent(error: legacy::Error) -> Refusal {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    Refusal::Silent(text)
}

fn unwanted(status: StatusCode, body: &Bytes) -> Refusal {
    const ENOUGH: usize = 200;
    let text = String::from_utf8_lossy(&body[..body.len().min(ENOUGH)]);
    Refusal::Answered(format!("{status}: {}", text.trim_end()))
}

/// Nanoseconds since 1970 after which nobody waits for an answer any more.
pub(super) const DEADLINE: &str = "oxbridge-deadline";

/// Runs what the client does on the side on the instance's runtime, whoever asks.
#[derive(Clone, Debug)]
struct OnRuntime(Handle);

impl<F> hyper::rt::Executor<F> for OnRuntime
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
