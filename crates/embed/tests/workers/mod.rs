//! Python modules that tests write for themselves.
#![allow(
    dead_code,
    reason = "not every test file that has this module uses all of it"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oxbridge_embed::{Builder, Error, Python, Request, Response};

/// Longer than a loaded machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Where modules are written, each under a name of its own.
pub(crate) fn place() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workers");
    std::fs::create_dir_all(&place).unwrap();
    place
}

/// A builder for the function `answer` of a module with this source.
pub(crate) fn module(name: &str, source: &str) -> Builder {
    std::fs::write(place().join(format!("{name}.py")), source).unwrap();
    Python::builder().path(place()).request(name, "answer")
}

/// A builder for a function whose body this is.
pub(crate) fn body(name: &str, lines: &str) -> Builder {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let source = format!(
        "import asyncio, threading, time\nfrom oxbridge import embed\n\
         def answer(method, path, params, query, headers, body):\n{lines}"
    );
    module(name, &source)
}

/// A request for `/` with a body.
pub(crate) fn post(body: &'static [u8]) -> Request {
    Request {
        method: http::Method::POST,
        path: "/".into(),
        body: body.into(),
        ..Request::default()
    }
}

/// Calls once, and waits.
pub(crate) fn ask(python: &Python) -> Result<Response, Error> {
    python.request_blocking(post(b""))
}

/// Asks again until the answer is yes; for states that nobody announces.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
