//! How long a lookup takes among 1, 10 and 1,000 routes.
//!
//! `cargo bench -p oxbridge-mux`

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use oxbridge_mux::Mux;

/// A mux of `count` routes, of which `pattern` is one and the others are such as an API has.
fn mux(pattern: &str, count: usize) -> Mux<usize> {
    let mut mux = Mux::new();
    mux.register(pattern, 0).expect("it is a pattern");
    for i in 1..count {
        let other = match i % 4 {
            0 => format!("/static/page{i}"),
            1 => format!("GET /api/v1/item{i}/{{id}}"),
            2 => format!("POST /api/v1/item{i}/"),
            _ => format!("/section{i}/about/team"),
        };
        mux.register(&other, i).expect("it is a pattern");
    }
    mux
}

fn lookup(c: &mut Criterion) {
    let mut group = c.benchmark_group("lookup");
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    for (kind, pattern, path) in [
        ("static", "/static/page", "/static/page"),
        (
            "wildcard",
            "GET /api/v1/users/{id}/posts/{post}",
            "/api/v1/users/1234/posts/5678",
        ),
        (
            "decoded wildcard",
            "GET /api/v1/users/{id}/posts/{post}",
            "/api/v1/users/a%20b/posts/5678",
        ),
        ("multi", "/files/{path...}", "/files/css/site.css"),
        ("404", "/static/page", "/static/nothing"),
    ] {
        for count in [1, 10, 1000] {
            let mux = mux(pattern, count);
            group.bench_function(BenchmarkId::new(kind, count), |b| {
                b.iter(|| {
                    black_box(mux.lookup(
                        black_box("GET"),
                        black_box("localhost:8000"),
                        black_box(path),
                        None,
                    ))
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, lookup);
criterion_main!(benches);
