//! A Rust program whose route `/python` is answered by a Python function, and `/rust` by Rust:
//!
//! ```sh
//! cargo run -p oxbridge-embed --example embed          # in the checkout
//! curl http://127.0.0.1:8080/python
//! curl -H 'X-Sleep: 0.5' http://127.0.0.1:8080/rust
//! ```
//!
//! `HOST` and `PORT` say where it listens, `WORKERS` is the directory of worker.py.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]

use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::any;
use oxbridge_embed::{Error, Python, Request as Call, Values};

#[tokio::main(flavor = "multi_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting =
        |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
    let workers = std::env::var_os("WORKERS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/embed"),
        PathBuf::from,
    );
    let python = Python::builder()
        .path(workers)
        .init("worker", "go_init")
        .request("worker", "go_request")
        .start()?;

    let mut app = Router::new()
        .route("/python", any(call))
        .route("/rust", any(rust));
    for (route, methods) in python.routes() {
        println!("{} {route}", methods.join(","));
        // `/hello/:target` is what the worker writes, `/hello/{target}` what axum wants.
        let route = route.split('/').map(|part| match part.strip_prefix(':') {
            Some(name) => format!("{{{name}}}"),
            None => part.to_owned(),
        });
        app = app.route(&route.collect::<Vec<_>>().join("/"), any(call));
    }

    let (host, port) = (setting("HOST", "127.0.0.1"), setting("PORT", "8080"));
    let listener = tokio::net::TcpListener::bind(format!("{host}:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app.with_state(python)).await?;
    Ok(())
}

/// Hands a request to Python.
async fn call(
    State(python): State<Python>,
    Path(params): Path<Vec<(String, String)>>,
    request: Request<Body>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    // A body longer than this is refused, whatever Python would say.
    let body = match axum::body::to_bytes(body, 2 << 20).await {
        Ok(body) => body,
        Err(e) => return (StatusCode::PAYLOAD_TOO_LARGE, e.to_string()).into_response(),
    };
    let call = Call {
        params: Values::from_iter(params),
        ..Call::from_http(Request::from_parts(head, body))
    };
    match python.request(call).await {
        Ok(response) => response.into(),
        Err(e) => refuse(&e),
    }
}

/// What a client is told; the program's log has the rest.
fn refuse(e: &Error) -> Response<Body> {
    eprintln!("{e}");
    if let Error::Python { traceback, .. } = e {
        eprint!("{traceback}");
    }
    match e {
        Error::Busy { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")]).into_response()
        }
        Error::Stopped => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Error::Timeout(_) => StatusCode::GATEWAY_TIMEOUT.into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The same in Rust: the body back, or "ok".
async fn rust(_: Method, headers: HeaderMap, body: Bytes) -> Bytes {
    let seconds = headers
        .get("x-sleep")
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if let Some(Ok(time)) = seconds.map(Duration::try_from_secs_f64) {
        tokio::time::sleep(time).await;
    }
    if body.is_empty() {
        Bytes::from_static(b"ok\n")
    } else {
        body
    }
}
