//! WebSockets (RFC 6455), compressed if the client likes (RFC 7692), over HTTP/1.1 and HTTP/2 (RFC 8441).
//!
//! While the server drains, sockets are closed with code 1012 (service restart).
//!
//! In a host program (see [`InProcess`](crate::InProcess)) the host's connection becomes the WebSocket's,
//! and the host's runtime moves its bytes.
//!
//! A WebSocket begins as a request: a route of its path (and of GET, if it names a method) gets it, in
//! HTTP/2 too. The handler accepts it, or answers with any other response.
//!
//! ```
//! use oxbridge::Server;
//! use oxbridge::websocket::{Accept, Event, Message};
//!
//! let mut builder = Server::builder();
//! let echo = |exchange: oxbridge::Exchange| {
//!     let socket = match exchange.accept_websocket(Accept::default()) {
//!         Ok((_request, socket)) => socket,
//!         Err((exchange, error)) => return exchange.refuse_websocket(&error),
//!     };
//!     loop {
//!         let message = match socket.recv_blocking() {
//!             Ok(Event::Text(text)) => Message::Text(text),
//!             Ok(Event::Binary(bytes)) => Message::Binary(bytes),
//!             _ => return,
//!         };
//!         if socket.send_blocking(message).is_err() {
//!             return;
//!         }
//!     }
//! };
//! builder.blocking_exchange("/echo", echo, "here".into())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod channel;
mod codec;
mod handshake;
mod message;
mod pump;
mod socket;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

use http::header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderValue, Response};

use crate::body::Body;
use crate::exchange::Exchange;
use crate::request::Request;

use self::channel::Channel;
use self::codec::{Decoder, Deflate, Encoder};
use self::pump::PumpEnd;
use self::upgrade::Upgrade;

pub use self::handshake::AcceptError;
pub use self::message::{Event, Message, Utf8Bytes};
pub use self::socket::{SendError, WebSocket, WouldBlock};

pub(crate) use self::handshake::is_websocket;
pub(crate) use self::upgrade::{Cutter, Pending, Upgrade as Accepted};

/// Bounds on a WebSocket, and how it behaves.
///
/// ```
/// use oxbridge::websocket::Options;
/// let options = Options { max_message: 1 << 20, ..Options::default() };
/// assert!(options.deflate);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "struct update syntax is how it is meant to be filled in"
)]
pub struct Options {
    /// Bytes of a message that the client sends, decompressed; past it the connection is failed with code
    /// 1009. Default 16 MiB.
    pub max_message: usize,
    /// Bytes of messages that wait for the handler to receive them before the client is stopped. One
    /// message more fits always. Default 64 KiB.
    pub read_ahead: usize,
    /// Bytes that a handler may send ahead of a slow client before it should wait. Default 256 KiB.
    pub write_ahead: usize,
    /// Time between pings; none sends none. Default 20 s.
    pub ping_interval: Option<Duration>,
    /// Time in which something has to come after a ping, else the connection is failed with code 1011;
    /// none waits for ever. Default 20 s.
    pub ping_timeout: Option<Duration>,
    /// Time for the closing handshake. Default 10 s.
    pub close_timeout: Duration,
    /// Whether messages are compressed when the client offers permessage-deflate. Default true.
    pub deflate: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            max_message: 16 << 20,
            read_ahead: 64 << 10,
            write_ahead: 256 << 10,
            ping_interval: Some(Duration::from_secs(20)),
            ping_timeout: Some(Duration::from_secs(20)),
            close_timeout: Duration::from_secs(10),
            deflate: true,
        }
    }
}

/// How a WebSocket is accepted.
///
/// ```
/// use oxbridge::websocket::Accept;
/// let accept = Accept { subprotocol: Some("chat".into()), ..Accept::default() };
/// assert!(accept.headers.is_empty());
/// ```
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "struct update syntax is how it is meant to be filled in"
)]
pub struct Accept {
    /// One of the [subprotocols](Request::websocket_protocols) that the client offered; none chooses none.
    pub subprotocol: Option<String>,
    /// Header fields for the answer, beside those of the handshake.
    pub headers: HeaderMap,
    /// Bounds.
    pub options: Options,
}

