//! How evenly keys are spread, and how many move when a node comes, for a million keys:
//!
//! ```text
//! cargo run --release -p oxbridge-cache --example ring_spread
//! ```
//!
//! Ends with an error if our own way of doing it passes its bounds: 1.1 times the mean, and 1.2/n of the keys.

#![expect(clippy::print_stdout, reason = "it shows figures")]

use std::process::ExitCode;

use oxbridge_cache::{Ring, RingKind};

const KEYS: usize = 1_000_000;

fn main() -> ExitCode {
    println!(
        "{:>12} {:>5} {:>10} {:>10} {:>12}",
        "ring", "nodes", "max/mean", "min/mean", "moved"
    );
    let mut good = true;
    for (kind, name) in [
        (RingKind::Rendezvous, "oxbridge"),
        (RingKind::Crc32, "golang"),
        (RingKind::Fnv1, "mailgun, v3"),
    ] {
        for count in [3, 10, 100] {
            let (most, least, moved) = spread(kind, count);
            // In units of 1/n, as the bound is: 1 is what must move.
            let moved = moved * (count + 1) as f64;
            println!("{name:>12} {count:>5} {most:>10.3} {least:>10.3} {moved:>10.3}/n");
            good &= kind != RingKind::Rendezvous || (most <= 1.1 && moved <= 1.2);
        }
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The largest and the smallest share by the mean, and the share of keys that move when a node comes.
fn spread(kind: RingKind, count: usize) -> (f64, f64, f64) {
    let nodes = |count: usize| (0..count).map(|i| format!("http://10.0.0.{i}:8080"));
    let (ring, grown) = (
        Ring::new(kind, 50, nodes(count)),
        Ring::new(kind, 50, nodes(count + 1)),
    );
    let mut split = vec![0_usize; count];
    let mut moved = 0_usize;
    for i in 0..KEYS {
        let key = format!("key-{i}");
        let owner = ring.owner(key.as_bytes()).unwrap_or_default();
        let place = ring
            .nodes()
            .iter()
            .position(|node| node == owner)
            .unwrap_or_default();
        split[place] += 1;
        moved += usize::from(grown.owner(key.as_bytes()) != Some(owner));
    }
    let mean = KEYS as f64 / count as f64;
    let most = split.iter().max().copied().unwrap_or(0) as f64 / mean;
    let least = split.iter().min().copied().unwrap_or(0) as f64 / mean;
    (most, least, moved as f64 / KEYS as f64)
}
