//! The handlers of the benchmark table, in Rust: `native 127.0.0.1:5000`.
//!
//! `/` is an async handler inside the reactor, `/blocking` one on the crew's threads.

use std::time::Duration;

use oxbridge::{Request, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:5000".into());
    let mut builder = Server::builder();
    builder.route("/{$}", |_: Request| async { "Hello, world.\n" })?;
    builder.blocking("/blocking", |w, _| w.write(b"Hello, world.\n"))?;
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
    builder.bind(address.parse()?).start()?.wait();
    Ok(())
}
