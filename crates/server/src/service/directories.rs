//! Directories that are asked before the routes, which get what these do not have.

use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::{Method, Version};
use oxbridge_mux::{Lookup, PathValues, Pattern};

use super::{Service, State, excess, exchange};
use crate::files::{Hit, StaticDir};
use crate::incoming::{RequestBody, Source};
use crate::request::{Request, host};

/// A file that answers a request.
pub(super) struct Found {
    dir: Arc<StaticDir>,
    hit: Hit,
    pattern: Pattern,
    values: PathValues,
}

/// What a directory has for a request, if anything.
pub(super) fn find(service: &Service, parts: &Parts) -> Option<Found> {
    let shared = &service.shared;
    let table = shared.app.table();
    let directories = table.directories();
    if directories.is_empty()
        || !matches!(parts.method, Method::GET | Method::HEAD)
        || excess(parts, &service.conn, &shared.limits).is_some()
    {
        return None;
    }
    // A request that names no host is refused further on.
    let names_host = parts.uri.authority().is_some() || parts.headers.contains_key(HOST);
    if parts.version == Version::HTTP_2 && !names_host {
        return None;
    }
    let lookup = directories.lookup(
        parts.method.as_str(),
        host(&parts.uri, &parts.headers),
        parts.uri.path(),
        parts.uri.query(),
    );
    let Lookup::Found(found) = lookup else {
        return None;
    };
    let path = found.get("path")?;
    Some(Found {
        hit: found.value.find(path, parts.uri.path(), &parts.headers)?,
        dir: found.value.clone(),
        pattern: found.pattern.clone(),
        values: found.into_values(),
    })
}

impl Found {
    /// Answers with it.
    pub(super) fn answer(self, service: &Service, parts: Parts, source: Source) -> State {
        let limits = &service.shared.limits;
        let body = RequestBody::new(
            source,
            service.conn.clone(),
            limits.max_body,
            limits.body_timeout,
        );
        let shared = &service.shared;
        let forwarded = shared.edge.forwarded(&service.conn, &parts.headers);
        let request = Request::new(parts, body, self.pattern, self.values, forwarded);
        let (mut exchange, outlet) = exchange(&service.shared, request);
        exchange.never_wait();
        self.dir.answer(exchange, self.hit);
        State::Waiting(Some(outlet))
    }
}
