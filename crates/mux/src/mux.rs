//! The mux: patterns with their values, and the lookup.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

use crate::error::{ConflictError, RegisterError};
use crate::host::strip_port;
use crate::index::Index;
use crate::lookup::{self, BadRequest, Lookup, Match};
use crate::path::{self, Prepared};
use crate::pattern::{Parts, Pattern};
use crate::relation;
use crate::tree::{EntryId, Hit, Walk};
use crate::values::{PathValues, Spans};

/// Routes requests to values of type `T` by patterns.
///
/// Register everything first, then share the mux; a lookup needs only `&self`, takes no lock and,
/// unless a wildcard's value has to be decoded, does not allocate.
///
/// ```
/// use oxbridge_mux::{Lookup, Mux};
///
/// let mut mux = Mux::new();
/// mux.register("GET /users/{id}", "show")?;
/// mux.register("POST /users/", "create")?;
///
/// match mux.lookup("GET", "example.com:80", "/users/7", None) {
///     Lookup::Found(found) => {
///         assert_eq!(*found.value, "show");
///         assert_eq!(found.get("id"), Some("7"));
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), oxbridge_mux::RegisterError>(())
/// ```
#[derive(Clone)]
pub struct Mux<T> {
    entries: Vec<(Pattern, T)>,
    /// Finds the places of patterns in `entries`.
    index: Index,
}

impl<T> Mux<T> {
    /// Makes a mux with no patterns, which finds nothing.
    pub fn new() -> Self {
        Mux {
            entries: Vec::new(),
            index: Index::default(),
        }
    }

    /// Registers `value` for the requests that `pattern` matches.
    ///
    /// The caller's source location is kept with the pattern, for the message of a later conflict.
    ///
    /// # Errors
    ///
    /// The text is not a pattern, or it conflicts with a registered one. Then the mux is unchanged,
    /// and the value is dropped.
    ///
    /// ```
    /// # use oxbridge_mux::Mux;
    /// let mut mux = Mux::new();
    /// let pattern = mux.register("/a/{x}", 1)?;
    /// assert_eq!(pattern.as_str(), "/a/{x}");
    /// assert!(pattern.location().contains(".rs:"));
    /// assert!(mux.register("/a/{y}", 2).is_err());
    /// # Ok::<(), oxbridge_mux::RegisterError>(())
    /// ```
    #[track_caller]
    pub fn register(&mut self, pattern: &str, value: T) -> Result<&Pattern, RegisterError> {
        let caller = Location::caller();
        self.register_at(
            pattern,
            value,
            format!("{}:{}", caller.file(), caller.line()),
        )
    }

    /// As [`register`](Self::register), for a caller that knows better where the pattern is from.
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    ///
    /// ```
    /// # use oxbridge_mux::Mux;
    /// let mut mux = Mux::new();
    /// mux.register_at("/a", 1, "app.py:7")?;
    /// let error = mux.register_at("/a", 2, "app.py:9").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "pattern \"/a\" (registered at app.py:9) conflicts with pattern \"/a\" (registered at \
    ///      app.py:7): both match GET /a, and they match the same requests",
    /// );
    /// # Ok::<(), oxbridge_mux::RegisterError>(())
    /// ```
    pub fn register_at(
        &mut self,
        pattern: &str,
        value: T,
        location: impl Into<Cow<'static, str>>,
    ) -> Result<&Pattern, RegisterError> {
        let pattern = Pattern::new(pattern, location.into())?;
        if let Some(existing) = self.find_conflict(pattern.parts()) {
            let (existing, _) = &self.entries[existing as usize];
            return Err(ConflictError::new(pattern, existing.clone()).into());
        }
        // 2^32 patterns do not fit into memory.
        let entry = self.entries.len() as EntryId;
        self.index.insert(pattern.parts(), entry);
        self.entries.push((pattern, value));
        Ok(&self.entries[entry as usize].0)
    }

