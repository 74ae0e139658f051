//! Many calls of a Python function of each kind, every ninth given up by its caller, with the process's memory
//! and the time of a call now and then:
//!
//! ```sh
//! cargo run --release -p oxbridge-embed --example calls -- 5000000
//! ```
//!
//! On a debug build of CPython it also prints how many references there are.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use oxbridge_embed::{Python, Request, Values};

/// What each call does is in its number.
const SOURCE: &str = "
HEADERS = {'X-Test': ['1']}

def answer(method, path, params, query, headers, body):
    kind = int(path) % 8
    if kind == 0: raise ValueError(path)
    if kind == 1: return 200, body, {'X-Made': [path], 'X-More': ['a', 'b']}
    if kind == 2: return 200, b'\\xff\\0' + body.encode('utf-8', 'surrogateescape'), headers
    if kind == 3: return path
    return 200, body, HEADERS
";

/// Calls that are under way at a time.
const TOGETHER: u64 = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let calls: u64 = match std::env::args().nth(1) {
        Some(number) => number.parse()?,
        None => 5_000_000,
    };
    let place = std::env::temp_dir().join(format!("oxbridge-calls-{}", std::process::id()));
    std::fs::create_dir_all(&place)?;
    std::fs::write(place.join("calls_worker.py"), SOURCE)?;
    let python = Python::builder()
        .path(&place)
        .request("calls_worker", "answer")
        .start()?;
    std::fs::remove_dir_all(&place)?;

    let step = (calls / 10).max(1);
    let mut done = 0;
    while done < calls {
        let now = step.min(calls - done);
        let begun = Instant::now();
        call_all(&python, now).await?;
        done += now;
        let each = begun.elapsed().as_nanos() / u128::from(now);
        let references = references().map_or_else(String::new, |n| format!("  {n} references"));
        println!(
            "{done:>9} calls  {each:>6} ns each  {:>7} kB{references}",
            resident()?
        );
    }
    Ok(())
}

async fn call_all(python: &Python, calls: u64) -> Result<(), tokio::task::JoinError> {
    let next = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..TOGETHER)
        .map(|_| {
            let (python, next) = (python.clone(), next.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= calls {
                        return;
                    }
                    let call = python.request(request(number));
                    if number.is_multiple_of(9) {
                        tokio::select! {
                            biased;
                            _ = call => {}
                            () = tokio::task::yield_now() => {}
                        }
                        continue;
                    }
                    // What an exception or a wrong answer becomes is dropped like an answer.
                    let _ = call.await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await?;
    }
    Ok(())
}

fn request(number: u64) -> Request {
    Request {
        path: number.to_string().into(),
        params: Values::from_iter([("target", "world")]),
        query: Values::parse("a=1&a=%ff"),
        body: (&b"b\0dy \xff"[..]).into(),
        ..Request::default()
    }
}

/// How many references to objects there are, where Python counts them.
fn references() -> Option<u64> {
    use oxbridge_embed::pyo3::prelude::*;
    oxbridge_embed::pyo3::Python::attach(|py| {
        // Cycles that wait for the collector would count, now more and now less.
        py.import("gc").ok()?.call_method0("collect").ok()?;
        let count = py.import("sys").ok()?.getattr("gettotalrefcount").ok()?;
        count.call0().ok()?.extract().ok()
    })
}

/// The process's resident memory in kB.
fn resident() -> std::io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    Ok(number.unwrap_or_default())
}
