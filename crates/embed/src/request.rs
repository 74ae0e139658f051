//! A request as Python functions get it.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};

/// A request for a Python function. What becomes `str` there may be any bytes: see [`Body`](crate::Body) for the
/// rule.
///
/// ```
/// use oxbridge_embed::{Request, Values};
///
/// let request = Request {
///     path: "/hello/world".into(),
///     params: Values::from_iter([("target", "world")]),
///     query: Values::parse("x=1&x=2"),
///     ..Request::default()
/// };
/// assert_eq!(request.method, "GET");
/// assert_eq!(request.query.iter().count(), 2);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method; GET by default.
    pub method: Method,
    /// The path, as the function is to see it. [`from_http`](Self::from_http) decodes it.
    pub path: Bytes,
    /// What the program's router has found in the path.
    pub params: Values,
    /// The parameters of the query.
    pub query: Values,
    /// The header fields. Python gets their names as Go writes them: `Content-Type`, `X-Sleep`.
    pub headers: HeaderMap,
    /// The body, complete.
    pub body: Bytes,
}

impl Request {
    /// The request that a server has received, whose body has been read. The path and the query are decoded
    /// (`%2F` becomes a slash, and in the query `+` a space); there are no params.
    pub fn from_http(request: http::Request<Bytes>) -> Self {
        let (head, body) = request.into_parts();
        Request {
            method: head.method,
            path: decoded(&head.uri),
            params: Values::default(),
            query: Values::parse(head.uri.query().unwrap_or("")),
            headers: head.headers,
            body,
        }
    }
}

fn decoded(uri: &Uri) -> Bytes {
    let path = percent_encoding::percent_decode_str(uri.path());
    Bytes::from(std::borrow::Cow::from(path).into_owned())
}

/// Names with one value or more each, in order; in Python a `dict[str, list[str]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(Vec<(Bytes, Bytes)>);

impl Values {
    /// None.
    pub fn new() -> Self {
        Values::default()
    }

    /// Those of a query or of a form's body, `application/x-www-form-urlencoded`. Anything is a query.
    pub fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (form_decoded(name), form_decoded(value))
            })
            .collect()
    }

    /// Adds a value, after those that the name has.
    pub fn push(&mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.0.push((name.into(), value.into()));
    }

    /// Each name with each of its values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (&name[..], &value[..]))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<Bytes>, V: Into<Bytes>> FromIterator<(N, V)> for Values {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Values(
            pairs
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

fn form_decoded(text: &str) -> Bytes {
    if !text.contains(['%', '+']) {
        return Bytes::copy_from_slice(text.as_bytes());
    }
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).collect()
}

#[cfg(test)]
mod tests {
    use super::{Request, Values};

    #[test]
    fn queries_are_read_as_forms_are() {
        for (query, pairs) in [
            ("", vec![]),
            (
                "a=1&b=2&a=3",
                vec![(&b"a"[..], &b"1"[..]), (b"b", b"2"), (b"a", b"3")],
            ),
            ("a", vec![(b"a", b"")]),
            ("&&a=&=b&", vec![(b"a", b""), (b"", b"b")]),
            ("x+y=%2B%20z", vec![(b"x y", b"+ z")]),
            ("x=%ff%zz%", vec![(b"x", b"\xff%zz%")]),
            ("a=b=c", vec![(b"a", b"b=c")]),
        ] {
            let values = Values::parse(query);
            assert_eq!(values.iter().collect::<Vec<_>>(), pairs, "{query:?}");
        }
    }

    #[test]
    fn a_server_s_request_is_decoded() {
        let request = http::Request::get("http://host/a%2Fb%ff?q=%41")
            .body(bytes::Bytes::new())
            .unwrap();
        let request = Request::from_http(request);
        assert_eq!(&request.path[..], b"/a/b\xff");
        assert_eq!(request.query, Values::from_iter([("q", "A")]));
    }
}
