//! What other nodes are answered.

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode, Uri};
use oxbridge::{BodyError, Exchange};
use percent_encoding::percent_decode;
use prost::Message as _;

use crate::error::{Error, Kind};
use crate::group::{Group, Look};
use crate::instance::Instance;
use crate::store::Place;
use crate::value::{Expiry, Value};

use super::client::DEADLINE;
use super::dialect::Dialect;
use super::wire::{GetResponse, Keys, Outcome, Outcomes, RemoveKeysRequest, SetRequest};

/// Answers other nodes. [`Instance::serve`] gives it a port of its own; a program that has a server
/// already mounts it there:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use oxbridge_cache::{Dialect, Instance, Peers};
///
/// let cache = Instance::with_peers(Peers::new(Dialect::Mailgun, "http://10.0.0.1:8080"));
/// let peers = cache.handler();
/// let mut server = oxbridge::Server::builder();
/// server.inline_exchange("/_groupcache/", move |exchange| peers.handle(exchange), "peers".into())?;
/// # Ok(())
/// # }
/// ```
///
/// On a mux, keys such as `..` and `a//b`, which it would take for parts of a path, are answered with a
/// redirect, as in Go; on a port of its own they are keys like any other.
///
/// Two requests are for people and programs that watch: `GET BASE?snapshot` gives a
/// [`Snapshot`](crate::Snapshot) as JSON and `GET BASE?metrics` the same for Prometheus, where `BASE` is
/// [`Peers::base_path`](crate::Peers::base_path), `/_groupcache/`. They ask for the secret, if there is one.
///
/// In the dialects of Go whoever reaches it can read every key, and in two of them change it: the protocols
/// have no credentials, and it belongs on a network of its own. In [`Dialect::Oxbridge`] only those who know
/// [`Peers::secret`](crate::Peers::secret) are answered.
#[derive(Clone, Debug)]
pub struct PeerHandler(Instance);

/// An answer that is ready.
struct Reply {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
}

/// What a request asks for.
enum Asked {
    Get(Group, Bytes),
    Set(Group),
    Delete(Group, Bytes),
    RemoveKeys(Group),
    GetMany(Group),
    DeleteMany(Group),
    /// Everything is to be forgotten.
    Clear(Group),
    /// What the node is and does, as JSON.
    Snapshot,
    /// The same for Prometheus.
    Metrics,
    Wrong(Reply),
}

/// The content type of Go's `http.Error`.
const TEXT: &str = "text/plain; charset=utf-8";

impl PeerHandler {
    pub(crate) fn new(instance: Instance) -> PeerHandler {
        PeerHandler(instance)
    }

    /// Answers one request. Never waits: for what has to be loaded, or to arrive, a task does.
    pub fn handle(&self, mut exchange: Exchange) {
        let request = exchange.request();
        let asked = match self.refuse(request.headers()) {
            Some(reply) => Asked::Wrong(reply),
            None => self.read(request.method(), request.uri()),
        };
        let reply = match asked {
            Asked::Wrong(reply) => reply,
            Asked::Get(group, key) => match group.get_for_peer(&key) {
                Look::Done(outcome) => answer(self.dialect(), outcome),
                Look::Wait(flight) => {
                    let dialect = self.dialect();
                    self.0.runtime().spawn(async move {
                        answer(dialect, flight.wait().await).send(exchange);
                    });
                    return;
                }
            },
            Asked::Delete(group, key) => {
                group.inner().delete_here(&key);
                Reply::empty()
            }
            Asked::Snapshot => self.snapshot(),
            Asked::Metrics => Reply {
                status: StatusCode::OK,
                content_type: "text/plain; version=0.0.4; charset=utf-8",
                body: self.0.snapshot().prometheus().into(),
            },
            Asked::Clear(group) => {
                group.clear();
                Reply::empty()
            }
            Asked::Set(group) => return self.with_body(exchange, group, set),
            Asked::RemoveKeys(group) => return self.with_body(exchange, group, remove_keys),
            Asked::DeleteMany(group) => return self.with_body(exchange, group, delete_many),
            Asked::GetMany(group) => return self.get_many(exchange, group),
        };
        reply.send(exchange);
    }

    fn dialect(&self) -> Dialect {
        self.0
            .peers()
            .map_or(Dialect::Mailgun, |peers| peers.dialect())
    }

    /// Whether a request is not to be answered: it does not come from a node of ours, or it comes so late that
    /// whoever made it has given it up, and may have told somebody so.
    fn refuse(&self, headers: &HeaderMap) -> Option<Reply> {
        let peers = self.0.peers()?;
        if !peers.is_ours(headers.get(AUTHORIZATION)) {
            return Some(Reply::error(StatusCode::UNAUTHORIZED, "unauthorized"));
        }
        is_late(headers).then(Reply::late)
    }

