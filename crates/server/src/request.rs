//! What a client asked for, as a handler reads it.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::{HeaderMap, Method, Uri, Version};
use oxbridge_mux::{PathValues, Pattern};
use percent_encoding::percent_decode_str;

use crate::conn::Conn;
use crate::forwarded::Forwarded;
use crate::incoming::RequestBody;
use crate::listen::{LocalAddr, PeerAddr};
use crate::tls::TlsInfo;

/// A request: its head, its body, the pattern that it matched and the connection that it came on.
#[derive(Debug)]
pub struct Request(Box<Inner>);

/// In a box, since a request changes hands several times on its way to a handler.
#[derive(Debug)]
struct Inner {
    parts: Parts,
    body: RequestBody,
    pattern: Pattern,
    /// Ranges of the target's path.
    values: PathValues,
    /// What trusted proxies said of it.
    forwarded: Option<Arc<Forwarded>>,
}

/// The pattern that a request matched, and what its wildcards stand for. Also an extension of the
/// [`http::Request`] that a tower service gets.
#[derive(Clone, Debug)]
pub struct Matched {
    pattern: Pattern,
    values: PathValues,
    /// The path that the values are ranges of.
    path: Uri,
}

impl Matched {
    /// The pattern.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// What the wildcard `name` stands for, percent-decoded; `None` if the pattern has no such wildcard.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values
            .get(self.pattern.wildcard_index(name)?, self.path.path())
    }
}

/// The connection a request came on, as an extension of the [`http::Request`] that a tower service gets.
#[derive(Clone)]
pub struct Connection(Arc<Conn>, Option<Arc<Forwarded>>);

impl Connection {
    /// The address of the other end: the client, or a proxy before it.
    pub fn peer(&self) -> &PeerAddr {
        self.0.peer()
    }

    /// As [`Request::client`].
    pub fn client(&self) -> &PeerAddr {
        client(&self.0, self.1.as_deref())
    }

    /// As [`Request::scheme`].
    pub fn scheme(&self) -> &'static str {
        scheme(&self.0, self.1.as_deref())
    }

    /// The address that the server listens on.
    pub fn local(&self) -> &LocalAddr {
        &self.0.local
    }

    /// The facts of the TLS session, if there is one.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.0.tls.get()
    }

    pub(crate) fn shared_local(&self) -> Arc<LocalAddr> {
        self.0.local.clone()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", self.peer())
            .field("local", self.local())
            .finish_non_exhaustive()
    }
}

impl Request {
    pub(crate) fn new(
        parts: Parts,
        body: RequestBody,
        pattern: Pattern,
        values: PathValues,
        forwarded: Option<Arc<Forwarded>>,
    ) -> Self {
        Request(Box::new(Inner {
            parts,
            body,
            pattern,
            values,
            forwarded,
        }))
    }

    /// The method, a case-sensitive token (RFC 9110 §9.1).
    pub fn method(&self) -> &Method {
        &self.0.parts.method
    }

    /// The request target as the client wrote it (RFC 9112 §3.2).
    pub fn uri(&self) -> &Uri {
        &self.0.parts.uri
    }

