//! Tests that need a process of their own: there is one interpreter in a process, and it starts once.

#![allow(dead_code, reason = "each test file uses a part")]

use std::process::{Command, Output, Stdio};

/// Set in the process of the test whose name it is.
const NAME: &str = "OXBRIDGE_TEST_ALONE";

/// Runs `body` in a process of its own, which fails if `body` panics. `name` is the test's own.
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    let output = alone_with(name, |_| {}, body);
    assert!(output.status.success(), "{name}: {}", output.status);
}

/// As [`alone`], in an environment that `prepare` may change; gives what became of the process, without a
/// judgement. What it wrote is in the output, and shown.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "libtest shows it if the test fails"
)]
pub(crate) fn alone_with(
    name: &str,
    prepare: impl FnOnce(&mut Command),
    body: impl FnOnce(),
) -> Output {
    if std::env::var_os(NAME).is_some_and(|running| running == name) {
        body();
        // As a program's `main` that returns: libtest would print what the caller looks for.
        std::process::exit(0);
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(NAME, name)
        .env_remove("VIRTUAL_ENV")
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .stdin(Stdio::null());
    prepare(&mut command);
    let output = command.output().unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    output
}
