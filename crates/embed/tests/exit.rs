//! How a program ends while functions run.

mod alone;
mod workers;

use std::time::{Duration, Instant};

use alone::alone_with;
use oxbridge_embed::{Error, Interpreter};
use workers::{PATIENCE, ask, eventually, module, post};

const NOTES: &str =
    "import atexit, time, threading\natexit.register(print, 'atexit ran', flush=True)\n";

#[test]
fn a_program_exits_with_handles_in_use() {
    let output = alone_with(
        "a_program_exits_with_handles_in_use",
        |_| {},
        || {
            let source = format!("{NOTES}def answer(*a): return 200, '', {{}}\n");
            let python = module("in_use", &source).start().unwrap();
            ask(&python).unwrap();
            std::mem::forget(python);
        },
    );
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("atexit ran"));
}

#[test]
fn a_program_exits_though_a_function_never_returns() {
    let name = "a_program_exits_though_a_function_never_returns";
    let output = alone_with(
        name,
        |_| {},
        || {
            let source = format!("{NOTES}def answer(*a): threading.Event().wait()\n");
            let python = module("never_returns", &source).start().unwrap();
            let calling = python.clone();
            let call = std::thread::spawn(move || ask(&calling));
            eventually("it runs", || python.load().running == 1);
            let begun = Instant::now();
            assert!(
                !Interpreter::finish(Duration::from_millis(400)),
                "a thread is left"
            );
            assert!(begun.elapsed() < PATIENCE);
            assert_eq!(call.join().unwrap().unwrap_err(), Error::Stopped);
        },
    );
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("atexit ran"));
}

#[test]
fn the_end_waits_for_calls_and_stops_the_loop() {
    let output = alone_with(
        "the_end_waits_for_calls_and_stops_the_loop",
        |_| {},
        || {
            let plain =
                format!("{NOTES}def answer(*a):\n    time.sleep(0.2); return 200, 'done', {{}}\n");
            let plain = module("end_plain", &plain).start().unwrap();
            let coroutine = "import asyncio\nasync def answer(m, p, pa, q, h, body):\n    \
            await asyncio.sleep(float(body)); return 200, 'done', {}\n";
            let coroutine = module("end_coroutine", coroutine).start().unwrap();
            let calls = [
                std::thread::spawn({
                    let plain = plain.clone();
                    move || ask(&plain)
                }),
                std::thread::spawn({
                    let coroutine = coroutine.clone();
                    move || coroutine.request_blocking(post(b"0.2"))
                }),
            ];
            eventually("both run", || {
                plain.load().running + coroutine.load().running == 2
            });
            assert!(Interpreter::finish(PATIENCE));
            for call in calls {
                assert_eq!(call.join().unwrap().unwrap().body, "done");
            }
            assert_eq!(ask(&plain).unwrap_err(), Error::Stopped);
            let e = module("end_plain", "def answer(): pass")
                .start()
                .unwrap_err();
            assert!(matches!(e, Error::Interpreter(_)), "{e:?}");
        },
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_program_that_finalizes_python_itself_can() {
    let name = "a_program_that_finalizes_python_itself_can";
    let output = alone_with(
        name,
        |_| {},
        || {
            // SAFETY: once in this process, on its main thread or not, and nothing of Python's is used afterwards
            // but what checks first.
            unsafe {
                oxbridge_embed::pyo3::with_embedded_python_interpreter(|py| {
                    py.detach(|| {
                        let source = format!("{NOTES}def answer(*a): return 200, '', {{}}\n");
                        let python = module("finalized", &source).start().unwrap();
                        ask(&python).unwrap();
                        std::mem::forget(python);
                    });
                });
            }
        },
    );
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("atexit ran"));
}
