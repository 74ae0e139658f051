//! The handlers of the benchmark table, in Rust: `native 127.0.0.1:5000 [CERTIFICATE KEY]`.
//!
//! `/` is an async handler inside the reactor, `/blocking` one on the crew's threads; `/static` are the
//! files of the directory that `BENCH_FILES` names. With a certificate it speaks HTTPS.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use oxbridge::files::StaticDir;
use oxbridge::tls::TlsConfig;
use oxbridge::{Body, Request, Server};

const HELLO: &str = "Hello, world.\n";
/// What `/stream` sends, in pieces of 4 KiB.
const PIECES: usize = 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:5000".into());
    let mut builder = Server::builder();
    builder.route("/{$}", |_: Request| async { HELLO })?;
    builder.blocking("/blocking", |w, _| w.write(HELLO.as_bytes()))?;
    builder.route("POST /echo", echo)?;
    let piece = Bytes::from((0..=255u8).cycle().take(4096).collect::<Vec<_>>());
    builder.route("/stream", move |_: Request| {
        let pieces = vec![piece.clone(); PIECES];
        async move { Response::new(Body::new(Pieces(pieces))) }
    })?;
    builder.route("/nap", |_: Request| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        HELLO
    })?;
    if let Some(files) = std::env::var_os("BENCH_FILES") {
        builder.mount_static("/static", StaticDir::new(files)?)?;
    }
    builder.blocking("/sleep", |w, _| {
        std::thread::sleep(Duration::from_millis(500));
        w.write(b"slept\n")
    })?;
    builder.blocking("POST /length", |w, r| {
        match r.body_mut().read_all_blocking() {
            Ok(body) => w.write(body.len().to_string().as_bytes()),
            Err(e) => {
                w.refuse(e.status());
                Ok(())
            }
        }
    })?;
    if let (Some(certificate), Some(key)) = (arguments.next(), arguments.next()) {
        builder = builder.tls(TlsConfig::from_pem_files(certificate, key).build()?);
    }
    builder.bind(address.parse()?).start()?.wait();
    Ok(())
}

async fn echo(mut request: Request) -> Response<Body> {
    match request.body_mut().read_all().await {
        Ok(body) => Response::new(Body::from(body)),
        Err(e) => {
            let mut refusal = Response::new(Body::empty());
            *refusal.status_mut() = e.status();
            refusal
        }
    }
}

/// A body in pieces whose length nobody is told.
struct Pieces(Vec<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.pop().map(|piece| Ok(Frame::data(piece))))
    }
}
