//! Directories that are asked before the routes, which get what these do not have.

use http::header::HOST;
use http::request::Parts;
use http::{Method, Version};
use hyper::body::Incoming;
use oxbridge_mux::Lookup;

use super::{Service, State, excess, exchange};
use crate::incoming::RequestBody;
use crate::request::{Request, host};

/// Answers with a file, or gives the request back.
pub(super) fn ask(
    service: &Service,
    parts: Parts,
    incoming: Incoming,
) -> Result<State, (Parts, Incoming)> {
    let shared = &service.shared;
    let table = shared.app.table();
    let directories = table.directories();
    if directories.is_empty()
        || !matches!(parts.method, Method::GET | Method::HEAD)
        || excess(&parts, &shared.limits).is_some()
    {
        return Err((parts, incoming));
    }
    // A request that names no host is refused further on.
    let names_host = parts.uri.authority().is_some() || parts.headers.contains_key(HOST);
    if parts.version == Version::HTTP_2 && !names_host {
        return Err((parts, incoming));
    }
    let lookup = directories.lookup(
        parts.method.as_str(),
        host(&parts.uri, &parts.headers),
        parts.uri.path(),
        parts.uri.query(),
    );
    let Lookup::Found(found) = lookup else {
        return Err((parts, incoming));
    };
    let path = found.get("path").unwrap_or_default();
    let Some(hit) = found.value.find(path, parts.uri.path(), &parts.headers) else {
        return Err((parts, incoming));
    };
    let (dir, pattern) = (found.value.clone(), found.pattern.clone());
    let values = found.into_values();
    let limits = &shared.limits;
    let body = RequestBody::new(
        incoming,
        service.conn.clone(),
        limits.max_body,
        limits.body_timeout,
    );
    let (mut exchange, outlet) = exchange(shared, Request::new(parts, body, pattern, values));
    exchange.never_wait();
    dir.answer(exchange, hit);
    Ok(State::Waiting(Some(outlet)))
}
