//! Files on their way: large ones, ones that change, clients that leave, and files that cannot be sent.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::mpsc;

use oxbridge::WriteError;
use oxbridge::files::{FileError, serve_file};

mod fetch;
mod scratch;
mod site;
use fetch::{ask, fetch, read_head};
use site::{Site, serve};

const DIGITS: &str = "0123456789";

#[test]
fn what_is_no_file_is_an_error_before_anything_is_written() {
    let site = Site::new();
    fs::create_dir(site.files.join("directory")).unwrap();
    let _socket = UnixListener::bind(site.files.join("socket")).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, site.files.join("pipe"), mode).unwrap();
    site.write("file", "");
    for (target, text) in [
        ("missing", "no file at .../missing"),
        ("file/below", "no file at .../file/below"),
        (&"long".repeat(100), "no file at .../longlong"),
        ("directory", ".../directory is a directory (wanted a file)"),
        (
            "socket",
            ".../socket is a device, pipe or socket (wanted a file)",
        ),
        (
            "pipe",
            ".../pipe is a device, pipe or socket (wanted a file)",
        ),
    ] {
        let answer = fetch(&site.server, "GET", &format!("/{target}"), &[]);
        let root = site.files.as_ref().display().to_string();
        let said = site.outcomes.recv().unwrap().unwrap_err().to_string();
        assert_eq!(answer.status, 404, "{target}");
        assert!(said.replace(&root, "...").starts_with(text), "{said}");
        assert_eq!(answer.text(), "404 page not found\n");
        assert!(fetch(&site.server, "HEAD", &format!("/{target}"), &[]).status == 404);
        site.outcomes.recv().unwrap().unwrap_err();
    }
}

#[test]
fn an_unreadable_file_is_forbidden() {
    if rustix::process::geteuid().is_root() {
        // Root reads everything, so somebody else runs this test.
        let output = Command::new("/proc/self/exe")
            .args(["--exact", "an_unreadable_file_is_forbidden"])
            .uid(65534)
            .gid(65534)
            .env_remove("LLVM_PROFILE_FILE")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{output:?}"
        );
        return;
    }
    let site = Site::new();
    let path = site.write("secret", DIGITS);
    fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    let answer = fetch(&site.server, "GET", "/secret", &[]);
    assert_eq!((answer.status, answer.text()), (403, "Forbidden\n"));
    let error = site.outcomes.recv().unwrap().unwrap_err();
    assert!(matches!(error, FileError::Forbidden(_)), "{error:?}");
}

#[test]
fn a_large_file_waits_for_a_slow_reader_outside_of_memory() {
    const SIZE: u64 = 256 << 20;
    const STEP: u64 = 1 << 20;
    let site = Site::new();
    let file = File::create(site.files.join("large")).unwrap();
    file.set_len(SIZE).unwrap();
    for mark in 0..SIZE / STEP {
        file.write_all_at(&mark.to_be_bytes(), mark * STEP).unwrap();
    }
    let mut reader = ask(&site.server, "GET", "/large", &[]);
    let head = read_head(&mut reader);
    assert_eq!(head.field("content-length"), SIZE.to_string());
    // While this client reads nothing, another one gets the whole file: time enough to read ahead.
    let mut other = ask(&site.server, "GET", "/large", &[]);
    read_head(&mut other);
    let copied = std::io::copy(&mut other, &mut std::io::sink()).unwrap();
    assert_eq!(copied, SIZE);
    site.outcomes.recv().unwrap().unwrap();

    let mut block = vec![0; 4096];
    for offset in (0..SIZE).step_by(block.len()) {
        reader.read_exact(&mut block).unwrap();
        if offset % STEP == 0 {
            assert_eq!(block[..8], (offset / STEP).to_be_bytes(), "at {offset}");
        }
    }
    assert_eq!(reader.read(&mut block).unwrap(), 0);
    site.outcomes.recv().unwrap().unwrap();
    let peak = peak_memory();
    assert!(peak < SIZE / 4, "{peak} bytes of memory for {SIZE} of file");
}

/// The most memory that this process has had at once, in bytes.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib << 10
}

#[test]
fn a_file_that_shrinks_ends_the_connection_early() {
    // Much more than the buffers of the server and of the sockets take.
    const SIZE: u64 = 256 << 20;
    let site = Site::new();
    let file = File::create(site.files.join("large")).unwrap();
    file.set_len(SIZE).unwrap();
    let mut reader = ask(&site.server, "GET", "/large", &[]);
    assert_eq!(read_head(&mut reader).status, 200);
    file.set_len(0).unwrap();
    let got = std::io::copy(&mut reader, &mut std::io::sink());
    assert!(got.as_ref().map_or(true, |got| *got < SIZE), "{got:?}");
    let error = site.outcomes.recv().unwrap().unwrap_err();
    assert!(
        matches!(error, FileError::Shrunk { was: SIZE, .. }),
        "{error:?}"
    );
}

#[test]
fn a_short_file_that_shrank_is_a_whole_error() {
    let (sender, outcomes) = mpsc::channel();
    let server = serve(move |w, r| {
        // The kernel calls this file 4096 bytes long, and it is shorter.
        let outcome = serve_file(w, r, "/sys/devices/system/cpu/online".as_ref());
        if let Err(e) = &outcome {
            w.write(e.status().as_str().as_bytes())?;
        }
        sender.send((outcome, w.headers().len())).unwrap();
        Ok(())
    });
    let answer = fetch(&server, "GET", "/", &[]);
    assert_eq!((answer.status, answer.text()), (200, "500"), "{answer:?}");
    let (outcome, headers) = outcomes.recv().unwrap();
    assert!(
        matches!(outcome, Err(FileError::Shrunk { was: 4096, .. })),
        "{outcome:?}"
    );
    assert_eq!(headers, 0, "nothing of the file's is left");
}

#[test]
fn a_client_that_leaves_ends_the_sending() {
    let site = Site::new();
    File::create(site.files.join("large"))
        .unwrap()
        .set_len(256 << 20)
        .unwrap();
    let mut reader = ask(&site.server, "GET", "/large", &[]);
    assert_eq!(read_head(&mut reader).status, 200);
    drop(reader);
    let error = site.outcomes.recv().unwrap().unwrap_err();
    assert!(
        matches!(error, FileError::Write(WriteError::ClientGone)),
        "{error:?}"
    );
}

#[test]
fn many_files_go_over_one_connection() {
    let site = Site::new();
    site.write("a", DIGITS);
    site.write("b", "x".repeat(100_000));
    let address = site.server.addresses()[0].tcp().unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let mut requests = String::new();
    for (method, target) in [
        ("GET", "/a"),
        ("HEAD", "/b"),
        ("GET", "/b"),
        ("GET", "/none"),
    ] {
        requests += &format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    requests += "GET /a HTTP/1.1\r\nHost: a\r\nRange: bytes=3-4\r\nConnection: close\r\n\r\n";
    stream.write_all(requests.as_bytes()).unwrap();
    let mut reader = std::io::BufReader::new(stream);
    for (status, length, body) in [
        (200, 10, 10),
        (200, 100_000, 0),
        (200, 100_000, 100_000),
        (404, 19, 19),
        (206, 2, 2),
    ] {
        let head = read_head(&mut reader);
        assert_eq!(
            (head.status, head.field("content-length")),
            (status, &*length.to_string())
        );
        reader.read_exact(&mut vec![0; body]).unwrap();
    }
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}
