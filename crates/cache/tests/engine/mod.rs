//! Real Valkey or Redis servers, and a network between them and us that can fail.
#![allow(
    dead_code,
    reason = "not every test file that has this module uses all of it"
)]
#![expect(clippy::print_stdout, reason = "what is not run is said")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;

/// How long a test waits for anything before it fails: long enough for a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Whether tests with an engine are to be gone without; says so.
pub(crate) fn is_skipped(what: &str) -> bool {
    let skipped = std::env::var_os("OXBRIDGE_SKIP_REDIS").is_some();
    if skipped {
        println!("NOT RUN: {what} (OXBRIDGE_SKIP_REDIS is set)");
    }
    skipped
}

/// A server, killed when it is dropped.
pub(crate) struct Engine {
    child: Child,
    pub(crate) port: u16,
    folder: PathBuf,
}

impl Engine {
    pub(crate) fn start() -> Engine {
        Engine::on(free_port(), &[])
    }

    /// Starts a server with more lines of configuration.
    pub(crate) fn on(port: u16, lines: &[&str]) -> Engine {
        Engine::of_kind(port, lines, &[])
    }

    pub(crate) fn sentinel(port: u16, lines: &[&str]) -> Engine {
        Engine::of_kind(port, lines, &["--sentinel"])
    }

    fn of_kind(port: u16, lines: &[&str], options: &[&str]) -> Engine {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("engine-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let configuration = folder.join("engine.conf");
        let own = [
            format!("port {port}"),
            "bind 127.0.0.1".to_owned(),
            "protected-mode no".to_owned(),
            format!("dir {}", folder.display()),
        ];
        let text: Vec<&str> = own
            .iter()
            .map(String::as_str)
            .chain(lines.iter().copied())
            .collect();
        std::fs::write(&configuration, text.join("\n") + "\n").expect("it is written");
        let child = program(&configuration, options);
        let engine = Engine {
            child,
            port,
            folder,
        };
        eventually("the engine answers", || {
            engine
                .ask("PING")
                .is_ok_and(|answer| answer.starts_with("+PONG"))
        });
        engine
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sends a command as a person would type it; gives the beginning of the answer.
    pub(crate) fn ask(&self, command: &str) -> std::io::Result<String> {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        let mut answer = vec![0; 1 << 16];
        let length = stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    /// As [`ask`](Self::ask); the answer must be that it was done.
    pub(crate) fn order(&self, command: &str) -> String {
        let answer = self.ask(command).expect("the engine answers");
        assert!(!answer.starts_with('-'), "{command}: {answer}");
        answer
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn program(configuration: &std::path::Path, options: &[&str]) -> Child {
    let named = std::env::var("OXBRIDGE_REDIS_SERVER").ok();
    let names = named
        .as_deref()
        .map_or(vec!["redis-server", "valkey-server"], |name| vec![name]);
    for name in &names {
        let started = Command::new(name)
            .arg(configuration)
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if let Ok(child) = started {
            return child;
        }
    }
    panic!(
        "cannot run any of {names:?}; install redis-server, name one in OXBRIDGE_REDIS_SERVER, or go \
         without by OXBRIDGE_SKIP_REDIS=1"
    );
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

pub(crate) fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(
            begun.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for something that is asked for asynchronously.
pub(crate) async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is().await {
        assert!(
            begun.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What a network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Works,
    /// Takes what is sent and delivers nothing, without a word.
    Hangs,
    /// Refuses and cuts.
    Broken,
}

/// A network to one port, in which everything passes through us.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: watch::Sender<Network>,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Proxy {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let (state, seen) = watch::channel(Network::Works);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *seen.borrow() == Network::Broken {
                    continue;
                }
                let Ok(server) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await else {
                    continue;
                };
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(carry(from_client, to_server, seen.clone()));
                tokio::spawn(carry(from_server, to_client, seen.clone()));
            }
        });
        Proxy { port: own, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn becomes(&self, network: Network) {
        self.state.send_replace(network);
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut network: watch::Receiver<Network>,
) {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let length = tokio::select! {
            read = from.read(&mut bytes) => read.unwrap_or(0),
            broken = network.wait_for(|state| *state == Network::Broken) => {
                drop(broken);
                return;
            }
        };
        if length == 0 {
            return;
        }
        // While it hangs, what has come waits.
        if network
            .wait_for(|state| *state != Network::Hangs)
            .await
            .is_err()
            || *network.borrow() == Network::Broken
            || to.write_all(&bytes[..length]).await.is_err()
        {
            return;
        }
    }
}