    /// Finds what to do with a request.
    ///
    /// - `method`: as it came; methods compare case-sensitively.
    /// - `host`: the `Host` header, or the authority of the request target if it has one; `""` if
    ///   there is neither. A port is ignored, but for `CONNECT`.
    /// - `path`: the path of the request target, still escaped; `""` for a `CONNECT` to an
    ///   authority.
    /// - `query`: what follows the `?`, for redirects to keep.
    ///
    /// A `CONNECT` with a path (`CONNECT /path`, or HTTP/2's extended `CONNECT`) is taken to have no
    /// authority in its target; see [`lookup_connect`](Self::lookup_connect).
    pub fn lookup<'m, 'p>(
        &'m self,
        method: &str,
        host: &str,
        path: &'p str,
        query: Option<&str>,
    ) -> Lookup<'m, 'p, T> {
        if method == "CONNECT" {
            let authority = if path.is_empty() { host } else { "" };
            return self.lookup_connect(authority, host, path, query);
        }
        let prepared = match prepare(path) {
            Ok(prepared) => prepared,
            Err(reason) => return Lookup::BadRequest(reason),
        };
        let host = if self.index.has_hosts() {
            strip_port(host)
        } else {
            ""
        };
        if prepared.unclean {
            return self.redirect_to_clean(method, host, &prepared, query);
        }
        let walk = prepared.walk();
        let mut spans = Spans::default();
        let hit = self.index.find(host, method, walk, &mut spans);
        if let Some(redirect) =
            self.redirect_to_slash(hit, host, method, walk, &prepared.text, query)
        {
            return redirect;
        }
        match hit {
            Some(hit) => Lookup::Found(self.found(hit, path, &prepared, spans)),
            None => self.method_not_allowed_or_not_found(host, walk),
        }
    }

    /// Looks up a `CONNECT`, whose path is not cleaned and whose host keeps its port.
    ///
    /// Go consults two hosts for a `CONNECT`, and so does this: `authority`, that of the request
    /// target (`""` if the target is a path), for trailing-slash redirects and for `Allow`; `host`,
    /// the target's or else the `Host` header, for the match. [`lookup`](Self::lookup) is enough
    /// unless the target has both an authority and a path.
    ///
    /// ```
    /// # use oxbridge_mux::{Lookup, Mux};
    /// let mut mux = Mux::new();
    /// mux.register("CONNECT /rpc", 1)?;
    /// mux.register("CONNECT proxy:443/rpc", 2)?;
    /// let Lookup::Found(found) = mux.lookup_connect("", "proxy:443", "/rpc", None) else { panic!() };
    /// assert_eq!(*found.value, 2);
    /// # Ok::<(), oxbridge_mux::RegisterError>(())
    /// ```
    pub fn lookup_connect<'m, 'p>(
        &'m self,
        authority: &str,
        host: &str,
        path: &'p str,
        query: Option<&str>,
    ) -> Lookup<'m, 'p, T> {
        let prepared = match prepare(path) {
            Ok(prepared) => prepared,
            Err(reason) => return Lookup::BadRequest(reason),
        };
        let walk = prepared.walk();
        let hit = self
            .index
            .find(authority, "CONNECT", walk, &mut Spans::default());
        if let Some(redirect) =
            self.redirect_to_slash(hit, authority, "CONNECT", walk, &prepared.text, query)
        {
            return redirect;
        }
        let mut spans = Spans::default();
        match self.index.find(host, "CONNECT", walk, &mut spans) {
            Some(hit) => Lookup::Found(self.found(hit, path, &prepared, spans)),
            None => self.method_not_allowed_or_not_found(authority, walk),
        }
    }

