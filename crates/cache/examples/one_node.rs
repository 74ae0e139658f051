//! One node that answers peers, in a dialect of Go's: what the benchmarks put beside Go's own.
//!
//! `one_node v1|v2|v3 BYTES [PORT]` listens on that port or a free one, prints its address, and has a group `things` whose
//! values are of that many bytes.

#![expect(clippy::print_stdout, reason = "it says where it is")]

use std::error::Error as StdError;

use bytes::Bytes;
use oxbridge::listen::Bind;
use oxbridge_cache::{Dialect, Instance, Peers, Value};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn StdError>> {
    let mut arguments = std::env::args().skip(1);
    let dialect = match arguments.next().as_deref() {
        Some("v1") => Dialect::Golang,
        Some("v2") => Dialect::Mailgun,
        Some("v3") => Dialect::GroupcacheGo,
        _ => return Err("wanted: v1, v2 or v3, the bytes of a value, and perhaps a port".into()),
    };
    let bytes: usize = arguments.next().unwrap_or_default().parse()?;
    let port: u16 = arguments.next().map_or(Ok(0), |port| port.parse())?;
    // Alone on its ring it owns every key, so its own address does not matter.
    let cache = Instance::with_peers(Peers::new(dialect, "alone"));
    let _things = cache
        .group("things")
        .getter(move |_: Bytes| async move { Ok(Value::new(vec![b'v'; bytes])) })?;
    let server = cache.serve(format!("127.0.0.1:{port}").parse::<Bind>()?)?;
    println!("{}", server.url().unwrap_or_default());
    std::future::pending::<()>().await;
    Ok(())
}
