//! Three nodes of a cluster, and a front door to each, in one command:
//!
//! ```text
//! cargo run --release -p oxbridge-cache --example three_nodes
//! curl http://127.0.0.1:5001/squares/12     # any of 5001, 5002, 5003: one of them does the work, once
//! curl http://127.0.0.1:5003/stats
//! curl -X DELETE http://127.0.0.1:5002/squares/12
//! ```
//!
//! With an argument, the ports begin there; with 0 they are free ones. What it prints first is where.

#![expect(clippy::print_stdout, reason = "it says where it is")]

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use oxbridge::Server;
use oxbridge::listen::Bind;
use oxbridge::{Exchange, Request};
use oxbridge_cache::{Dialect, Error, Group, Instance, Peers, Value};

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let first: u16 = std::env::args()
        .nth(1)
        .map_or(Ok(5001), |port| port.parse())?;
    // The places where the nodes meet; whoever asks from outside comes in at the front.
    let backs = free_places(3)?;
    let list: Vec<String> = backs
        .iter()
        .map(|place| format!("http://{place}"))
        .collect();
    let mut running = Vec::new();
    for (i, back) in backs.into_iter().enumerate() {
        let peers = Peers::new(Dialect::Oxbridge, &list[i]).secret("not so secret in an example");
        let cache = Instance::with_peers(peers);
        cache.set_peers(&list)?;
        let squares = cache
            .group("squares")
            .max_bytes(16 << 20)
            .ttl(Duration::from_secs(60))
            .getter(square)?;
        let node = cache.serve(back.to_string().parse::<Bind>()?)?;
        let port = if first == 0 {
            0
        } else {
            first + u16::try_from(i)?
        };
        let front = front(squares, format!("127.0.0.1:{port}").parse()?)?;
        println!("{}", front.url().unwrap_or_default());
        running.push((cache, node, front));
    }
    // Until somebody ends us.
    std::future::pending::<()>().await;
    drop(running);
    Ok(())
}

/// What is worth remembering: it takes its time.
async fn square(key: Bytes) -> Result<Value, Error> {
    let number = std::str::from_utf8(&key)
        .ok()
        .and_then(|key| key.parse::<u64>().ok());
    let number = number.ok_or_else(|| Error::not_found("only numbers have squares here"))?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let square = number.checked_mul(number);
    let square = square.ok_or_else(|| Error::getter("the square is too large"))?;
    Ok(Value::new(format!("{square}\n")))
}

/// What the world sees of a node.
fn front(squares: Group, bind: Bind) -> Result<Server, Box<dyn StdError>> {
    let mut server = Server::builder();
    let squares = Arc::new(squares);
    let group = squares.clone();
    server.route("GET /squares/{number}", move |request: Request| {
        let group = group.clone();
        async move {
            let key = request.path_value("number").unwrap_or_default().to_owned();
            match group.get(&key).await {
                Ok(value) => (StatusCode::OK, value.into_bytes()),
                Err(error) if error.is_not_found() => {
                    (StatusCode::NOT_FOUND, format!("{error}\n").into())
                }
                Err(error) => (StatusCode::BAD_GATEWAY, format!("{error}\n").into()),
            }
        }
    })?;
    let group = squares.clone();
    server.route("DELETE /squares/{number}", move |request: Request| {
        let group = group.clone();
        async move {
            let key = request.path_value("number").unwrap_or_default().to_owned();
            match group.delete(&key).await {
                Ok(()) => (StatusCode::NO_CONTENT, Bytes::new()),
                Err(error) => (StatusCode::BAD_GATEWAY, format!("{error}\n").into()),
            }
        }
    })?;
    server.blocking_exchange(
        "GET /stats",
        move |mut exchange: Exchange| {
            let stats = serde_json::to_vec_pretty(&squares.stats()).unwrap_or_default();
            // A client that has gone wants no figures.
            let _ = exchange.response().write(&stats);
            let _ = exchange.end();
        },
        "stats".to_owned(),
    )?;
    Ok(server.bind(bind).start()?)
}

/// Addresses that nobody has at the moment.
fn free_places(count: usize) -> std::io::Result<Vec<std::net::SocketAddr>> {
    // All are held before the first is given back, so that no two are the same.
    let held = (0..count).map(|_| std::net::TcpListener::bind("127.0.0.1:0"));
    let held: Vec<std::net::TcpListener> = held.collect::<Result<_, _>>()?;
    held.iter().map(std::net::TcpListener::local_addr).collect()
}
