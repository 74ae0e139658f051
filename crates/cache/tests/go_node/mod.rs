//! Nodes in Go, built from the real packages, in processes of their own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use oxbridge_cache::Dialect;

use crate::cluster::address;

/// A node in Go: see `tests/cache/go`.
pub(crate) struct GoNode {
    pub(crate) address: String,
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What a Go node says.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Told {
    value: String,
    pub(crate) error: String,
    pub(crate) owners: Vec<String>,
    pub(crate) loads: usize,
}

impl Told {
    pub(crate) fn value(&self) -> Vec<u8> {
        assert_eq!(self.error, "");
        unhex(&self.value)
    }
}

impl GoNode {
    /// Starts a node, built from the real Go package.
    pub(crate) fn start(dialect: Dialect) -> GoNode {
        let mut process = Command::new(program(dialect))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the node starts");
        let commands = process.stdin.take().expect("it is a pipe");
        let mut answers = BufReader::new(process.stdout.take().expect("it is a pipe"));
        let mut host = String::new();
        answers.read_line(&mut host).expect("it says where it is");
        GoNode {
            address: address(dialect, host.trim_end()),
            process,
            commands,
            answers,
        }
    }

    pub(crate) fn peers(&mut self, addresses: &[String]) {
        let told = self.ask(serde_json::json!({"op": "peers", "addresses": addresses}));
        assert_eq!(told.error, "");
    }

    pub(crate) fn get(&mut self, key: &[u8]) -> Told {
        self.ask(serde_json::json!({"op": "get", "key": hex(key)}))
    }

    pub(crate) fn set(&mut self, key: &[u8], value: &[u8]) -> Told {
        self.ask(serde_json::json!({"op": "set", "key": hex(key), "value": hex(value)}))
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Told {
        self.ask(serde_json::json!({"op": "remove", "key": hex(key)}))
    }

    /// Who owns `prefix0`, `prefix1` and so on.
    pub(crate) fn owners(&mut self, prefix: &str, count: usize) -> Vec<String> {
        let key = hex(prefix.as_bytes());
        self.ask(serde_json::json!({"op": "owners", "key": key, "count": count}))
            .owners
    }

    pub(crate) fn loads(&mut self) -> usize {
        self.ask(serde_json::json!({"op": "loads"})).loads
    }

    fn ask(&mut self, command: serde_json::Value) -> Told {
        writeln!(self.commands, "{command}").expect("it listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
    }
}

impl Drop for GoNode {
    fn drop(&mut self) {
        // It may have gone already; there is nothing to be done about either.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Builds the node of a dialect, once for each run of the tests; Go's own cache makes the rest quick.
fn program(dialect: Dialect) -> PathBuf {
    let package = match dialect {
        Dialect::Golang => "golang",
        Dialect::Mailgun => "mailgun",
        Dialect::GroupcacheGo => "groupcachego",
        Dialect::Oxbridge => panic!("Go does not speak it"),
    };
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/cache/go");
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("{package}-{}", std::process::id()));
    static BUILDING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one_at_a_time = BUILDING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if !out.exists() {
        let go = std::env::var_os("OXBRIDGE_GO").unwrap_or_else(|| "go".into());
        let built = Command::new(&go)
            .args(["build", "-o"])
            .arg(&out)
            .arg(format!("./{package}"))
            .current_dir(root)
            .status()
            .unwrap_or_else(|e| {
                panic!("cannot run {go:?} ({e}); put Go 1.24 or newer on PATH or name it in OXBRIDGE_GO")
            });
        assert!(built.success(), "the Go node does not build");
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("it is hexadecimal"))
        .collect()
}
