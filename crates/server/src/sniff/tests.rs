//! The table of `tests/data/sniff.toml`, and Go's own answers to it and to much
//! like it.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde::Deserialize;

use super::content_type;

#[test]
fn every_row_gets_its_type() {
    let rows = rows();
    assert!(rows.len() >= 100, "the table has lost rows: {}", rows.len());
    for row in rows {
        assert_eq!(content_type(&row.bytes()), row.mime, "{}", row.name);
    }
}

/// Needs Go 1.24 or newer, as `go` on `PATH` or in `OXBRIDGE_GO`;
/// `OXBRIDGE_SKIP_GO=1` goes without.
#[test]
fn go_gives_the_same_answers() {
    if env::var_os("OXBRIDGE_SKIP_GO").is_some_and(|value| value == "1") {
        // The test runner shows what a passing test prints only if asked to, but this must be seen.
        let _ = writeln!(std::io::stderr(), "NOT RUN: sniff go oracle");
        return;
    }
    let cases = variations();
    for (data, go) in cases.iter().zip(ask_go(&cases)) {
        assert_eq!(content_type(data), go, "{}", data.escape_ascii());
    }
}

/// Each row, all its beginnings, white space before it, and each of its first
/// bytes changed.
fn variations() -> Vec<Vec<u8>> {
    let mut cases = Vec::new();
    for row in rows() {
        let data = row.bytes();
        let near = data.len().min(40);
        cases.push([b"\n \t", &data[..]].concat());
        cases.push([b"\x0b", &data[..]].concat());
        cases.extend((0..near).map(|end| data[..end].to_vec()));
        for at in 0..near {
            for byte in [
                0,
                0x0c,
                0x1f,
                b' ',
                b'>',
                b'P',
                b'p',
                0x80,
                data[at] ^ 0x20,
                data[at] ^ 1,
            ] {
                let mut changed = data.clone();
                changed[at] = byte;
                cases.push(changed);
            }
        }
        cases.push(data);
    }
    cases
}

/// What `tests/sniff-oracle` answers, in order. Runs it with no network.
fn ask_go(cases: &[Vec<u8>]) -> Vec<String> {
    let go = env::var_os("OXBRIDGE_GO").unwrap_or_else(|| "go".into());
    let mut child = Command::new(&go)
        .args(["run", "."])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sniff-oracle"))
        .envs([
            ("GOFLAGS", "-mod=mod"),
            ("GOTOOLCHAIN", "local"),
            ("GOPROXY", "off"),
            ("CGO_ENABLED", "0"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "cannot run {go:?} ({error}); put Go 1.24 or newer on PATH or name it in \
                 OXBRIDGE_GO, or set OXBRIDGE_SKIP_GO=1 to go without this test"
            )
        });
    let mut stdin = child.stdin.take().expect("it is piped");
    let mut stdout = child.stdout.take().expect("it is piped");
    let hex = |data: &Vec<u8>| data.iter().map(|b| format!("{b:02x}")).collect::<String>() + "\n";
    let lines: String = cases.iter().map(hex).collect();
    // Written by a thread of its own, since Go answers while it reads.
    let writer = thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let mut text = String::new();
    stdout
        .read_to_string(&mut text)
        .expect("the oracle writes UTF-8");
    // First whether it ran at all: a program that did not build reads nothing.
    let status = child.wait().expect("it was started");
    assert!(status.success(), "the oracle ended with {status}");
    writer
        .join()
        .expect("the thread does not panic")
        .expect("the oracle reads");
    let answers: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), cases.len());
    answers
}

fn rows() -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sniff.toml");
    let text = fs::read_to_string(path).expect("the table is in the repository");
    toml::from_str::<Table>(&text)
        .expect("the table is TOML of this shape")
        .rows
}

#[derive(Deserialize)]
struct Table {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    data: String,
    #[serde(rename = "type")]
    mime: String,
    fill: Option<Fill>,
}

#[derive(Deserialize)]
struct Fill {
    text: String,
    times: usize,
}

impl Row {
    fn bytes(&self) -> Vec<u8> {
        let fill = self
            .fill
            .as_ref()
            .map_or(String::new(), |fill| fill.text.repeat(fill.times));
        let text = self.data.replace('…', &fill);
        let byte =
            |c| u8::try_from(c).unwrap_or_else(|_| panic!("{}: {c:?} is no byte", self.name));
        text.chars().map(byte).collect()
    }
}
