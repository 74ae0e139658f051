//! axum as its users write it, on one core: `axum_hello 127.0.0.1:5000`. `BENCH_FILES` is what
//! `/static` serves.
//!
//! One thread, because the table gives each server one core; with two workers of tokio's on that core it
//! was slower.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use futures_util::stream;
use tower_http::services::ServeDir;

const HELLO: &str = "Hello, world.\n";
const PIECES: usize = 16;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:5000".into());
    let files = std::env::var("BENCH_FILES").unwrap_or_else(|_| ".".into());
    let piece = Bytes::from((0..=255u8).cycle().take(4096).collect::<Vec<_>>());
    let app = Router::new()
        .route("/", get(async || HELLO))
        .route("/echo", post(async |body: Bytes| body))
        .route(
            "/stream",
            get(async move || {
                let pieces = vec![piece; PIECES].into_iter();
                Body::from_stream(stream::iter(pieces.map(Ok::<_, std::io::Error>)))
            }),
        )
        .route("/nap", get(nap))
        .nest_service("/static", ServeDir::new(files));
    let listener = tokio::net::TcpListener::bind(address).await?;
    // axum leaves Nagle's algorithm on unless it is told otherwise.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await
}

async fn nap() -> &'static str {
    tokio::time::sleep(Duration::from_millis(50)).await;
    HELLO
}
