//! Runs Go's own `ServeMux`, for comparison: builds `tests/mux-oracle` and talks to it.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde::{Deserialize, Serialize};

pub(crate) mod random;
mod tables;
pub(crate) mod version;

use version::Version;

/// A mux to build and the requests to ask it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Set {
    pub(crate) patterns: Vec<String>,
    pub(crate) requests: Vec<Request>,
}

/// What a client writes: a request line and a `Host` header.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) host: String,
}

/// What became of each pattern and request, in order.
#[derive(Debug, Deserialize)]
pub(crate) struct Outcome {
    /// `""` for a pattern that was registered, Go's complaint for others.
    pub(crate) registered: Vec<String>,
    pub(crate) answers: Vec<Answer>,
}

/// A response, and which pattern gave it.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: String,
    pub(crate) allow: String,
    pub(crate) pattern: String,
    /// In hexadecimal, since they need not be UTF-8.
    pub(crate) values: BTreeMap<String, String>,
    /// Go panicked while its values were read.
    pub(crate) panic: String,
}

/// Go's answers, and which Go gave them.
pub(crate) struct Answers {
    pub(crate) version: Version,
    pub(crate) outcomes: Vec<Outcome>,
}

/// Asks Go, or gives `None` if the environment allows going without.
///
/// Panics if there is no Go and `OXBRIDGE_SKIP_GO` is not `1`.
pub(crate) fn ask(name: &str, sets: &[Set]) -> Option<Answers> {
    if env::var_os("OXBRIDGE_SKIP_GO").is_some_and(|value| value == "1") {
        // The test runner shows what a passing test prints only if asked to, but this must be seen.
        let _ = writeln!(std::io::stderr(), "NOT RUN: mux go oracle");
        return None;
    }
    let oracle = build(name);
    let mut child = Command::new(&oracle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", oracle.display()));
    let stdin = child.stdin.take().expect("it is piped");
    let stdout = child.stdout.take().expect("it is piped");

    let (version, outcomes) = thread::scope(|scope| {
        // Written by a thread of its own, since Go answers while it reads.
        scope.spawn(move || {
            let mut stdin = BufWriter::new(stdin);
            for set in sets {
                serde_json::to_writer(&mut stdin, set).expect("the oracle reads");
                stdin.write_all(b"\n").expect("the oracle reads");
            }
        });
        let mut lines = BufReader::new(stdout)
            .lines()
            .map(|line| line.expect("the oracle writes UTF-8"));
        let version = lines.next().expect("the oracle says its version first");
        let outcome =
            |line: String| -> Outcome { serde_json::from_str(&line).expect("an outcome") };
        (version, lines.map(outcome).collect::<Vec<_>>())
    });
    let status = child.wait().expect("it was started");
    assert!(status.success(), "the oracle ended with {status}");
    assert_eq!(outcomes.len(), sets.len());

    Some(Answers {
        version: Version::new(version),
        outcomes,
    })
}

/// Builds the oracle with no network.
fn build(name: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/mux-oracle");
    // Each test has its own, for tests run at the same time.
    let oracle = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mux-oracle-{name}"));
    let go = env::var_os("OXBRIDGE_GO").unwrap_or_else(|| "go".into());
    let mut command = Command::new(&go);
    command
        .args(["build", "-o"])
        .arg(&oracle)
        .arg(".")
        .current_dir(&source)
        .envs([
            ("GOFLAGS", "-mod=mod"),
            ("GOTOOLCHAIN", "local"),
            ("GOPROXY", "off"),
            ("CGO_ENABLED", "0"),
        ]);
    // Go refuses to build where it cannot tell where its cache is.
    if ["GOCACHE", "XDG_CACHE_HOME", "HOME"]
        .iter()
        .all(|name| env::var_os(name).is_none())
    {
        command.env("GOCACHE", concat!(env!("CARGO_TARGET_TMPDIR"), "/go-cache"));
    }
    let output = command.output();
    match output {
        Err(error) => panic!(
            "cannot run {go:?} ({error}); put Go 1.24 or newer on PATH or name it in OXBRIDGE_GO, \
             or set OXBRIDGE_SKIP_GO=1 to go without this test",
        ),
        Ok(output) if !output.status.success() => {
            panic!(
                "building {} failed:\n{}",
                source.display(),
                String::from_utf8_lossy(&output.stderr)
            )
        }
        Ok(_) => oracle,
    }
}
