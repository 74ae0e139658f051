//! Shows that a lookup among 1,000 routes allocates only where a wildcard's value is decoded.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use oxbridge_mux::{Lookup, Mux};

/// The system's allocator, which counts what each thread asks for.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every method hands its arguments on to `System`, which keeps the contract of
// `GlobalAlloc`; counting neither allocates (the cell is initialised at compile time and has no
// destructor) nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`, which is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` through this allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: `pointer` came from `System` through this allocator, with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count() {
    // A thread that is ending has no counter any more, and needs none.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

/// How often `work` allocates.
fn allocations<R>(work: impl FnOnce() -> R) -> usize {
    let before = ALLOCATIONS.get();
    drop(black_box(work()));
    ALLOCATIONS.get() - before
}

#[test]
fn lookups_allocate_only_to_decode() {
    let mut mux = Mux::new();
    for i in 0..198 {
        for pattern in [
            format!("/static/page{i}"),
            format!("GET /api/item{i}/{{id}}"),
            format!("POST /api/item{i}/{{id}}"),
            format!("example.com/host{i}/{{x}}/{{$}}"),
            format!("/files{i}/{{path...}}"),
        ] {
            mux.register(&pattern, i).expect("it is a pattern");
        }
    }
    for pattern in [
        "/wide/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}",
        "/caf%C3%A9/a%20b",
        "/tree/",
        "/{$}",
        "/a/b/c/d/e/f/g",
        "HEAD /head",
        "GET /head",
        "/x",
        "/y",
        "/z",
    ] {
        mux.register(pattern, 0).expect("it is a pattern");
    }
    assert_eq!(mux.len(), 1000);

    for (method, host, path, found) in [
        ("GET", "", "/", true),
        ("GET", "localhost:8000", "/static/page0", true),
        ("GET", "localhost:8000", "/static/page197", true),
        ("GET", "localhost:8000", "/%73tatic/%70age99", true),
        ("GET", "localhost:8000", "/caf%c3%a9/%61%20b", true),
        ("POST", "localhost:8000", "/api/item120/42", true),
        ("HEAD", "localhost:8000", "/api/item120/42", true),
        ("HEAD", "localhost:8000", "/head", true),
        ("GET", "example.com:80", "/host50/1/", true),
        ("GET", "example.com", "/files7/", true),
        ("GET", "example.com", "/files7/a/b/c.txt", true),
        ("GET", "[::1]:80", "/tree/a/b/c/d/e/f/g/h", true),
        ("GET", "", "/wide/1/2/3/4/5/6/7/8", true),
        ("CONNECT", "example.com:443", "/static/page5", true),
        ("GET", "localhost", "/nowhere", false),
        ("GET", "localhost", "/static/page198", false),
        ("GET", "localhost", "/static/page1/", false),
        ("GET", "localhost", "/%6eowhere/%20/a", false),
        ("CONNECT", "example.com:443", "", false),
    ] {
        let lookup = || mux.lookup(black_box(method), host, path, Some("q=1"));
        match lookup() {
            Lookup::Found(_) => assert!(found, "{method} {host}{path}"),
            Lookup::NotFound => assert!(!found, "{method} {host}{path}"),
            other => panic!("{method} {host}{path}: {other:?}"),
        }
        assert_eq!(allocations(lookup), 0, "{method} {host}{path}");
        // Neither does taking the values, or a clone of the pattern, to keep.
        let keep = || match lookup() {
            Lookup::Found(found) => Some((found.pattern.clone(), found.into_values())),
            _ => None,
        };
        assert_eq!(allocations(keep), 0, "{method} {host}{path}");
    }

    // The counter counts: a decoded value takes its text, and the list that holds it.
    for (path, values) in [
        ("/files7/a%20b", 1),
        ("/wide/1/2/3/4/5/6/7/%38", 1),
        ("/wide/1/%32/3/4/5/6/7/%38", 2),
    ] {
        let came = allocations(|| mux.lookup("GET", "", path, None));
        assert!((1..=3 * values).contains(&came), "{path}: {came}");
    }
}
