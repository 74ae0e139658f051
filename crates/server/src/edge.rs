//! What stands between a client and the server: who may speak for a client, and what every answer
//! carries.

use std::io::Write as _;
use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_LENGTH, SERVER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::builder::Builder;
use crate::conn::Conn;
use crate::error::{StartError, StartKind};
use crate::forwarded::{Forwarded, Trust};

/// What a user chose.
#[derive(Debug)]
pub(crate) struct Plan {
    proxy_protocol: bool,
    proxy_protocol_from: Trust,
    trust: Trust,
    server: Option<HeaderValue>,
    date: bool,
    headers: HeaderMap,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            proxy_protocol: false,
            proxy_protocol_from: Trust::everyone(),
            trust: Trust::default(),
            server: None,
            date: true,
            headers: HeaderMap::new(),
        }
    }
}

impl Plan {
    /// What connections need to know of it.
    pub(crate) fn settle(self) -> Result<Arc<Edge>, StartError> {
        let mut headers = self.headers;
        if let Some(server) = self.server
            && !headers.contains_key(SERVER)
        {
            headers.insert(SERVER, server);
        }
        if let Some(name) = headers.keys().find(|name| is_of_one_message(name)) {
            return Err(StartError(StartKind::Field(name.clone())));
        }
        Ok(Arc::new(Edge {
            proxy_protocol: self.proxy_protocol.then_some(self.proxy_protocol_from),
            trust: Some(self.trust).filter(|trust| *trust != Trust::default()),
            fields: Fields::new(&headers).map(Arc::new),
            date: self.date,
        }))
    }
}

/// Whether a field is about one message or one connection, so that the protocol writes it.
fn is_of_one_message(name: &HeaderName) -> bool {
    [
        CONNECTION,
        CONTENT_LENGTH,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ]
    .contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// See the module. One for all reactors of a server.
#[derive(Debug)]
pub(crate) struct Edge {
    /// Whose PROXY header is taken, if connections begin with one.
    pub(crate) proxy_protocol: Option<Trust>,
    /// Whose forwarding headers are believed.
    trust: Option<Trust>,
    /// What every answer carries.
    pub(crate) fields: Option<Arc<Fields>>,
    /// Whether answers carry the time.
    pub(crate) date: bool,
}

impl Edge {
    /// What trusted proxies said of a request.
    pub(crate) fn forwarded(&self, conn: &Conn, headers: &HeaderMap) -> Option<Arc<Forwarded>> {
        let trust = self.trust.as_ref()?;
        Forwarded::read(trust, conn.peer(), headers).map(Arc::new)
    }

    /// The header lines of an answer that HTTP does not write.
    pub(crate) fn lines(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        let fields = self.fields.iter().flat_map(|fields| &fields.0);
        for (name, value) in fields.flat_map(|(name, values)| values.iter().map(move |v| (name, v)))
        {
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.extend_from_slice(b": ");
            lines.extend_from_slice(value.as_bytes());
            lines.extend_from_slice(b"\r\n");
        }
        if self.date && !self.fields.as_ref().is_some_and(|fields| fields.has_date()) {
            let now = httpdate::fmt_http_date(std::time::SystemTime::now());
            // Into memory, which takes all of it.
            let _ = write!(lines, "date: {now}\r\n");
        }
        lines
    }
}

/// Header fields for answers that lack them, in order.
#[derive(Debug)]
pub(crate) struct Fields(Vec<(HeaderName, Vec<HeaderValue>)>);

impl Fields {
    /// None if there are none.
    fn new(headers: &HeaderMap) -> Option<Self> {
        let fields: Vec<_> = headers
            .keys()
            .map(|name| {
                (
                    name.clone(),
                    headers.get_all(name).iter().cloned().collect(),
                )
            })
            .collect();
        Some(Fields(fields)).filter(|fields| !fields.0.is_empty())
    }

    /// Adds each field of which `headers` has none.
    pub(crate) fn complete(&self, headers: &mut HeaderMap) {
        for (name, values) in &self.0 {
            if !headers.contains_key(name) {
                for value in values {
                    headers.append(name.clone(), value.clone());
                }
            }
        }
    }

    fn has_date(&self) -> bool {
        self.0.iter().any(|(name, _)| *name == http::header::DATE)
    }
}

/// Proxies before the server, and fields of every answer.
impl Builder {
    /// Whether every connection begins with a header of the PROXY protocol, version 1 or 2, before TLS:
    /// `send-proxy` and `send-proxy-v2` of HAProxy, `proxy_protocol on` of nginx's stream module, what
    /// network load balancers of clouds send. [`Request::peer`](crate::Request::peer) is then the
    /// client that it names; a health check (`LOCAL`, `UNKNOWN`) keeps the address of the socket.
    /// Default false.
    ///
    /// A connection that does not begin with one is closed and the log says so. The header is due within
    /// [`header_timeout`](crate::Limits::header_timeout), version 1 has at most 107 bytes, and version 2
    /// at most 4096 after its fixed part; its checksum is verified if it has one, and other extensions
    /// are skipped.
    ///
    /// **Whoever can connect can say to be anybody.** Switch it on only where nobody but the load
    /// balancer reaches the address, or say who does: [`proxy_protocol_from`](Self::proxy_protocol_from).
    pub fn proxy_protocol(mut self, proxy_protocol: bool) -> Self {
        self.0.edge.proxy_protocol = proxy_protocol;
        self
    }

    /// Whose PROXY header is taken; connections from elsewhere are closed. Default: everybody's. Does
    /// nothing without [`proxy_protocol`](Self::proxy_protocol).
    pub fn proxy_protocol_from(mut self, from: Trust) -> Self {
        self.0.edge.proxy_protocol_from = from;
        self
    }

    /// Whose word about clients is believed: see [`forwarded`](crate::forwarded). Default: nobody's.
    ///
    /// Behind the PROXY protocol, the address that it names is the one to be trusted or not.
    ///
    /// ```
    /// use oxbridge::{Request, Server, forwarded::Trust};
    ///
    /// let mut builder = Server::builder();
    /// builder.route("/", |r: Request| async move { format!("{} {}\n", r.scheme(), r.client()) })?;
    /// let server = builder
    ///     .trust_forwarded(Trust::parse("127.0.0.1, unix")?)
    ///     .bind("127.0.0.1:0".parse()?)
    ///     .start()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trust_forwarded(mut self, trust: Trust) -> Self {
        self.0.edge.trust = trust;
        self
    }

    /// What the Server field of answers says (RFC 9110 §10.2.4). Default: there is none.
    pub fn server_header(mut self, server: Option<HeaderValue>) -> Self {
        self.0.edge.server = server;
        self
    }

    /// Whether answers carry the time (RFC 9110 §6.6.1), which a server with a clock owes. Default true.
    pub fn date_header(mut self, date: bool) -> Self {
        self.0.edge.date = date;
        self
    }

    /// Fields that every answer carries, the server's own answers too, unless its handler set one of that
    /// name. Start fails on a field that belongs to one message or connection, such as Content-Length.
    pub fn default_headers(mut self, headers: HeaderMap) -> Self {
        self.0.edge.headers = headers;
        self
    }
}
