//! A server of one file, which its handlers queue in many ways and none waits for.

use std::fs::File;
use std::path::{Path, PathBuf};

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use oxbridge::files::{queue_part, serve_file};
use oxbridge::{Builder, Exchange, Server};

/// Much more than is sent at once, and no multiple of it.
pub(crate) const SIZE: usize = (3 << 20) + 4711;

/// Routes that send the file at `path` in many ways, none of which waits.
pub(crate) fn site(path: &Path) -> Builder {
    let mut builder = Server::builder();
    let mut add = |pattern: &str, answer: fn(&mut Exchange, &Path)| {
        let path: PathBuf = path.to_owned();
        let handler = move |mut exchange: Exchange| {
            answer(&mut exchange, &path);
            exchange.end().unwrap();
        };
        builder
            .inline_exchange(pattern, handler, "here".into())
            .unwrap();
    };
    add("/whole", |exchange, path| {
        let (response, request) = exchange.parts();
        serve_file(response, request, path).unwrap();
    });
    add("/text", |exchange, path| {
        let (response, request) = exchange.parts();
        let kind = http::HeaderValue::from_static("text/plain");
        response.headers_mut().unwrap().insert(CONTENT_TYPE, kind);
        serve_file(response, request, path).unwrap();
    });
    add("/chunked", |exchange, path| {
        let file = File::open(path).unwrap();
        let length = file.metadata().unwrap().len();
        queue_part(exchange.response(), &file, path, 0, length).unwrap();
    });
    add("/parts", |exchange, path| {
        let file = File::open(path).unwrap();
        let declared = exchange.request().query() == Some("declared");
        let response = exchange.response();
        if declared {
            let headers = response.headers_mut().unwrap();
            headers.insert(CONTENT_LENGTH, (1_200_001 + 70_000 + 3).into());
        }
        response.write(b"<").unwrap();
        queue_part(response, &file, path, 100_000, 1_200_001).unwrap();
        response.write(b",").unwrap();
        queue_part(response, &file, path, 0, 70_000).unwrap();
        response.write(b">").unwrap();
    });
    builder
}

pub(crate) fn start(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}

/// Bytes that tell where they belong.
pub(crate) fn content(size: usize) -> Vec<u8> {
    (0..=size as u32 / 4)
        .flat_map(u32::to_be_bytes)
        .take(size)
        .collect()
}
