//! From a request head to its handler: the mux, the checks, and the body that is read ahead.

mod answers;
mod directories;
mod gathering;

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::header::{ALLOW, EXPECT, HOST};
use http::{HeaderValue, Method, Request as HttpRequest, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use oxbridge_mux::{Lookup, PathValues, Pattern};

use crate::app::{Handler, ResponseFuture, Route};
use crate::body::Body;
use crate::compression::Negotiated;
use crate::conn::{Conn, Underway};
use crate::edge::Fields;
use crate::exchange::Exchange;
use crate::incoming::{RequestBody, Source};
use crate::limits::Limits;
use crate::listen::PeerAddr;
use crate::observe::{Begun, Watch};
use crate::reactor::{Job, Shared};
use crate::reply::{Outlet, Reply};
use crate::request::{Request, client, host};
use crate::response::{ResponseWriter, plain};
use crate::websocket;

pub(crate) use self::answers::unavailable;
use self::answers::{asterisk, close, redirect};
use self::gathering::Gathering;

/// What hyper calls for each request of one connection.
pub(crate) struct Service {
    pub(crate) shared: Arc<Shared>,
    pub(crate) conn: Arc<Conn>,
}

impl hyper::service::Service<HttpRequest<Incoming>> for Service {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: HttpRequest<Incoming>) -> Answer {
        let underway = self.conn.begin_exchange();
        let account = request.version() == Version::HTTP_2;
        self.answer(request, underway, account, Self::dispatch)
    }
}

/// What the path leads to.
enum Found {
    Route(Arc<Route>, Pattern, PathValues),
    Answer(Response<Body>),
}

impl Service {
    /// Begins an exchange; `dispatch` is what happens if it is admitted. For `account` see [`Body::keep`].
    pub(crate) fn answer<B>(
        &self,
        request: HttpRequest<B>,
        underway: Underway,
        account: bool,
        dispatch: impl FnOnce(&Self, HttpRequest<B>) -> State,
    ) -> Answer {
        let compression = self.shared.compression.as_ref();
        let compression = compression.map(|c| c.negotiate(request.method(), request.headers()));
        let shared = &self.shared;
        let client = |headers: &http::HeaderMap| self.client(headers);
        let (state, watch) = match shared.notes.begin(&request, client, &shared.live) {
            Begun::Admitted(watch) => (dispatch(self, request), watch),
            Begun::Refused(watch) => {
                let response = unavailable(*request.method() == Method::HEAD);
                (State::done(response), watch)
            }
        };
        Answer {
            compression,
            state,
            watch,
            underway: Some(underway),
            account,
            fields: self.shared.edge.fields.clone(),
        }
    }

    pub(crate) fn dispatch<B>(&self, request: HttpRequest<B>) -> State
    where
        Source: From<B>,
    {
        let (mut parts, body) = request.into_parts();
        let source = Source::from(body);
        if let Some(protocol) = parts.extensions.get::<Protocol>() {
            if !websocket::is_websocket(protocol.as_str()) {
                return State::done(plain(StatusCode::NOT_IMPLEMENTED, false));
            }
            // RFC 8441 §5: it stands for the GET of the handshake in HTTP/1.
            parts.method = Method::GET;
        } else if let Some(file) = directories::find(self, &parts) {
            return file.answer(self, parts, source);
        }
        let found = self.find(&parts.method, &parts.uri, &parts.headers, parts.version);
        let (route, pattern, values) = match found {
            Found::Route(route, pattern, values) => (route, pattern, values),
            Found::Answer(response) => return State::done(response),
        };
        let limits = &self.shared.limits;
        if let Some(status) = excess(&parts, &self.conn, limits) {
            return State::done(plain(status, parts.method == Method::HEAD));
        }
        let expected = source.size_hint().lower();
        if limits.max_body.is_some_and(|max| expected > max) {
            return State::done(close(plain(StatusCode::PAYLOAD_TOO_LARGE, false)));
        }
        let ahead = !source.is_end_stream()
            && limits.buffer_body > 0
            && !parts.headers.contains_key(EXPECT);
        let body = RequestBody::new(
            source,
            self.conn.clone(),
            limits.max_body,
            limits.body_timeout,
        );
        let forwarded = self.shared.edge.forwarded(&self.conn, &parts.headers);
        let request = Request::new(parts, body, pattern, values, forwarded);
        if ahead && !matches!(route.handler, Handler::Async(_)) {
            return State::Gathering(Box::new(Gathering {
                shared: self.shared.clone(),
                request: Some(request),
                route,
                arrived: BytesMut::new(),
            }));
        }
        start(&self.shared, request, route)
    }

