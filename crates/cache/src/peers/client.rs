//! What is asked of other nodes.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use prost::Message as _;
use tokio::runtime::Handle;

use crate::error::{Error, Kind};
use crate::value::{Expiry, Value};

use super::dialect::Dialect;
use super::pool::{Node, Peers};
use super::wire::{GetResponse, RemoveKeysRequest, SetRequest};

/// HTTP/1.1 to every node, over connections that are kept.
#[derive(Debug)]
pub(super) struct Client {
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    dialect: Dialect,
    timeout: Duration,
    max_answer: usize,
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
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(settings.timeout));
        let http = legacy::Client::builder(OnRuntime(runtime))
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .build(connector);
        Client {
            http,
            dialect: settings.dialect,
            timeout: settings.timeout,
            max_answer: settings.max_answer,
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
            (StatusCode::NOT_FOUND, Dialect::Mailgun | Dialect::GroupcacheGo) => {
                return Err(Refusal::Final(Error::not_found(text())));
            }
            (StatusCode::SERVICE_UNAVAILABLE, Dialect::Mailgun | Dialect::GroupcacheGo) => {
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
