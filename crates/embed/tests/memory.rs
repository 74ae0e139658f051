//! Hundreds of thousands of calls of every kind leave no memory behind.

mod alone;
mod workers;

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use alone::alone;
use http::HeaderValue;
use oxbridge_embed::{Error, Load, Python, Request, Values};
use workers::{eventually, module};

/// Calls in a round.
const CALLS: u32 = 50_000;
/// Rounds that are measured, after one that is not.
const ROUNDS: u32 = 3;
/// What the process may have grown by. Fifty bytes leaked in each of 150,000 calls would be seven megabytes;
/// a dictionary of headers in each, more than thirty.
const GROWTH: u64 = 5 << 20;

/// What each call does is in its number.
const SOURCE: &str = "
import asyncio
HEADERS = {'X-Test': ['module'], 'Content-Type': ['text/plain', 'x/y']}

def answer(method, path, params, query, headers, body):
    kind = int(path) % 32
    if kind == 0: raise ValueError(path, body, headers)
    if kind == 1: raise SystemExit(path)
    if kind in (2, 3): return later(path, body)
    if kind == 4: return 200, body, {'X': [path, 1]}
    if kind == 5: return None
    if kind < 12: return 200, body.encode('utf-8', 'surrogateescape') + b'\\xff\\0', headers
    if kind < 18: return 200, body, HEADERS
    return 200, body, {'X-Made': [path], 'X-More': ['a', 'b']}

async def later(path, body):
    await asyncio.sleep(0)
    if int(path) % 64 == 2: raise LookupError(body)
    return 200, body, HEADERS
";

#[test]
fn calls_leave_no_memory_behind() {
    alone("calls_leave_no_memory_behind", || {
        let python = module("soak", SOURCE)
            .threads(8)
            .queue(10_000)
            .start()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let round = || runtime.block_on(call_all(&python));
        round();
        let before = resident();
        for _ in 0..ROUNDS {
            round();
        }
        let after = resident();
        assert!(
            after <= before + GROWTH,
            "{} kB before, {} kB after {} calls",
            before >> 10,
            after >> 10,
            CALLS * ROUNDS
        );
        eventually("no call is left", || python.load() == Load::default());
    });
}

/// Makes the calls of a round, some at a time.
async fn call_all(python: &Python) {
    let next = std::sync::Arc::new(AtomicU32::new(0));
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (python, next) = (python.clone(), next.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= CALLS {
                        return;
                    }
                    call(&python, number).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

async fn call(python: &Python, number: u32) {
    let mut request = Request {
        path: number.to_string().into(),
        params: Values::from_iter([("target", "world")]),
        query: Values::parse("a=1&a=%ff&b=2"),
        body: (&b"b\0dy \xff\xfe"[..]).into(),
        ..Request::default()
    };
    for name in ["x-one", "accept", "x-two"] {
        request
            .headers
            .append(name, HeaderValue::from_bytes(b"caf\xe9").unwrap());
    }
    // One in ten leaves, some before the call has begun, some while it runs.
    if number.is_multiple_of(10) {
        let patience = Duration::from_micros(u64::from(number % 7) * 20);
        let _ = tokio::time::timeout(patience, python.request(request)).await;
        return;
    }
    match (number % 32, python.request(request).await) {
        (2 | 3 | 12..18, Ok(response)) => assert_eq!(response.headers["x-test"], "module"),
        (6.., Ok(response)) => assert_eq!(response.status, 200),
        (0..=2, Err(Error::Python { .. })) | (4 | 5, Err(Error::Answer(_))) => {}
        (kind, outcome) => panic!("{kind}: {outcome:?}"),
    }
}

/// The process's resident memory, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes << 10
}