/// Accepts a WebSocket in an async handler. The response is to be returned; the conversation begins when
/// it has been sent, so it is another task's, for example one of `tokio::spawn`.
///
/// ```
/// use oxbridge::websocket::{self, Accept, Message};
/// use oxbridge::{Request, Server};
///
/// let mut builder = Server::builder();
/// builder.route("/time", |request: Request| async {
///     match websocket::upgrade(request, Accept::default()) {
///         Ok((response, socket)) => {
///             tokio::spawn(async move { socket.send_when_room(Message::text("noon")).await });
///             response
///         }
///         Err((_request, error)) => error.response(),
///     }
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The request, to be answered otherwise, and why it cannot become a WebSocket.
pub fn upgrade(
    mut request: Request,
    accept: Accept,
) -> Result<(Response<Body>, WebSocket), (Request, AcceptError)> {
    match prepare(&mut request, accept) {
        Ok((response, channel, subprotocol)) => {
            Ok((response, WebSocket::new(channel, subprotocol, true, None)))
        }
        Err(error) => Err((request, error)),
    }
}

type Prepared = (Response<Body>, Arc<Channel>, Option<String>);

fn prepare(request: &mut Request, accept: Accept) -> Result<Prepared, AcceptError> {
    let Accept {
        subprotocol,
        headers,
        options,
    } = accept;
    let key = handshake::check(request)?.map(<[u8]>::to_vec);
    if let Some(name) = handshake::forbidden(&headers) {
        return Err(AcceptError::BadHeader(name));
    }
    let chosen = match &subprotocol {
        None => None,
        Some(name) => {
            let offered = request.websocket_protocols().contains(&name.as_str());
            match HeaderValue::from_str(name) {
                Ok(value) if offered => Some(value),
                _ => return Err(AcceptError::BadSubprotocol(name.clone())),
            }
        }
    };
    let deflate = options
        .deflate
        .then(|| Deflate::negotiate(handshake::list(request.headers(), SEC_WEBSOCKET_EXTENSIONS)))
        .flatten();
    let extension = deflate.as_ref().map(Deflate::answer);
    let stream = if key.is_none() || request.is_upgraded_by_host() {
        let stream = request.take_upgrade();
        if stream.is_none() {
            // It has been accepted before, or its extensions have been replaced.
            return Err(if key.is_none() {
                AcceptError::NotAsked
            } else {
                AcceptError::NoUpgrade
            });
        }
        stream
    } else {
        None
    };
    let channel = Arc::new(Channel::new(&options, Encoder::new(deflate.as_ref())));
    let decoder = Decoder::new(options.max_message, deflate.as_ref());
    let mut response = handshake::answer(key.as_deref(), chosen, extension, headers);
    let upgrade = Upgrade::new(
        PumpEnd(channel.clone()),
        decoder,
        options,
        stream,
        key.is_some(),
    );
    response.extensions_mut().insert(upgrade);
    Ok((response, channel, subprotocol))
}

impl Request {
    /// Whether it is a valid opening handshake of a WebSocket (RFC 6455 §4.1, RFC 8441 §5).
    pub fn is_websocket(&self) -> bool {
        handshake::check(self).is_ok()
    }

    /// The subprotocols that the client offers, in the order of its preference.
    pub fn websocket_protocols(&self) -> Vec<&str> {
        handshake::list(self.headers(), SEC_WEBSOCKET_PROTOCOL).collect()
    }
}

impl Exchange {
    /// Accepts a WebSocket: the exchange becomes one.
    ///
    /// # Errors
    /// The exchange, to be answered otherwise (see [`refuse_websocket`](Self::refuse_websocket)), and why
    /// it cannot become a WebSocket.
    #[expect(
        clippy::result_large_err,
        reason = "an exchange is what it is, and moves either way"
    )]
    pub fn accept_websocket(
        self,
        accept: Accept,
    ) -> Result<(Request, WebSocket), (Exchange, AcceptError)> {
        let (response, mut request) = self.into_parts();
        if !response.is_open() {
            return Err((Exchange::new(request, response), AcceptError::HeadSent));
        }
        match prepare(&mut request, accept) {
            Ok((answer, channel, subprotocol)) => {
                let (may_wait, live) = response.switch(answer);
                let socket = WebSocket::new(channel, subprotocol, may_wait, Some(live));
                Ok((request, socket))
            }
            Err(error) => Err((Exchange::new(request, response), error)),
        }
    }

    /// Answers with what an error of [`accept_websocket`](Self::accept_websocket) says.
    pub fn refuse_websocket(self, error: &AcceptError) {
        let (response, _) = self.into_parts();
        if response.is_open() {
            response.switch(error.response());
        }
    }
}