    /// The request target as text: what the client wrote in HTTP/1, path and query in HTTP/2, where
    /// scheme and host are fields of their own (RFC 9113 §8.3.1).
    pub fn target(&self) -> Cow<'_, str> {
        match self.0.parts.uri.path_and_query() {
            Some(target)
                if self.0.parts.version == Version::HTTP_2
                    || self.0.parts.uri.scheme().is_none() =>
            {
                Cow::Borrowed(target.as_str())
            }
            _ => Cow::Owned(self.0.parts.uri.to_string()),
        }
    }

    /// The path, percent-decoded. Bytes that are not UTF-8 become U+FFFD: for the exact bytes see
    /// [`uri`](Self::uri).
    pub fn path(&self) -> Cow<'_, str> {
        percent_decode_str(self.0.parts.uri.path()).decode_utf8_lossy()
    }

    /// What follows the `?`, undecoded.
    pub fn query(&self) -> Option<&str> {
        self.0.parts.uri.query()
    }

    /// The host that the client asked for, with its port if it gave one; empty if it named none, which
    /// only HTTP/1.0 may.
    pub fn host(&self) -> &str {
        host(&self.0.parts.uri, &self.0.parts.headers)
    }

    /// The header fields.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.parts.headers
    }

    /// The HTTP version.
    pub fn version(&self) -> Version {
        self.0.parts.version
    }

    /// `https` or `http`: what the client speaks. Whether this connection is encrypted, unless a
    /// [trusted](crate::Builder::trust_forwarded) proxy says otherwise.
    pub fn scheme(&self) -> &'static str {
        scheme(self.0.body.conn(), self.0.forwarded.as_deref())
    }

    /// The length of the body, if the client said it; 0 where there is none.
    pub fn content_length(&self) -> Option<u64> {
        match self.0.parts.headers.get(CONTENT_LENGTH) {
            Some(value) => value.to_str().ok()?.parse().ok(),
            None if self.0.body.is_complete() => self.0.body.remaining(),
            None => None,
        }
    }

    /// What the wildcard `name` of the pattern stands for, percent-decoded; `None` if it has none.
    pub fn path_value(&self, name: &str) -> Option<&str> {
        self.0.values.get(
            self.0.pattern.wildcard_index(name)?,
            self.0.parts.uri.path(),
        )
    }

    /// As [`path_value`](Self::path_value), the bytes as the client sent them, UTF-8 or not.
    pub fn path_value_bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.values.bytes(
            self.0.pattern.wildcard_index(name)?,
            self.0.parts.uri.path(),
        )
    }

    /// The pattern that the request matched.
    pub fn pattern(&self) -> &Pattern {
        &self.0.pattern
    }

    /// The address of the other end: the client, or a proxy before it.
    pub fn peer(&self) -> &PeerAddr {
        self.0.body.conn().peer()
    }

    /// The address of the client, as [trusted](crate::Builder::trust_forwarded) proxies give it, with
    /// port 0 where they do not say it; without them the [`peer`](Self::peer).
    pub fn client(&self) -> &PeerAddr {
        client(self.0.body.conn(), self.0.forwarded.as_deref())
    }

    /// The address that the server listens on.
    pub fn local(&self) -> &LocalAddr {
        &self.0.body.conn().local
    }

    /// The facts of the TLS session, if there is one.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.0.body.conn().tls.get()
    }

    /// What `make` gave for the first request of this connection that asked, kept until the connection
    /// and its exchanges are gone: what a binding would otherwise make for each request anew. `None` if
    /// it was made as another type.
    pub fn keep_for_connection<T, F>(&self, make: F) -> Option<&T>
    where
        T: Any + Send + Sync,
        F: FnOnce() -> T,
    {
        let kept = &self.0.body.conn().kept;
        kept.get_or_init(|| Box::new(make())).downcast_ref()
    }

    /// The body.
    pub fn body(&self) -> &RequestBody {
        &self.0.body
    }

    /// The body, to read it.
    pub fn body_mut(&mut self) -> &mut RequestBody {
        &mut self.0.body
    }

    pub(crate) fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.parts.extensions.get()
    }

    /// Whether the program that handed it in upgrades its connection, or does so itself: not a server of
    /// ours, which does so in the end.
    pub(crate) fn is_upgraded_by_host(&self) -> bool {
        let outer = self.extension::<Connection>();
        self.0.body.conn().is_in_process() && outer.is_none_or(|outer| outer.0.is_in_process())
    }

    /// What becomes the bytes of an HTTP/2 stream, or of a host program's connection, if that is asked for.
    pub(crate) fn take_upgrade(&mut self) -> Option<hyper::upgrade::OnUpgrade> {
        self.0.parts.extensions.remove()
    }

    /// The request as tower services know it, with [`Matched`] and [`Connection`] as extensions.
    pub fn into_http(self) -> http::Request<RequestBody> {
        let Inner {
            parts,
            body,
            pattern,
            values,
            forwarded,
        } = *self.0;
        let connection = Connection(body.conn().clone(), forwarded);
        let matched = Matched {
            pattern,
            values,
            path: parts.uri.clone(),
        };
        let mut request = http::Request::from_parts(parts, body);
        request.extensions_mut().insert(matched);
        request.extensions_mut().insert(connection);
        request
    }
}

/// The client as seen through proxies.
pub(crate) fn client<'a>(conn: &'a Conn, forwarded: Option<&'a Forwarded>) -> &'a PeerAddr {
    forwarded
        .and_then(|forwarded| forwarded.client.as_ref())
        .unwrap_or(conn.peer())
}

fn scheme(conn: &Conn, forwarded: Option<&Forwarded>) -> &'static str {
    match forwarded.and_then(|forwarded| forwarded.scheme) {
        Some(scheme) => scheme,
        None if conn.is_tls() => "https",
        None => "http",
    }
}

/// The host that a request names: in an absolute target, which wins (RFC 9112 §3.2.2), or in the Host
/// field.
pub(crate) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers
            .get(HOST)
            .and_then(|value| value.to_str().ok())
            .unwrap_or(""),
    }
}
