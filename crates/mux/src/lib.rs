//! Routes HTTP requests by the patterns of Go's `ServeMux`.
//!
//! A [`Mux`] holds patterns with a value each. [`Mux::lookup`] takes a request's method, host and
//! path and answers with the value of the pattern that fits best, or with a redirect, a 405, a 404
//! or a 400. There is no I/O here, nothing asynchronous, and no `unsafe`.
//!
//! ```
//! use oxbridge_mux::{Lookup, Mux};
//!
//! let mut mux = Mux::new();
//! mux.register("GET /posts/{id}", "one post")?;
//! mux.register("GET /posts/latest", "the latest post")?;
//! mux.register("/static/{path...}", "a file")?;
//! mux.register("/{$}", "home")?;
//!
//! let Lookup::Found(found) = mux.lookup("GET", "example.com", "/posts/42", None) else { panic!() };
//! assert_eq!((*found.value, found.get("id")), ("one post", Some("42")));
//! # Ok::<(), oxbridge_mux::RegisterError>(())
//! ```
//!
//! # Patterns
//!
//! A pattern is `[METHOD ][HOST]/[PATH]`. Only the first slash has to be there.
//!
//! | Pattern | matches |
//! |---|---|
//! | `/a/b` | the path `/a/b` |
//! | `/a/{x}` | `/a/` and one segment that is not empty, which is the value of `x`; not `/a/`, not `/a/b/c` |
//! | `/a/{x...}` | `/a/` and whatever follows, which may be nothing; not `/a` |
//! | `/a/` | the same, without a value |
//! | `/a/{$}` | `/a/` alone |
//! | `/{$}` | `/` alone, where `/` matches every path |
//! | `POST /a` | `POST` requests for `/a` |
//! | `GET /a` | `GET` and `HEAD` |
//! | `example.com/a` | `/a` on that host |
//!
//! - **Method**: a token, compared as it is (`get` is not `GET`), then one or more spaces or tabs.
//!   Without it a pattern matches every method.
//! - **Host**: compared as it is, with the request's host stripped of its port. It has no wildcards.
//! - **Wildcards** are whole segments. Names are letters, digits and `_`, do not begin with a digit
//!   and differ within a pattern. `{x...}` and `{$}` come last.
//! - **Escapes**: a literal is percent-decoded segment by segment, so `/%7B` is how to write `{`, and
//!   `/a%2Fb` matches only an escaped slash. An invalid escape stands for itself: `/%x` matches the
//!   request `/%25x`.
//! - A pattern with a method other than `CONNECT` must have a clean path (below), for it would never
//!   match. Without a method it is accepted, and may match a `CONNECT`.
//!
//! # Precedence
//!
//! If several patterns match a request, one that names the host wins over one that does not. Then
//! the more specific one wins: the one whose requests the other matches too, and more. The order of
//! registration never matters.
//!
//! - `/posts/latest` wins over `/posts/{id}`, which wins over `/posts/`.
//! - `GET /posts/` wins over `/posts/`, and for a `HEAD` request `HEAD /posts/` over `GET /posts/`.
//!
//! Where two patterns of the same host match a common request and neither is more specific, the
//! second registration fails with a [`ConflictError`]. So with `/a/{x}` and `/{x}/b`, which meet in
//! `/a/b`; and with `GET /` and `/a`, of which one matches more paths and the other more methods.
//!
//! # What becomes of a request
//!
//! 1. A path that is none (it does not begin with a slash, it has a bad escape or a control
//!    character) is a [`Lookup::BadRequest`].
//! 2. Bytes that should have been escaped and were not (`"`, `{`, `é`, ...) are treated as if the
//!    path had been decoded as a whole and escaped again. Only then does `%2F` become a separator.
//! 3. A path with `//`, `.` or `..` segments is redirected to the clean one, which keeps a trailing
//!    slash. Whether anything matches there does not matter.
//! 4. If no pattern matches the path exactly, that is, other than by a `...` or trailing slash that
//!    matches more than nothing, and one does when a slash is added, the request is redirected there.
//! 5. If a pattern matches, it is [`Lookup::Found`]. The *escaped* path is split at slashes and then
//!    decoded, so that a value of `{x}` can hold a slash (`/a%2Fb`). `{x...}` decodes all it matched.
//! 6. If patterns of other methods match the path, or the path with a slash added, it is
//!    [`Lookup::MethodNotAllowed`], else [`Lookup::NotFound`].
//!
//! A redirect has the status 307 and keeps the query. A `CONNECT` request is not cleaned, its host
//! keeps its port, and only the second of the two redirects applies to it.
//!
//! # Where this is Go, and where it is not
//!
//! The rules are those of Go 1.26 (and 1.27, which changed only what is said below), with which
//! `tests/go_oracle.rs` compares thousands of random pattern sets and requests. What a reader may trip over is in both:
//!
//! - `%2F` as a whole segment counts as a trailing slash: `/a/{$}` matches the request `/a/%2F`, and
//!   `/a/{x}` does not.
//! - `CONNECT host:port` has an empty path, which no pattern matches, not even `/`.
//! - `GET /` keeps `/a` from being registered: neither is more specific. `/` does not.
//!
//! On purpose, it differs thus:
//!
//! - A redirect's `Location` is escaped as the request was, as in Go 1.27. Go 1.26 escapes it twice
//!   or not enough (`/a%2Fb//c` became `/a%252Fb/c`; golang/go#79897).
//! - Under `CONNECT` a segment can be empty. `{x}` matches it and has the value `""`, where Go binds
//!   no value and panics when asked for it (golang/go#81222). An empty segment of a pattern (`//a`)
//!   matches an empty segment only, where Go confuses it with a wildcard.
//! - A `CONNECT` is never redirected to a `Location` that begins with `//`, which names a host.
//! - A value that is not UTF-8 is offered as text with U+FFFD and as bytes.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;
mod example;
mod host;
mod identifier;
mod index;
mod literals;
mod lookup;
mod mux;
mod parse;
mod path;
mod pattern;
mod relation;
mod tree;
mod values;

pub use error::{ConflictError, ParseError, RegisterError};
pub use lookup::{BadRequest, Lookup, Match};
pub use mux::Mux;
pub use pattern::Pattern;
pub use values::PathValues;
