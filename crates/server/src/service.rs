//! From a request head to its handler: the mux, the checks, and the body that is read ahead.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, LOCATION, RETRY_AFTER,
};
use http::{HeaderValue, Method, Request as HttpRequest, Response, StatusCode, Version};
use hyper::body::{Body as _, Incoming};
use oxbridge_mux::{Lookup, PathValues, Pattern};

use crate::app::{Handler, ResponseFuture};
use crate::body::Body;
use crate::conn::{Conn, Underway};
use crate::error::BodyError;
use crate::exchange::Exchange;
use crate::incoming::RequestBody;
use crate::limits::Limits;
use crate::reactor::{Job, Shared};
use crate::reply::{Outlet, Reply};
use crate::request::{Request, host};
use crate::response::{ResponseWriter, plain};

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
        Answer {
            state: self.dispatch(request),
            underway: Some(underway),
        }
    }
}

/// What the path leads to.
enum Found {
    Route(u32, Pattern, PathValues),
    Answer(Response<Body>),
}

impl Service {
    fn dispatch(&self, request: HttpRequest<Incoming>) -> State {
        let (parts, incoming) = request.into_parts();
        let found = self.find(&parts.method, &parts.uri, &parts.headers, parts.version);
        let (route, pattern, values) = match found {
            Found::Route(route, pattern, values) => (route, pattern, values),
            Found::Answer(response) => return State::Done(Some(response)),
        };
        let limits = &self.shared.limits;
        if let Some(status) = excess(&parts, limits) {
            return State::Done(Some(plain(status, parts.method == Method::HEAD)));
        }
        let expected = incoming.size_hint().lower();
        if limits.max_body.is_some_and(|max| expected > max) {
            return State::Done(Some(close(plain(StatusCode::PAYLOAD_TOO_LARGE, false))));
        }
        let ahead = !incoming.is_end_stream()
            && limits.buffer_body > 0
            && !parts.headers.contains_key(EXPECT);
        let body = RequestBody::new(
            incoming,
            self.conn.clone(),
            limits.max_body,
            limits.body_timeout,
        );
        let request = Request::new(parts, body, pattern, values);
        if ahead && !matches!(self.shared.app.handler(route), Handler::Async(_)) {
            return State::Gathering(Box::new(Gathering {
                shared: self.shared.clone(),
                request: Some(request),
                route,
                arrived: BytesMut::new(),
            }));
        }
        start(&self.shared, request, route)
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
        let path = uri.path();
        if path == "*" {
            return Found::Answer(asterisk(method, head_request));
        }
        let path = if *method == Method::CONNECT && uri.scheme().is_none() {
            ""
        } else {
            path
        };
        match self
            .shared
            .app
            .mux()
            .lookup(method.as_str(), host(uri, headers), path, uri.query())
        {
            Lookup::Found(found) => {
                let route = *found.value;
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

/// What is too much about an HTTP/2 head, if anything. In HTTP/1 the guard has looked already.
fn excess(parts: &http::request::Parts, limits: &Limits) -> Option<StatusCode> {
    if parts.version != Version::HTTP_2 {
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

/// `OPTIONS *` asks about the server as a whole (RFC 9110 §9.3.7); no other method may (RFC 9112 §3.2.4).
fn asterisk(method: &Method, head_request: bool) -> Response<Body> {
    if *method != Method::OPTIONS {
        return close(plain(StatusCode::BAD_REQUEST, head_request));
    }
    let mut response = Response::new(Body::empty());
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// A redirect to a path of our own, with a short page for GET and HEAD.
fn redirect(location: &str, status: u16, method: &Method) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::TEMPORARY_REDIRECT);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    if *method == Method::GET || *method == Method::HEAD {
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
    }
    if *method == Method::GET {
        let mut page = String::from("<a href=\"");
        for c in location.chars() {
            match c {
                '&' => page.push_str("&amp;"),
                '<' => page.push_str("&lt;"),
                '>' => page.push_str("&gt;"),
                '"' => page.push_str("&#34;"),
                '\'' => page.push_str("&#39;"),
                c => page.push(c),
            }
        }
        page.push_str("\">");
        page.push_str(status.canonical_reason().unwrap_or("Redirect"));
        page.push_str("</a>.\n\n");
        *response.body_mut() = page.into();
    }
    response
}

/// Marks the connection for closing, where the protocol has such a mark; HTTP/2 drops it.
fn close(mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Runs the handler, or queues the exchange for a thread that will.
fn start(shared: &Arc<Shared>, request: Request, route: u32) -> State {
    match shared.app.handler(route) {
        Handler::Async(handler) => match catch_unwind(AssertUnwindSafe(|| handler(request))) {
            Ok(future) => State::Future(future),
            Err(_) => State::Done(Some(plain(StatusCode::INTERNAL_SERVER_ERROR, false))),
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
            let (exchange, outlet) = exchange(shared, request);
            match shared.submit(Job { exchange, route }) {
                Ok(()) => State::Waiting(Some(outlet)),
                Err(job) => {
                    drop(outlet);
                    // Nobody listens to it any more, so this says nothing and logs nothing.
                    drop(job);
                    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, head_request);
                    response
                        .headers_mut()
                        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
                    State::Done(Some(response))
                }
            }
        }
    }
}

fn exchange(shared: &Shared, request: Request) -> (Exchange, Outlet) {
    let reply = Reply::new();
    let outlet = Outlet::new(reply.clone());
    let conn = request.body().conn().clone();
    let response = ResponseWriter::new(
        reply,
        conn,
        request.method(),
        request.version(),
        shared.limits.write_ahead,
        shared.live.clone(),
    );
    (Exchange::new(request, response), outlet)
}

/// The answer to one request, to come.
pub(crate) struct Answer {
    state: State,
    /// Goes into the response's body, so that the exchange lasts as long as that does.
    underway: Option<Underway>,
}

enum State {
    Done(Option<Response<Body>>),
    /// The body is read ahead of the handler.
    Gathering(Box<Gathering>),
    /// A handler outside the reactor has it.
    Waiting(Option<Outlet>),
    Future(ResponseFuture),
}

/// A request whose body is on its way, and what has come of it.
struct Gathering {
    shared: Arc<Shared>,
    request: Option<Request>,
    route: u32,
    arrived: BytesMut,
}

impl Gathering {
    /// Reads until the body is whole, or too long to wait for. A body of unknown length, which may be
    /// half of a conversation, is not waited for at all.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<State> {
        let Some(request) = &mut self.request else {
            return Poll::Pending;
        };
        let hold = self.shared.limits.buffer_body;
        let known = request.content_length();
        let mut first = Bytes::new();
        let mut whole = true;
        loop {
            match request.body_mut().poll_chunk(cx) {
                Poll::Ready(None) => break,
                Poll::Ready(Some(Ok(chunk))) => {
                    if self.arrived.is_empty() && first.is_empty() {
                        first = chunk;
                    } else {
                        self.arrived.extend_from_slice(&std::mem::take(&mut first));
                        self.arrived.extend_from_slice(&chunk);
                    }
                    if self.arrived.len() + first.len() >= hold {
                        whole = false;
                        break;
                    }
                }
                Poll::Ready(Some(Err(e))) => {
                    // A client that has gone gets this too, for want of anybody else to tell.
                    let status = match e {
                        BodyError::ClientGone => StatusCode::BAD_REQUEST,
                        ref e => e.status(),
                    };
                    return Poll::Ready(State::Done(Some(close(plain(status, false)))));
                }
                Poll::Pending if known.is_some_and(|length| length <= hold as u64) => {
                    self.arrived.extend_from_slice(&first);
                    return Poll::Pending;
                }
                Poll::Pending => {
                    whole = false;
                    break;
                }
            }
        }
        let arrived = if self.arrived.is_empty() {
            first
        } else {
            self.arrived.extend_from_slice(&first);
            self.arrived.split().freeze()
        };
        let Some(mut request) = self.request.take() else {
            return Poll::Pending;
        };
        request.body_mut().unread(arrived);
        let inline = matches!(self.shared.app.handler(self.route), Handler::Inline(_));
        if inline && !whole {
            // An inline handler must not wait for the rest; it is told so if it tries to.
            tracing::debug!("an inline handler gets a request whose body has not arrived whole");
        }
        Poll::Ready(start(&self.shared, request, self.route))
    }
}

impl Future for Answer {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut response = loop {
            match &mut this.state {
                State::Done(response) => match response.take() {
                    Some(response) => break response,
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
        if let Some(underway) = this.underway.take() {
            response.body_mut().keep(underway);
        }
        Poll::Ready(Ok(response))
    }
}
