//! A Django site half moved to Rust: axum answers what has moved, Django everything else.
//!
//! ```sh
//! cargo run -p oxbridge-embed --example embed_django    # in the checkout; Django is in $VIRTUAL_ENV
//! curl http://127.0.0.1:8080/api/prices/1               # Rust
//! curl http://127.0.0.1:8080/products/1/                # Django
//! ```
//!
//! `HOST` and `PORT` say where it listens, `SITE` is the directory of the site.

#![expect(clippy::print_stderr, reason = "a program for a terminal")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Path as InPath, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use oxbridge::Via;
use oxbridge_embed::{App, AppError, Interpreter, Wsgi};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

type Error = Box<dyn std::error::Error>;

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
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/embed_django"),
        PathBuf::from,
    );
    let products = Product::read(&directory.join("products.json"))?;
    // Before the runtime: it runs Python code, and blocks.
    let site = Wsgi::import("shop.wsgi:application")
        .path(directory)
        .threads(32)
        .start()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(serve(site, products));
    Interpreter::finish(GRACE);
    served
}

async fn serve(site: App, products: Products) -> Result<(), Error> {
    let django = site.via(|extensions| {
        let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
        Some(Via::new().peer(*peer))
    });
    let router = Router::new()
        // What has moved.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/api/prices/{id}", get(price))
        .with_state(Arc::new(products))
        // What has not.
        .fallback_service(django);

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
        // The site first: axum waits for its answers.
        if !site.shutdown(GRACE).await {
            eprintln!("a request of Django's still runs");
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

/// `GET /api/prices/{id}`
async fn price(State(products): State<Arc<Products>>, InPath(id): InPath<String>) -> Response {
    let (status, told) = match products.get(&id) {
        Some(Product { name, cents }) => (StatusCode::OK, json!({ "name": name, "cents": cents })),
        None => (
            StatusCode::NOT_FOUND,
            json!({ "error": format!("there is no product {id}") }),
        ),
    };
    (
        status,
        [(CONTENT_TYPE, "application/json")],
        told.to_string(),
    )
        .into_response()
}

/// The products by number, as text.
type Products = HashMap<String, Product>;

/// What Rust has to know of a product. Django reads the same file.
#[derive(Deserialize)]
struct Product {
    name: String,
    cents: u32,
}

impl Product {
    fn read(file: &Path) -> Result<Products, Error> {
        let text = std::fs::read_to_string(file)
            .map_err(|e| format!("cannot read {}: {e}", file.display()))?;
        serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()).into())
    }
}
