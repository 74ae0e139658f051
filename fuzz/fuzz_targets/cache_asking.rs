//! Answers a node of a cache with anything at all, as a peer may that is none. The first byte chooses the
//! dialect. A finding is a panic, a hang, an answer that is no HTTP, or more memory than the bound.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/cache/tests/strange/mod.rs"]
mod strange;

use strange::{Asking, DIALECTS};

static NODES: LazyLock<Vec<Asking>> = LazyLock::new(|| {
    // A panic on another thread is caught there; here it is a finding.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        std::process::abort();
    }));
    DIALECTS.into_iter().map(Asking::start).collect()
});

fuzz_target!(|input: &[u8]| {
    if let Some((dialect, said)) = input.split_first() {
        NODES[usize::from(dialect % 4)].hear(said);
    }
});