    /// The number of patterns.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing has been registered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The patterns with their values, in the order of registration.
    ///
    /// ```
    /// # use oxbridge_mux::Mux;
    /// let mut mux = Mux::new();
    /// mux.register("/b", 1)?;
    /// mux.register("/a", 2)?;
    /// let all: Vec<_> = mux.iter().map(|(pattern, value)| (pattern.as_str(), *value)).collect();
    /// assert_eq!(all, [("/b", 1), ("/a", 2)]);
    /// # Ok::<(), oxbridge_mux::RegisterError>(())
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Pattern, &T)> {
        self.entries.iter().map(|(pattern, value)| (pattern, value))
    }

    /// The pattern with this place in the order of registration, as [`Match::index`] gives it.
    ///
    /// ```
    /// # use oxbridge_mux::Mux;
    /// let mut mux = Mux::new();
    /// mux.register("/", "home")?;
    /// assert_eq!(mux.at(0).map(|(pattern, value)| (pattern.as_str(), *value)), Some(("/", "home")));
    /// assert!(mux.at(1).is_none());
    /// # Ok::<(), oxbridge_mux::RegisterError>(())
    /// ```
    pub fn at(&self, index: usize) -> Option<(&Pattern, &T)> {
        self.entries
            .get(index)
            .map(|(pattern, value)| (pattern, value))
    }

    /// Finds the earliest pattern that conflicts with `new`.
    fn find_conflict(&self, new: &Parts) -> Option<EntryId> {
        let mut earliest: Option<EntryId> = None;
        self.index.visit_overlapping(new, &mut |entry| {
            let earlier = earliest.is_none_or(|earliest| entry < earliest);
            if earlier && relation::conflict(new, self.entries[entry as usize].0.parts()) {
                earliest = Some(entry);
            }
        });
        earliest
    }

    /// Answers a request whose path is not clean. Nothing need match the clean path.
    #[cold]
    fn redirect_to_clean<'m, 'p>(
        &'m self,
        method: &str,
        host: &str,
        prepared: &Prepared<'_>,
        query: Option<&str>,
    ) -> Lookup<'m, 'p, T> {
        let clean = path::clean(&prepared.text);
        let walk = Walk {
            path: clean.as_bytes(),
            escaped: prepared.escaped,
            slash: false,
        };
        let hit = self.index.find(host, method, walk, &mut Spans::default());
        let to_slash = self.redirect_to_slash(hit, host, method, walk, &clean, query);
        to_slash.unwrap_or_else(|| Lookup::Redirect {
            location: lookup::location(Cow::Borrowed(&clean), query),
            status: TEMPORARY_REDIRECT,
            pattern: hit.map(|hit| self.pattern(hit)),
        })
    }

    /// Where nothing matches a path exactly, and something would with a slash after it, says so.
    fn redirect_to_slash<'m, 'p>(
        &'m self,
        hit: Option<Hit>,
        host: &str,
        method: &str,
        walk: Walk<'_>,
        path: &str,
        query: Option<&str>,
    ) -> Option<Lookup<'m, 'p, T>> {
        if hit.is_some_and(|hit| hit.exact) || path.is_empty() || path.ends_with('/') {
            return None;
        }
        let walk = Walk {
            slash: true,
            ..walk
        };
        let hit = self
            .index
            .find(host, method, walk, &mut Spans::default())
            .filter(|hit| hit.exact)?;
        // Only the path of a CONNECT can be unclean here.
        let path = path::clean(&format!("{path}/"));
        Some(Lookup::Redirect {
            location: lookup::location(Cow::Owned(path), query),
            status: TEMPORARY_REDIRECT,
            pattern: Some(self.pattern(hit)),
        })
    }

    #[cold]
    fn method_not_allowed_or_not_found<'m, 'p>(
        &'m self,
        host: &str,
        walk: Walk<'_>,
    ) -> Lookup<'m, 'p, T> {
        match self.index.allowed(host, walk) {
            allowed if allowed.is_empty() => Lookup::NotFound,
            allowed => Lookup::MethodNotAllowed {
                allow: allowed.join(", "),
            },
        }
    }

    fn found<'m, 'p>(
        &'m self,
        hit: Hit,
        path: &'p str,
        prepared: &Prepared<'p>,
        spans: Spans,
    ) -> Match<'m, 'p, T> {
        let index = hit.entry as usize;
        let (pattern, value) = &self.entries[index];
        let mut values = PathValues::new(spans);
        if prepared.escaped {
            // The text that was matched may not be the request's own, and then no value may be a
            // range of it.
            let rewritten = matches!(prepared.text, Cow::Owned(_));
            for i in 0..values.len() {
                let span = values.span(i).unwrap_or_default();
                let raw = &prepared.text.as_bytes()[span.range()];
                if rewritten || memchr::memchr(b'%', raw).is_some() {
                    values.own(i, path::decode(raw));
                }
            }
        }
        Match::new(value, pattern, index, path, values)
    }

    fn pattern(&self, hit: Hit) -> &Pattern {
        &self.entries[hit.entry as usize].0
    }
}

impl Prepared<'_> {
    fn walk(&self) -> Walk<'_> {
        Walk {
            path: self.text.as_bytes(),
            escaped: self.escaped,
            slash: false,
        }
    }
}

impl<T> Default for Mux<T> {
    fn default() -> Self {
        Mux::new()
    }
}

impl<T> fmt::Debug for Mux<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.entries.iter().map(|(pattern, _)| pattern))
            .finish()
    }
}

fn prepare(path: &str) -> Result<Prepared<'_>, BadRequest> {
    // What a wildcard matched is kept as two 32-bit offsets.
    if u32::try_from(path.len()).is_err() {
        return Err(BadRequest::TooLong);
    }
    path::prepare(path)
}

/// 307, as Go 1.26 and later; before, 301, after which a client turns a POST into a GET.
const TEMPORARY_REDIRECT: u16 = 307;