    /// Who the client of a request is, for what is noted of it.
    fn client(&self, headers: &http::HeaderMap) -> PeerAddr {
        let forwarded = self.shared.edge.forwarded(&self.conn, headers);
        client(&self.conn, forwarded.as_deref()).clone()
    }

    /// Asks the mux.
    fn find(
        &self,
        method: &Method,
        uri: &http::Uri,
        headers: &http::HeaderMap,
        version: Version,
    ) -> Found {
        let head_request = *method == Method::HEAD;
        if version == Version::HTTP_2 && headers.contains_key(HOST) && uri.authority().is_none() {
            // RFC 9113 §8.3.1 lets Host stand in for :authority; `host` reads it.
        } else if version == Version::HTTP_2
            && uri.authority().is_none()
            && *method != Method::CONNECT
        {
            return Found::Answer(close(plain(StatusCode::BAD_REQUEST, head_request)));
        }
        let table = self.shared.app.table();
        if table.is_fallback_only()
            && let Some((route, pattern, values)) = table.fallback()
        {
            return Found::Route(route, pattern, values);
        }
        let path = uri.path();
        if path == "*" {
            return Found::Answer(asterisk(method, head_request));
        }
        let path = if *method == Method::CONNECT && uri.scheme().is_none() {
            ""
        } else {
            path
        };
        let lookup = table
            .mux()
            .lookup(method.as_str(), host(uri, headers), path, uri.query());
        if !matches!(lookup, Lookup::Found(_))
            && let Some((route, pattern, values)) = table.fallback()
        {
            return Found::Route(route, pattern, values);
        }
        match lookup {
            Lookup::Found(found) => {
                let route = found.value.clone();
                let pattern = found.pattern.clone();
                Found::Route(route, pattern, found.into_values())
            }
            Lookup::Redirect {
                location, status, ..
            } => Found::Answer(redirect(&location, status, method)),
            Lookup::MethodNotAllowed { allow, .. } => {
                let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, head_request);
                if let Ok(allow) = HeaderValue::from_str(&allow) {
                    response.headers_mut().insert(ALLOW, allow);
                }
                Found::Answer(response)
            }
            Lookup::NotFound => Found::Answer(plain(StatusCode::NOT_FOUND, head_request)),
            Lookup::BadRequest(_) => {
                Found::Answer(close(plain(StatusCode::BAD_REQUEST, head_request)))
            }
        }
    }
}

/// What is too much about an HTTP/2 head, or one that a host program hands in, if anything. In HTTP/1 the
/// guard has looked already.
fn excess(parts: &http::request::Parts, conn: &Conn, limits: &Limits) -> Option<StatusCode> {
    if parts.version != Version::HTTP_2 && !conn.is_in_process() {
        return None;
    }
    let target = parts
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target > limits.max_target_bytes {
        Some(StatusCode::URI_TOO_LONG)
    } else if parts.headers.len() > limits.max_headers {
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    } else {
        None
    }
}