    fn read(&self, method: &Method, uri: &Uri) -> Asked {
        let (dialect, path) = (self.dialect(), uri.path().as_bytes());
        let base = self.0.peers().map_or("/_groupcache/", |p| p.base_path());
        let Some(rest) = path.strip_prefix(base.as_bytes()) else {
            return Asked::Wrong(Reply::error(StatusCode::BAD_REQUEST, "bad request"));
        };
        if rest.is_empty() && method == Method::GET {
            match uri.query() {
                Some("snapshot") => return Asked::Snapshot,
                Some("metrics") => return Asked::Metrics,
                _ => {}
            }
        }
        let rest = decode(rest, dialect);
        let mut parts = rest.splitn(2, |byte| *byte == b'/');
        let (name, key) = (parts.next().unwrap_or_default(), parts.next());
        let bulk = uri
            .query()
            .filter(|_| dialect == Dialect::Oxbridge && method == Method::POST);
        if key.is_none() && bulk.is_none() {
            return Asked::Wrong(Reply::error(StatusCode::BAD_REQUEST, "bad request"));
        }
        let name = String::from_utf8_lossy(name);
        let Some(group) = self.0.get_group(&name) else {
            let what = format!("no such group: {name}");
            return Asked::Wrong(Reply::error(StatusCode::NOT_FOUND, &what));
        };
        match bulk {
            Some("bulk=get") => return Asked::GetMany(group),
            Some("bulk=delete") => return Asked::DeleteMany(group),
            Some("bulk=clear") => return Asked::Clear(group),
            _ => {}
        }
        let key = Bytes::copy_from_slice(key.unwrap_or_default());
        match (dialect, method.as_str()) {
            (Dialect::Golang, _) => Asked::Get(group, key),
            (_, "PUT") => Asked::Set(group),
            (_, "DELETE") => Asked::Delete(group, key),
            (Dialect::Mailgun, _) | (_, "GET") => Asked::Get(group, key),
            (Dialect::GroupcacheGo, "POST") if key == "_remove-keys/" => Asked::RemoveKeys(group),
            (Dialect::GroupcacheGo, "POST") => {
                Asked::Wrong(Reply::error(StatusCode::NOT_FOUND, "not found"))
            }
            (Dialect::GroupcacheGo | Dialect::Oxbridge, _) => Asked::Wrong(Reply::error(
                StatusCode::METHOD_NOT_ALLOWED,
                "method not allowed",
            )),
        }
    }

