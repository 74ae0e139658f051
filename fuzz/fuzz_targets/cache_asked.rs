//! Says anything at all to a node of a cache, as a client of its port may. The first byte chooses the
//! dialect. A finding is a panic, a hang, an answer that is no HTTP, or more memory than the bound.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/cache/tests/strange/mod.rs"]
mod strange;

use strange::{Asked, DIALECTS};

static NODES: LazyLock<Vec<Asked>> = LazyLock::new(|| {
    // A panic on another thread is caught there; here it is a finding.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        std::process::abort();
    }));
    DIALECTS.into_iter().map(Asked::start).collect()
});

fuzz_target!(|input: &[u8]| {
    if let Some((dialect, said)) = input.split_first() {
        NODES[usize::from(dialect % 4)].hear(said);
    }
});
