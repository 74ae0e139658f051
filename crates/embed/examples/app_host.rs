//! Serves one Python application through axum: `app_host module:app --interface wsgi --port 8000`.
//!
//! `--root-path /old` has it below a path. What the program writes to standard error says where it
//! listens; SIGTERM and Ctrl-C let requests finish.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use oxbridge::Via;
use oxbridge_embed::{App, Asgi, Interpreter, Lifespan, Wsgi};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How long requests may take at the end.
const GRACE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Error> {
    let options = Options::read(std::env::args().skip(1))?;
    // Before the runtime: it runs Python code, and blocks.
    let app = options.start()?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve(&options, app))
}

async fn serve(options: &Options, app: App) -> Result<(), Error> {
    let service = app.via(|extensions| {
        let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
        Some(Via::new().peer(*peer))
    });
    let router = if options.root_path.is_empty() {
        Router::new().fallback_service(service)
    } else {
        Router::new().nest_service(&options.root_path, service)
    };
    let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
    let (mut terminated, mut interrupted) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    report(&format!("Serving on http://{}", listener.local_addr()?));
    let stop = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        // The application first: its long answers and WebSockets end with it, and then axum's connections can.
        if !app.shutdown(GRACE).await {
            report("A request still runs");
        }
    };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(stop)
        .await?;
    Interpreter::finish(GRACE);
    report("Stopped");
    Ok(())
}

struct Options {
    target: String,
    is_wsgi: bool,
    port: u16,
    root_path: String,
    lifespan: Lifespan,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Error> {
        let mut options = Options {
            target: String::new(),
            is_wsgi: false,
            port: 8000,
            root_path: String::new(),
            lifespan: Lifespan::Auto,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} wants a value"));
            match word.as_str() {
                "--interface" => {
                    options.is_wsgi = match value()?.as_str() {
                        "wsgi" => true,
                        "asgi" => false,
                        other => {
                            return Err(
                                format!("--interface is {other}, wanted wsgi or asgi").into()
                            );
                        }
                    }
                }
                "--port" => options.port = value()?.parse()?,
                "--root-path" => options.root_path = value()?,
                "--lifespan" => {
                    options.lifespan = match value()?.as_str() {
                        "auto" => Lifespan::Auto,
                        "on" => Lifespan::On,
                        "off" => Lifespan::Off,
                        other => {
                            return Err(
                                format!("--lifespan is {other}, wanted auto, on or off").into()
                            );
                        }
                    }
                }
                option if option.starts_with('-') => {
                    return Err(format!("there is no option {option}").into());
                }
                _ => options.target = word,
            }
        }
        Ok(options)
    }

    fn start(&self) -> Result<App, oxbridge_embed::AppError> {
        let target = self.target.as_str();
        if self.is_wsgi {
            let site = Wsgi::import(target).path(".");
            site.root_path(self.root_path.as_str()).start()
        } else {
            let site = Asgi::import(target).path(".").lifespan(self.lifespan);
            site.root_path(self.root_path.as_str()).start()
        }
    }
}

#[expect(clippy::print_stderr, reason = "it is what the program says")]
fn report(text: &str) {
    eprintln!("{text}");
}