    fn snapshot(&self) -> Reply {
        match serde_json::to_vec(&self.0.snapshot()) {
            Ok(body) => Reply {
                status: StatusCode::OK,
                content_type: "application/json",
                body: body.into(),
            },
            Err(error) => Reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    /// Reads the body, and does with it what `act` says.
    fn with_body(&self, mut exchange: Exchange, group: Group, act: fn(&Group, Bytes) -> Reply) {
        self.0.runtime().spawn(async move {
            let reply = match whole(&mut exchange).await {
                // The body may have taken its time.
                Ok(_) if is_late(exchange.request().headers()) => Reply::late(),
                Ok(body) => act(&group, body),
                Err(error) => Reply::error(StatusCode::BAD_REQUEST, &error.to_string()),
            };
            reply.send(exchange);
        });
    }

    /// Answers a request for many keys when all of them are there.
    fn get_many(&self, mut exchange: Exchange, group: Group) {
        self.0.runtime().spawn(async move {
            let keys = match whole(&mut exchange).await {
                Ok(body) => Keys::decode(body).map_err(|e| e.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let reply = match keys {
                Ok(Keys { keys }) => outcomes(&group, &keys).await,
                Err(error) => Reply::error(StatusCode::BAD_REQUEST, &error),
            };
            reply.send(exchange);
        });
    }
}

/// Whether a request says until when it is waited for, and that is over.
fn is_late(headers: &HeaderMap) -> bool {
    let deadline = headers.get(DEADLINE).and_then(|value| value.to_str().ok());
    let deadline = deadline.and_then(|text| text.parse().ok());
    deadline
        .and_then(Expiry::from_unix_nanos)
        .is_some_and(|deadline| deadline.is_past(Expiry::now()))
}

/// The whole body of a request; the server bounds it.
async fn whole(exchange: &mut Exchange) -> Result<Bytes, BodyError> {
    let body = exchange.request().body_mut();
    let mut all = BytesMut::new();
    while let Some(chunk) = std::future::poll_fn(|cx| body.poll_chunk(cx)).await {
        all.extend_from_slice(&chunk?);
    }
    Ok(all.freeze())
}

async fn outcomes(group: &Group, keys: &[Bytes]) -> Reply {
    // All are begun before the first is waited for.
    let looks: Vec<Look> = keys.iter().map(|key| group.get_for_peer(key)).collect();
    let mut answer = Outcomes::default();
    for look in looks {
        let outcome = look.outcome().await;
        let mut told = Outcome::default();
        match outcome {
            Ok(value) => {
                told.expire = value.expires().map(Expiry::unix_nanos);
                told.value = Some(value.into_bytes());
            }
            Err(error) => match error.kind() {
                Kind::NotFound(what) => told.not_found = Some(what.clone()),
                _ => told.failed = Some(error.to_string()),
            },
        }
        answer.outcomes.push(told);
    }
    Reply {
        status: StatusCode::OK,
        content_type: "application/x-protobuf",
        body: answer.encode_to_vec().into(),
    }
}

/// A part of a path as the bytes that it stands for.
fn decode(path: &[u8], dialect: Dialect) -> Vec<u8> {
    if dialect.unescape_plus() && path.contains(&b'+') {
        let spaces: Vec<u8> = path
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        return percent_decode(&spaces).collect();
    }
    percent_decode(path).collect()
}

/// What a peer is told of a load.
fn answer(dialect: Dialect, outcome: Result<Value, Error>) -> Reply {
    let value = match outcome {
        Ok(value) => value,
        Err(error) => {
            let status = match (dialect, error.kind()) {
                (Dialect::Golang, _) => StatusCode::INTERNAL_SERVER_ERROR,
                (_, Kind::NotFound(_)) => StatusCode::NOT_FOUND,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            return Reply::error(status, &error.to_string());
        }
    };
    let expire = match dialect {
        Dialect::Golang => None,
        Dialect::Mailgun | Dialect::GroupcacheGo | Dialect::Oxbridge => {
            Some(value.expires().map_or(0, Expiry::unix_nanos))
        }
    };
    let message = GetResponse {
        value: Some(value.into_bytes()),
        minute_qps: None,
        expire,
    };
    Reply {
        status: StatusCode::OK,
        content_type: "application/x-protobuf",
        body: message.encode_to_vec().into(),
    }
}

fn set(group: &Group, body: Bytes) -> Reply {
    let message = match SetRequest::decode(body) {
        Ok(message) => message,
        Err(error) => return Reply::error(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let expires = message.expire.and_then(Expiry::from_unix_nanos);
    // Copied, so that it keeps nothing of the request alive.
    let bytes = Bytes::copy_from_slice(&message.value.unwrap_or_default());
    let value = Value::new(bytes).with_expiry(expires);
    group.inner().set_here(&message.key, value, Place::Main);
    Reply::empty()
}

fn remove_keys(group: &Group, body: Bytes) -> Reply {
    let message: RemoveKeysRequest = match serde_json::from_slice(&body) {
        Ok(message) => message,
        Err(error) => return Reply::error(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    for key in message.keys {
        group.inner().delete_here(&Bytes::from(key));
    }
    Reply::empty()
}

fn delete_many(group: &Group, body: Bytes) -> Reply {
    let message = match Keys::decode(body) {
        Ok(message) => message,
        Err(error) => return Reply::error(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    for key in &message.keys {
        group.inner().delete_here(key);
    }
    Reply::empty()
}

impl Reply {
    fn empty() -> Reply {
        Reply {
            status: StatusCode::OK,
            content_type: TEXT,
            body: Bytes::new(),
        }
    }

    fn late() -> Reply {
        Reply::error(StatusCode::REQUEST_TIMEOUT, "the request comes too late")
    }

    /// As Go's `http.Error` writes it.
    fn error(status: StatusCode, text: &str) -> Reply {
        Reply {
            status,
            content_type: TEXT,
            body: format!("{text}\n").into(),
        }
    }

    fn send(self, mut exchange: Exchange) {
        exchange.set_may_wait(false);
        let response = exchange.response();
        let written = response.set_status(self.status.as_u16()).and_then(|()| {
            let kind = HeaderValue::from_static(self.content_type);
            response.headers_mut()?.insert(CONTENT_TYPE, kind);
            response.write_bytes(self.body)
        });
        // A peer that has gone needs no answer, and nothing else can go wrong.
        if written.and_then(|()| exchange.end()).is_err() {
            tracing::debug!("a peer left before it had its answer");
        }
    }
}