/// Runs the handler, or queues the exchange for a thread that will.
fn start(shared: &Arc<Shared>, request: Request, route: Arc<Route>) -> State {
    match &route.handler {
        Handler::Async(handler) => match catch_unwind(AssertUnwindSafe(|| handler(request))) {
            Ok(future) => State::Future(future),
            Err(_) => State::done(plain(StatusCode::INTERNAL_SERVER_ERROR, false)),
        },
        Handler::Inline(handler) => {
            let (mut exchange, outlet) = exchange(shared, request);
            exchange.never_wait();
            // A panic drops the exchange, which answers it.
            let _ = catch_unwind(AssertUnwindSafe(|| handler(exchange)));
            State::Waiting(Some(outlet))
        }
        Handler::Blocking(_) => {
            let head_request = *request.method() == Method::HEAD;
            let (mut exchange, outlet) = exchange(shared, request);
            if shared.driven {
                exchange.never_wait();
            }
            match shared.submit(Job::Handle(exchange, route)) {
                Ok(()) => State::Waiting(Some(outlet)),
                Err(job) => {
                    drop(outlet);
                    // Nobody listens to it any more, so this says nothing and logs nothing.
                    drop(job);
                    shared.notes.refused();
                    State::done(unavailable(head_request))
                }
            }
        }
    }
}

fn exchange(shared: &Shared, request: Request) -> (Exchange, Outlet) {
    let conn = request.body().conn().clone();
    let account = request.version() == Version::HTTP_2 || conn.is_in_process();
    let reply = Reply::new(account.then(|| conn.clone()));
    conn.set_reply(&reply);
    let outlet = Outlet::new(reply.clone());
    let response = ResponseWriter::new(
        reply,
        conn,
        request.method(),
        request.version(),
        &shared.limits,
        shared.live.clone(),
    );
    (Exchange::new(request, response), outlet)
}

/// The answer to one request, to come.
pub(crate) struct Answer {
    state: State,
    /// Goes into the response's body too.
    watch: Option<Box<Watch>>,
    /// Goes into the response's body, so that the exchange lasts as long as that does.
    underway: Option<Underway>,
    /// See [`Body::keep`].
    account: bool,
    /// How the client would have the response coded.
    compression: Option<Negotiated>,
    /// What the answer carries besides.
    fields: Option<Arc<Fields>>,
}

impl Answer {
    /// Gives the exchange up, whatever has come of it so far, and answers 503 instead, unless that has been
    /// answered already.
    pub(crate) fn give_up(&mut self, head_request: bool) {
        if !matches!(self.state, State::Done(_)) {
            self.state = State::done(unavailable(head_request));
        }
    }
}

/// Small, since each stream of HTTP/2 moves it into a task of its own.
pub(crate) enum State {
    /// An answer without a handler; `None` once it has been given.
    Done(Option<Box<Response<Body>>>),
    /// The body is read ahead of the handler.
    Gathering(Box<Gathering>),
    /// A handler outside the reactor has it.
    Waiting(Option<Outlet>),
    Future(ResponseFuture),
}

impl State {
    pub(crate) fn done(response: Response<Body>) -> State {
        State::Done(Some(Box::new(response)))
    }
}

impl Future for Answer {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut response = loop {
            match &mut this.state {
                State::Done(response) => match response.take() {
                    Some(response) => break *response,
                    None => return Poll::Pending,
                },
                State::Gathering(gathering) => this.state = ready!(gathering.poll(cx)),
                State::Waiting(slot) => {
                    let Some(outlet) = slot else {
                        return Poll::Pending;
                    };
                    let mut response = ready!(outlet.poll_head(cx));
                    if let Some(outlet) = slot.take() {
                        response.body_mut().attach(outlet);
                    }
                    break response;
                }
                State::Future(future) => {
                    match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                        Ok(polled) => break ready!(polled),
                        Err(_) => break plain(StatusCode::INTERNAL_SERVER_ERROR, false),
                    }
                }
            }
        };
        this.state = State::Done(None);
        if let Some(fields) = &this.fields {
            fields.complete(response.headers_mut());
        }
        if let Some(upgrade) = response.extensions_mut().remove::<websocket::Accepted>() {
            if let Some(underway) = this.underway.take()
                && let Some(carried) = upgrade.begin(underway)
            {
                response.extensions_mut().insert(carried);
            }
        } else if let Some(underway) = this.underway.take() {
            response.body_mut().keep(underway, this.account);
        }
        if let Some(compression) = this.compression.take() {
            response = compression.apply(response);
        }
        if let Some(mut watch) = this.watch.take() {
            // Last: it counts what is sent, compressed or not.
            watch.head(&response);
            response.body_mut().watch(watch);
        }
        Poll::Ready(Ok(response))
    }
}
