//! How much memory entries take beside the bytes that they count for. A test binary of its own: it counts
//! every allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use oxbridge_cache::{Error, Group, Instance, Value};

/// The system's allocator, which counts what is in use, as it asks for it.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every method hands its arguments on to `System`, which keeps the contract of `GlobalAlloc`; counting
// neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: `pointer` came from `System` through this allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        IN_USE.fetch_add(size, Relaxed);
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: `pointer` came from `System` through this allocator, with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What `GroupBuilder::max_bytes` says of an entry, and some for tables that grow by doubling.
const SAID: f64 = 200.0;

fn group(cache: &Instance, name: &str, max_bytes: usize) -> Group {
    let nothing = |_: Bytes| async { Err(Error::not_found("nothing")) };
    let group = cache.group(name).max_bytes(max_bytes).getter(nothing);
    group.expect("the group is new")
}

/// Fills a group until it has evicted as many entries as it holds. Gives what an entry takes besides its bytes.
fn overhead(cache: &Instance, value_bytes: usize, max_bytes: usize) -> f64 {
    let before = IN_USE.load(Relaxed);
    let group = group(cache, &format!("{value_bytes} {max_bytes}"), max_bytes);
    let mut most = 0_usize;
    let mut number = 0_u64;
    while group.stats().main.evictions < group.stats().main.items + 1 {
        for _ in 0..1000 {
            number += 1;
            group.set_local(
                format!("key-{number:012}"),
                Value::new(vec![7; value_bytes]),
            );
            most = most.max(IN_USE.load(Relaxed) - before);
        }
    }
    let stats = group.stats();
    assert!(stats.main.bytes <= max_bytes as u64, "{stats:?}");
    // It is used: the bound is not held by keeping next to nothing.
    assert!(stats.main.bytes >= max_bytes as u64 * 9 / 10, "{stats:?}");
    let besides = most as f64 - stats.main.bytes as f64;
    besides / stats.main.items as f64
}

#[test]
fn memory_stays_within_the_bound_and_what_is_said_of_entries() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let cache = Instance::on(runtime.handle().clone(), None);
    for (value_bytes, max_bytes) in [(16, 4 << 20), (16, 16 << 20), (16 << 10, 32 << 20)] {
        let each = overhead(&cache, value_bytes, max_bytes);
        // Shown with --show-output: what the guide says.
        #[expect(clippy::print_stdout, reason = "a figure")]
        {
            println!(
                "values of {value_bytes} bytes, {max_bytes} bytes at most: {each:.0} bytes each besides"
            );
        }
        assert!(each <= SAID, "{value_bytes}: {each} bytes");
    }
}
