//! Where an application is below the host's paths.

use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri};
use oxbridge::{Body, IntoResponse as _};

/// What is to be taken off the paths of requests.
#[derive(Clone, Debug)]
pub(super) enum Mount {
    /// Nothing: the host has done so, or the application is at its root.
    Below,
    /// The path of the application.
    Whole(Arc<str>),
}

impl Mount {
    /// The request as the application's server wants it; none if it is not below the application's path.
    pub(super) fn enter<B>(&self, mut request: Request<B>) -> Option<Request<B>> {
        if let Mount::Whole(root) = self {
            let uri = below(request.uri(), root)?;
            *request.uri_mut() = uri;
        }
        Some(request)
    }
}

/// The target with `root` taken off its path.
fn below(uri: &Uri, root: &str) -> Option<Uri> {
    let rest = uri.path().strip_prefix(root)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let path = if rest.is_empty() { "/" } else { rest };
    let target = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.ok()?);
    Uri::from_parts(parts).ok()
}

/// The answer to what is not below the application's path.
pub(super) fn nothing_here() -> Response<Body> {
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn the_prefix_goes_at_a_slash_only() {
        for (target, rest) in [
            ("/api", Some("/")),
            ("/api/", Some("/")),
            ("/api?x=%20", Some("/?x=%20")),
            ("/api/a%2Fb?", Some("/a%2Fb?")),
            ("/api/api/x", Some("/api/x")),
            ("http://a.example/api/x", Some("http://a.example/x")),
            ("/apis", None),
            ("/", None),
            ("*", None),
        ] {
            let found = below(&target.parse().unwrap(), "/api").map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), rest, "{target}");
        }
    }
}
