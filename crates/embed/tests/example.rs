//! `examples/embed`, run as its users run it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The example, ended with the test.
struct Served {
    process: Child,
    address: String,
    /// What it printed before.
    said: Vec<String>,
}

impl Served {
    fn start() -> Self {
        let tests = std::env::current_exe().unwrap();
        let program = tests.ancestors().nth(2).unwrap().join("examples/embed");
        assert!(
            program.is_file(),
            "{} is missing: cargo build -p oxbridge-embed --examples makes it",
            program.display()
        );
        let mut process = Command::new(program)
            .env("PORT", "0")
            .env_remove("HOST")
            .env_remove("VIRTUAL_ENV")
            .env(
                "WORKERS",
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/embed"),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = Vec::new();
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(address) = line.strip_prefix("listening on http://") {
                let address = address.to_owned();
                return Served {
                    process,
                    address,
                    said,
                };
            }
            said.push(line);
        }
        let _ = process.kill();
        panic!("it ended: {:?}; {said:?}", process.wait());
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
        let head = head.replace('\n', "\r\n");
        let length = body.len();
        write!(
            stream,
            "{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn python_and_rust_answer_side_by_side() {
    let served = Served::start();
    assert_eq!(
        served.said,
        ["GET /", "GET,HEAD /ping", "GET,POST /hello/:target"]
    );
    for n in 1..=3 {
        let answer = served.ask("GET /python HTTP/1.1");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("x-test: 1\r\n"), "{answer}");
        assert!(
            answer.ends_with(&format!("\r\n\r\nrequest #{n}")),
            "{answer}"
        );
    }
    assert!(
        served
            .ask("GET /hello/world HTTP/1.1")
            .ends_with("request #4")
    );
    assert!(served.ask("GET /rust HTTP/1.1").ends_with("\r\n\r\nok\n"));
    assert!(
        served
            .ask("POST /rust HTTP/1.1\n\nback")
            .ends_with("\r\n\r\nback")
    );
    for route in ["/python", "/rust"] {
        let begun = Instant::now();
        served.ask(&format!("GET {route} HTTP/1.1\nX-Sleep: 0.2"));
        assert!(begun.elapsed() >= Duration::from_millis(200), "{route}");
    }
    // What Python raises is no answer to a client, and harms nobody.
    let answer = served.ask("GET /python HTTP/1.1\nX-Sleep: never");
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(served.ask("GET /python HTTP/1.1").contains("request #"));
}
