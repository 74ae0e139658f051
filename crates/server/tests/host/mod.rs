//! A host program: an axum router that hyper serves on a free port, in a runtime of its own.
#![allow(
    dead_code,
    reason = "not every test file that has this module uses all of it"
)]

use std::net::SocketAddr;
use std::thread::JoinHandle;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use oxbridge::InProcess;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::ServiceExt as _;

/// What hyper speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http1,
    Http2,
}

/// The address of the client, as this host leaves it with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// A host that runs until it is dropped; its connections end with it.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Serves a router by HTTP/1.1.
    pub(crate) fn of(router: Router) -> Self {
        Self::speaking(Speaks::Http1, router)
    }

    /// Serves everything by the entrance.
    pub(crate) fn whole(speaks: Speaks, entrance: InProcess) -> Self {
        Self::speaking(speaks, Router::new().fallback_service(entrance))
    }

    pub(crate) fn speaking(speaks: Speaks, router: Router) -> Self {
        let (ready, address) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                let accept = async {
                    loop {
                        let (stream, peer) = listener.accept().await.unwrap();
                        stream.set_nodelay(true).unwrap();
                        tokio::spawn(serve(speaks, TokioIo::new(stream), peer, router.clone()));
                    }
                };
                tokio::select! {
                    () = accept => {}
                    _ = stopped => {}
                }
            });
        });
        Host {
            address: address.recv().unwrap(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

async fn serve(
    speaks: Speaks,
    io: TokioIo<tokio::net::TcpStream>,
    peer: SocketAddr,
    router: Router,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.clone().oneshot(request)
    });
    // What a client does to its connection is what the tests look at, from the other side.
    let _ = match speaks {
        Speaks::Http1 => {
            http1::Builder::new()
                .serve_connection(io, service)
                .with_upgrades()
                .await
        }
        Speaks::Http2 => {
            http2::Builder::new(TokioExecutor::new())
                .enable_connect_protocol()
                .serve_connection(io, service)
                .await
        }
    };
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of its own has been printed, and the test that caused it fails anyway.
            let _ = thread.join();
        }
    }
}
