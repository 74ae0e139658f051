//! A Rust program whose `/api` is a FastAPI application: its pages, its WebSocket, its start and its end.
//!
//! ```sh
//! cargo run -p oxbridge-embed --example embed_fastapi   # in the checkout; FastAPI is in $VIRTUAL_ENV
//! curl http://127.0.0.1:8080/hello/world                # Rust
//! curl http://127.0.0.1:8080/api/notes/1                # FastAPI; /api/docs shows the rest
//! ```
//!
//! `HOST` and `PORT` say where it listens, `SITE` is the directory of api.py.

#![expect(clippy::print_stderr, reason = "a program for a terminal")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Path as InPath};
use axum::response::Redirect;
use axum::routing::get;
use oxbridge::Via;
use oxbridge_embed::{App, AppError, Asgi, Interpreter, Lifespan};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

type Error = Box<dyn std::error::Error>;

/// Where the application is. It makes its own links with it.
const API: &str = "/api";

/// How long requests may take once the program is asked to end, and connections after that.
const GRACE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            if let Some(AppError::Failed { traceback, .. }) = e.downcast_ref() {
                eprint!("{traceback}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let directory = std::env::var_os("SITE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/embed_fastapi"),
        PathBuf::from,
    );
    // Before the runtime: it runs Python code, and blocks until the lifespan has started.
    let api = Asgi::import("api:app")
        .path(directory)
        .root_path(API)
        .lifespan(Lifespan::On)
        .start()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(serve(api));
    Interpreter::finish(GRACE);
    served
}

async fn serve(api: App) -> Result<(), Error> {
    let python = api.via(|extensions| {
        let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
        Some(Via::new().peer(*peer))
    });
    let router = Router::new()
        .route("/", get(|| async { Redirect::to("/api/docs") }))
        .route("/hello/{name}", get(hello))
        .nest_service(API, python);

    let setting =
        |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
    let address = format!(
        "{}:{}",
        setting("HOST", "127.0.0.1"),
        setting("PORT", "8080")
    );
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|e| format!("cannot listen on {address}: {e}"))?;
    // Before anybody is told that it runs.
    let (mut terminated, mut interrupted) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    eprintln!("Serving on http://{}", listener.local_addr()?);

    let (tell, told) = oneshot::channel::<()>();
    let stop = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        // The application first: its streams and WebSockets end with it, and then axum's connections can.
        if !api.shutdown(GRACE).await {
            eprintln!("a request of FastAPI's still runs");
        }
        // Nobody hears it if the server has ended already.
        let _ = tell.send(());
    };
    let overdue = async {
        let _ = told.await;
        tokio::time::sleep(GRACE).await;
    };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        served = async { axum::serve(listener, service).with_graceful_shutdown(stop).await } => served?,
        // A client that neither finishes its request nor leaves keeps nobody from ending.
        () = overdue => eprintln!("a connection was still open"),
    }
    eprintln!("Stopped");
    Ok(())
}

async fn hello(InPath(name): InPath<String>) -> String {
    format!("Hello, {name}, from Rust.\n")
}
