//! What a handle costs: to look up and let go, to insert and remove, to turn away; by one thread
//! and by two at once.

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use oxbridge_handles::Registry;

/// About as large as an exchange of liboxbridge.
type Value = [u8; 400];

fn bench<const I: u32, const G: u32>(c: &mut Criterion, layout: &str) {
    let registry = Registry::<Value, I, G>::new();
    let handles = [(); 2].map(|()| registry.insert(0, [0; 400]).expect("a free slot"));
    let gone = registry.insert(0, [0; 400]).expect("a free slot");
    registry.remove(gone).expect("a live handle");

    let look_up = |handle| {
        let mut value = registry.acquire(black_box(handle)).expect("a live handle");
        value[0] = value[0].wrapping_add(1);
    };
    let replace = |_| {
        let handle = registry.insert(0, [0; 400]).expect("a free slot");
        black_box(registry.remove(handle).expect("a live handle"));
    };
    let turn_away = |_| assert!(registry.acquire(black_box(gone)).is_err());

    let mut group = c.benchmark_group(layout);
    group.bench_function("acquire and let go, one thread", |b| {
        b.iter(|| look_up(handles[0]))
    });
    group.bench_function("acquire and let go, each of two threads", |b| {
        b.iter_custom(|n| each_of_two(n, handles, look_up));
    });
    group.bench_function("insert and remove, one thread", |b| b.iter(|| replace(0)));
    group.bench_function("insert and remove, each of two threads", |b| {
        b.iter_custom(|n| each_of_two(n, handles, replace));
    });
    group.bench_function("turn a stale handle away", |b| b.iter(|| turn_away(0)));
    group.finish();
}

/// The time of the slower of two threads that make `n` calls each, at the same time, each with a
/// handle of its own.
fn each_of_two(n: u64, handles: [u64; 2], call: impl Fn(u64) + Sync) -> Duration {
    let start = Barrier::new(2);
    let time = |handle| {
        start.wait();
        let begin = Instant::now();
        for _ in 0..n {
            call(handle);
        }
        begin.elapsed()
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| time(handles[0]));
        let mine = time(handles[1]);
        mine.max(other.join().expect("the other thread has not panicked"))
    })
}

fn layouts(c: &mut Criterion) {
    bench::<24, 40>(c, "24+40 bits");
    bench::<12, 20>(c, "12+20 bits");
}

criterion_group!(benches, layouts);
criterion_main!(benches);
