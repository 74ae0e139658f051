//! Which responses are compressed, and what becomes of their heads.

use std::sync::Arc;

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body::Body as _;

use super::body::{Compressed, PIECE};
use super::encoder::Encoder;
use super::{Accepted, Algorithm, Compressor};
use crate::body::Body;

/// How the client of one request would have its response coded.
pub(crate) struct Negotiated {
    compressor: Arc<Compressor>,
    algorithm: Option<Algorithm>,
    refuses_identity: bool,
    method: Method,
    /// The tags of the copies that the client has.
    held: Vec<HeaderValue>,
}

impl Compressor {
    /// Reads what a request says of codings.
    pub(crate) fn negotiate(self: &Arc<Self>, method: &Method, headers: &HeaderMap) -> Negotiated {
        let accepted = Accepted::read(headers);
        Negotiated {
            compressor: self.clone(),
            algorithm: accepted.best(&self.settings.algorithms),
            refuses_identity: accepted.refuses_identity(),
            method: method.clone(),
            held: headers.get_all(IF_NONE_MATCH).iter().cloned().collect(),
        }
    }
}

impl Negotiated {
    /// The response as it goes out.
    pub(crate) fn apply(self, mut response: Response<Body>) -> Response<Body> {
        if response.status() == StatusCode::NOT_MODIFIED {
            self.revalidate(response.headers_mut());
            return response;
        }
        if !self.could_be_coded(&response) {
            return response;
        }
        vary(response.headers_mut());
        let Some(algorithm) = self.algorithm else {
            return response;
        };
        let head_request = self.method == Method::HEAD;
        let size = match declared(response.headers()) {
            // What the answer to HEAD does not carry says nothing of its size.
            None => response
                .body()
                .size_hint()
                .exact()
                .filter(|size| !head_request || *size != 0),
            declared => declared,
        };
        if size.is_some_and(|size| size < self.compressor.settings.min_size)
            && !self.refuses_identity
        {
            return response;
        }
        if head_request {
            code_head(response.headers_mut(), algorithm);
            // Of a body that is there the length would be told.
            response.body_mut().clear();
            return response;
        }
        let at_once = response.body().whole().is_some_and(|b| b.len() <= PIECE);
        let stream = if at_once {
            None
        } else {
            match self.compressor.stream() {
                Some(stream) => Some(stream),
                None => return response,
            }
        };
        let encoder = match Encoder::new(algorithm, &self.compressor.settings, size) {
            Ok(encoder) => encoder,
            Err(e) => {
                tracing::error!("{} cannot be used: {e}", algorithm.name());
                return response;
            }
        };
        code_head(response.headers_mut(), algorithm);
        match stream {
            Some(stream) => response.map(|body| Body::new(Compressed::new(body, encoder, stream))),
            None => code_whole(response, encoder),
        }
    }

    /// Whether some client would get the response coded, apart from its size.
    fn could_be_coded(&self, response: &Response<Body>) -> bool {
        let status = response.status();
        let headers = response.headers();
        let has_content = !status.is_informational()
            && !matches!(status.as_u16(), 204..=206)
            && (self.method == Method::HEAD || response.body().size_hint().exact() != Some(0));
        let is_connect = self.method == Method::CONNECT && status.is_success();
        has_content
            && !is_connect
            && !UNTOUCHED.iter().any(|name| headers.contains_key(name))
            && !says_no_transform(headers)
            && headers
                .get(CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .is_some_and(|kind| self.gains(kind))
    }

    /// Whether content of this type becomes smaller.
    fn gains(&self, content_type: &str) -> bool {
        let kind = content_type.split(';').next().unwrap_or_default();
        let kind = kind.trim().to_ascii_lowercase();
        if kind == "text/event-stream" {
            return self.compressor.settings.event_streams;
        }
        if kind.starts_with("application/grpc") {
            return false;
        }
        kind.starts_with("text/")
            || ["+json", "+xml", "+yaml", "+text"]
                .iter()
                .any(|suffix| kind.ends_with(suffix))
            || GAINING.contains(&kind.as_str())
    }

    /// 304 says what 200 would (RFC 9110 §15.4.5): that the response varies, and the tag of the copy
    /// that is still good.
    fn revalidate(&self, headers: &mut HeaderMap) {
        vary(headers);
        let Some(weak) = headers.get(ETAG).and_then(weakened) else {
            return;
        };
        let holds = |line: &HeaderValue| {
            let mut windows = line.as_bytes().windows(weak.len());
            windows.any(|window| window == weak.as_bytes())
        };
        if self.held.iter().any(holds) {
            headers.insert(ETAG, weak);
        }
    }
}

/// Codes a whole body that is small enough to be done at once: then its length is known.
fn code_whole(mut response: Response<Body>, mut encoder: Encoder) -> Response<Body> {
    let bytes = response.body().whole().cloned().unwrap_or_default();
    let coded = encoder.write(&bytes).and_then(|first| {
        let rest = encoder.finish()?;
        Ok([first, rest].concat())
    });
    match coded {
        Ok(coded) => {
            let length = HeaderValue::from(coded.len());
            response.headers_mut().insert(CONTENT_LENGTH, length);
            response.body_mut().replace_whole(coded.into());
            response
        }
        Err(e) => {
            tracing::error!("a response cannot be compressed: {e}");
            crate::response::plain(StatusCode::INTERNAL_SERVER_ERROR, false)
        }
    }
}

/// Turns the head of a response into that of its coded form.
fn code_head(headers: &mut HeaderMap, algorithm: Algorithm) {
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(algorithm.name()));
    headers.remove(CONTENT_LENGTH);
    headers.remove(ACCEPT_RANGES);
    if let Some(weak) = headers.get(ETAG).and_then(weakened) {
        headers.insert(ETAG, weak);
    }
}

/// The weak form of a strong tag: the coded bytes are others than those that it was made for.
fn weakened(tag: &HeaderValue) -> Option<HeaderValue> {
    if !tag.as_bytes().starts_with(b"\"") {
        return None;
    }
    HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok()
}

/// Says that the response depends on Accept-Encoding, in one Vary field.
pub(crate) fn vary(headers: &mut HeaderMap) {
    const NAME: &[u8] = b"Accept-Encoding";
    let mut merged = Vec::new();
    for line in headers.get_all(VARY) {
        let mut names = line.as_bytes().split(|b| *b == b',');
        let is_said = |name: &[u8]| name.trim_ascii().eq_ignore_ascii_case(NAME);
        if names.any(|name| is_said(name) || name.trim_ascii() == b"*") {
            return;
        }
        if !line.is_empty() {
            merged.extend_from_slice(line.as_bytes());
            merged.extend_from_slice(b", ");
        }
    }
    merged.extend_from_slice(NAME);
    // Made of values that are valid.
    if let Ok(value) = HeaderValue::from_bytes(&merged) {
        headers.insert(VARY, value);
    }
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn says_no_transform(headers: &HeaderMap) -> bool {
    headers.get_all(CACHE_CONTROL).iter().any(|line| {
        let mut directives = line.as_bytes().split(|b| *b == b',');
        directives.any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
    })
}

/// Fields whose content would be wrong, or coded twice.
const UNTOUCHED: [HeaderName; 6] = [
    CONTENT_ENCODING,
    CONTENT_RANGE,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// Types outside of `text/` that become smaller.
const GAINING: [&str; 17] = [
    "application/javascript",
    "application/json",
    "application/json-seq",
    "application/msgpack",
    "application/rtf",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/x-yaml",
    "application/xml",
    "application/yaml",
    "font/collection",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/vnd.microsoft.icon",
];
