//! Coroutine functions: they are awaited, side by side, and cancelled when nobody waits.

mod workers;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use oxbridge_embed::{Builder, Error, Request};
use workers::{PATIENCE, ask, eventually, module, post};

fn coroutine(name: &str, lines: &str) -> Builder {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let source = format!(
        "import asyncio, contextvars, threading\nvar = contextvars.ContextVar('var')\nlog = []\n\
         async def answer(method, path, params, query, headers, body):\n{lines}"
    );
    module(name, &source)
}

fn begin<F: Future>(call: std::pin::Pin<&mut F>) {
    assert!(
        call.poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
}

#[test]
fn they_run_side_by_side_on_one_thread() {
    let python = coroutine(
        "side_by_side",
        "before = var.get('unset')\nvar.set(body)\nawait asyncio.sleep(0.05)\n\
         return 200, f'{before} {var.get()} {threading.current_thread().name}', {'X-A': ['1']}",
    )
    .threads(1)
    .queue(5000)
    .start()
    .unwrap();
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let calls: Vec<_> = (0..500)
            .map(|n| {
                let python = python.clone();
                tokio::spawn(async move {
                    let request = Request {
                        body: format!("{n}").into(),
                        ..Request::default()
                    };
                    let response = python.request(request).await.unwrap();
                    assert_eq!(response.body, format!("unset {n} oxbridge-calls"));
                    assert_eq!(response.headers["x-a"], "1");
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
    });
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "one after the other takes 25 s"
    );
    assert!(python.stop(PATIENCE));
}

#[test]
fn their_exceptions_and_wrong_answers_are_errors_and_the_loop_goes_on() {
    let python = coroutine("async_raising", "await asyncio.sleep(0)\nreturn eval(body)")
        .start()
        .unwrap();
    for (code, name) in [
        ("1 / 0", "ZeroDivisionError"),
        ("exit(3)", "SystemExit"),
        (
            "(_ for _ in ()).throw(KeyboardInterrupt)",
            "KeyboardInterrupt",
        ),
        (
            "(_ for _ in ()).throw(asyncio.CancelledError)",
            "asyncio.exceptions.CancelledError",
        ),
        ("(_ for _ in ()).throw(StopIteration)", "RuntimeError"),
    ] {
        let e = python.request_blocking(post(code.as_bytes())).unwrap_err();
        let Error::Python {
            exception,
            traceback,
            ..
        } = &e
        else {
            panic!("{code}: {e:?}")
        };
        assert_eq!(exception, name, "{code}");
        assert!(traceback.contains("async_raising.py"), "{traceback}");
        python.request_blocking(post(b"(200, '', {})")).unwrap();
    }
    let e = python.request_blocking(post(b"(200, '')")).unwrap_err();
    assert!(matches!(e, Error::Answer(_)), "{e:?}");
}

#[test]
fn they_are_cancelled_when_nobody_waits() {
    let python = coroutine(
        "async_cancelled",
        "if body == 'log': return 200, ' '.join(log), {}\n\
         log.append('begun')\n\
         try: await asyncio.sleep(100)\n\
         except asyncio.CancelledError:\n    log.append('cancelled')\n    raise\n",
    )
    .timeout(Duration::from_secs(2))
    .start()
    .unwrap();
    {
        let mut call = pin!(python.request(post(b"")));
        begin(call.as_mut());
        eventually("it runs", || python.load().running == 1);
    }
    eventually("it has been cancelled", || {
        python.load() == oxbridge_embed::Load::default()
    });
    assert_eq!(
        python.request_blocking(post(b"log")).unwrap().body,
        "begun cancelled"
    );
    // Too long.
    assert!(matches!(ask(&python), Err(Error::Timeout(_))));
    eventually("it has been cancelled", || {
        python.load() == oxbridge_embed::Load::default()
    });
    assert_eq!(
        python.request_blocking(post(b"log")).unwrap().body,
        "begun cancelled begun cancelled"
    );
}

#[test]
fn as_many_run_as_may_and_the_rest_waits() {
    let python = coroutine(
        "async_bound",
        "global now, most\nnow = globals().get('now', 0) + 1\nmost = max(globals().get('most', 0), now)\n\
         await asyncio.sleep(0.005)\nnow -= 1\nreturn 200, str(most), {}",
    )
    .tasks(3)
    .queue(100)
    .start()
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let most = runtime.block_on(async {
        let calls: Vec<_> = (0..40)
            .map(|_| {
                let python = python.clone();
                tokio::spawn(async move { python.request(post(b"")).await.unwrap().body })
            })
            .collect();
        let mut most = 0;
        for call in calls {
            let body = call.await.unwrap();
            most = most.max(std::str::from_utf8(&body).unwrap().parse().unwrap());
        }
        most
    });
    assert_eq!(most, 3);
}

#[test]
fn what_a_plain_function_returns_is_awaited_if_it_can_be() {
    let python = module(
        "returns_coroutine",
        "import asyncio, threading\n\
         async def later(body):\n    await asyncio.sleep(0.001)\n    return 200, body + threading.current_thread().name, {}\n\
         class Callable:\n    async def __call__(self, *a): return await later('object ')\n\
         awaitable = Callable()\n\
         def answer(method, path, params, query, headers, body): return later(body)\n",
    );
    let plain = python.clone().start().unwrap();
    assert_eq!(
        plain.request_blocking(post(b"from ")).unwrap().body,
        "from oxbridge-calls"
    );
    let object = python
        .request("returns_coroutine", "awaitable")
        .start()
        .unwrap();
    assert_eq!(ask(&object).unwrap().body, "object oxbridge-calls");
    assert!(plain.stop(PATIENCE));
    assert!(object.stop(PATIENCE));
}

#[test]
fn a_stop_waits_for_them_or_cancels_them() {
    let lines = "await asyncio.sleep(float(body))\nreturn 200, 'in time', {}";
    let python = coroutine("async_stop", lines).start().unwrap();
    let call = |seconds: &'static [u8]| {
        let python = python.clone();
        std::thread::spawn(move || python.request_blocking(post(seconds)))
    };
    let (short, long) = (call(b"0.05"), call(b"100"));
    eventually("both run", || python.load().running == 2);
    assert!(python.stop(Duration::from_millis(300)));
    assert_eq!(short.join().unwrap().unwrap().body, "in time");
    assert_eq!(long.join().unwrap().unwrap_err(), Error::Stopped);
    assert_eq!(ask(&python).unwrap_err(), Error::Stopped);
}
