//! Directories that the server serves by itself: which file for which URL and client, and what never.

mod fetch;
mod scratch;
mod wire;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::time::Duration;

use fetch::{Answer, ask, fetch, read_head};
use oxbridge::files::{StaticDir, queue_part};
use oxbridge::{Builder, Server};
use scratch::ScratchDir;
use wire::{Client, PATIENCE};

fn start(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}

/// A server with `dir` below `prefix` and an application that answers everything else.
fn serve(prefix: &str, dir: StaticDir) -> Server {
    let mut builder = Server::builder();
    builder.mount_static(prefix, dir).unwrap();
    builder
        .blocking("/", |w, r| {
            let line = format!("app: {} {}", r.method(), r.path());
            w.write(line.as_bytes())
        })
        .unwrap();
    start(builder)
}

/// What a test makes: a root with files, and a secret beside it.
fn site() -> ScratchDir {
    let files = ScratchDir::new();
    fs::create_dir_all(files.join("root/docs")).unwrap();
    fs::create_dir_all(files.join("root/empty")).unwrap();
    fs::create_dir_all(files.join("root/.git")).unwrap();
    fs::create_dir_all(files.join("outside")).unwrap();
    files.write("secret.txt", "secret");
    files.write("outside/secret.txt", "secret");
    files.write("root/index.html", "home");
    files.write("root/a.txt", "a");
    files.write("root/with space é.txt", "odd");
    files.write("root/docs/index.html", "docs");
    files.write("root/.env", "secret");
    files.write("root/.git/config", "secret");
    symlink(files.join("secret.txt"), files.join("root/out")).unwrap();
    symlink("../secret.txt", files.join("root/up")).unwrap();
    symlink(files.join("outside"), files.join("root/way")).unwrap();
    symlink("a.txt", files.join("root/inside")).unwrap();
    symlink(files.join("root/a.txt"), files.join("root/absolute")).unwrap();
    symlink("loop", files.join("root/loop")).unwrap();
    symlink("nowhere", files.join("root/dangling")).unwrap();
    files
}

/// What no URL may lead to.
const NEVER: [&str; 20] = [
    "/none",
    "/a.txt/",
    "/a.txt%2F",
    "/a.txt/index.html",
    "/empty",
    "/empty/",
    "/.env",
    "/.git/config",
    "/docs/..%2F.env",
    "/out",
    "/up",
    "/way/secret.txt",
    "/way",
    "/loop",
    "/dangling",
    "/..%2Fsecret.txt",
    "/%2e%2e%2fsecret.txt",
    "/..%5Csecret.txt",
    "/a.txt%00",
    "/%ff%fe",
];

const SERVED: [(&str, &str); 8] = [
    ("/", "home"),
    ("/index.html", "home"),
    ("/a.txt", "a"),
    ("/a.txt?x=/../y", "a"),
    ("/with%20space%20%C3%A9.txt", "odd"),
    ("/docs/", "docs"),
    ("/inside", "a"),
    ("/absolute", "a"),
];

#[test]
fn a_mounted_directory_has_its_prefix_for_itself() {
    let files = site();
    let server = serve("/s", StaticDir::new(files.join("root")).unwrap());
    for (target, body) in SERVED {
        let target = format!("/s{target}");
        let answer = fetch(&server, "GET", &target, &[]);
        assert_eq!((answer.status, answer.text()), (200, body), "{target}");
        let head = fetch(&server, "HEAD", &target, &[]);
        assert_eq!(head.status, 200, "{target}");
        let length = body.len().to_string();
        assert_eq!(head.field("content-length"), length, "{target}");
    }
    let long = format!("/{}", "x".repeat(300));
    for target in NEVER.into_iter().chain([long.as_str()]) {
        let target = format!("/s{target}");
        let answer = fetch(&server, "GET", &target, &[]);
        assert!(matches!(answer.status, 404 | 400), "{target}: {answer:?}");
        assert!(!answer.text().contains("secret"), "{target}");
    }
    for (target, location) in [("/s", "/s/"), ("/s/docs", "./docs/")] {
        let answer = fetch(&server, "GET", target, &[]);
        assert!(matches!(answer.status, 301 | 307), "{target}: {answer:?}");
        assert_eq!(answer.field("location"), location, "{target}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let answer = fetch(&server, method, "/s/a.txt", &[]);
        assert_eq!(answer.status, 405);
        assert_eq!(answer.field("allow"), "GET, HEAD");
    }
    let answer = fetch(&server, "GET", "/elsewhere", &[]);
    assert_eq!(answer.text(), "app: GET /elsewhere");
}

#[test]
fn what_the_directory_does_not_have_goes_to_the_application() {
    let files = site();
    let dir = StaticDir::new(files.join("root"))
        .unwrap()
        .fallthrough(true);
    let server = serve("/", dir);
    for (target, body) in SERVED {
        let answer = fetch(&server, "GET", target, &[]);
        assert_eq!((answer.status, answer.text()), (200, body), "{target}");
    }
    for target in NEVER {
        let answer = fetch(&server, "GET", target, &[]);
        let is_app = answer.body.starts_with(b"app: GET /");
        // The server refuses what is no text in the path of a route, whoever gets it.
        assert!(is_app || answer.status == 400, "{target}: {answer:?}");
    }
    assert_eq!(
        fetch(&server, "POST", "/a.txt", &[]).text(),
        "app: POST /a.txt"
    );
    assert_eq!(
        fetch(&server, "HEAD", "/a.txt", &[]).field("etag").len(),
        20
    );
}

#[test]
fn settings_open_what_is_closed() {
    let files = site();
    let root = || StaticDir::new(files.join("root")).unwrap();
    for (dir, target, body) in [
        (root().hidden(true), "/s/.env", "secret"),
        (root().follow_links(true), "/s/out", "secret"),
        (root().follow_links(true), "/s/way/secret.txt", "secret"),
        (root().index(Some("a.txt")), "/s/", "a"),
    ] {
        assert_eq!(fetch(&serve("/s", dir), "GET", target, &[]).text(), body);
    }
    let server = serve("/s", root().index(None));
    assert_eq!(fetch(&server, "GET", "/s/", &[]).status, 404);
    let server = serve("/s", root().max_age(Duration::from_secs(60)));
    let answer = fetch(&server, "GET", "/s/a.txt", &[]);
    assert_eq!(answer.field("cache-control"), "public, max-age=60");
    let tag = answer.field("etag").to_owned();
    let answer = fetch(&server, "GET", "/s/a.txt", &[("If-None-Match", &tag)]);
    assert_eq!(answer.status, 304);
    assert_eq!(answer.field("cache-control"), "public, max-age=60");
    assert!(StaticDir::new(files.join("none")).is_err());
    assert!(StaticDir::new(files.join("secret.txt")).is_err());
}

#[test]
fn a_root_that_is_a_link_can_be_turned() {
    let files = ScratchDir::new();
    for release in ["1", "2"] {
        fs::create_dir(files.join(release)).unwrap();
        files.write(&format!("{release}/v"), release);
    }
    symlink(files.join("1"), files.join("current")).unwrap();
    let server = serve("/s", StaticDir::new(files.join("current")).unwrap());
    assert_eq!(fetch(&server, "GET", "/s/v", &[]).text(), "1");
    symlink(files.join("2"), files.join("next")).unwrap();
    fs::rename(files.join("next"), files.join("current")).unwrap();
    assert_eq!(fetch(&server, "GET", "/s/v", &[]).text(), "2");
}

/// `app.js` with three siblings, and two files that lack some.
fn compressed_site() -> ScratchDir {
    let files = ScratchDir::new();
    for name in ["app.js", "app.js.zst", "app.js.br", "app.js.gz", "b.css"] {
        let path = files.write(name, format!("as {name}"));
        // At rest, so that tags are strong.
        let then = std::time::SystemTime::now() - Duration::from_secs(60);
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(then)
            .unwrap();
    }
    files.write("b.css.gz", "as b.css.gz");
    fs::create_dir(files.join("b.css.br")).unwrap();
    files
}

#[test]
fn compressed_siblings_are_chosen_by_the_client() {
    let files = compressed_site();
    let server = serve("/s", StaticDir::new(&files).unwrap());
    let mut tags = Vec::new();
    for (accept, body, coding) in [
        ("", "as app.js", ""),
        ("identity", "as app.js", ""),
        ("gzip, br, zstd", "as app.js.zst", "zstd"),
        ("gzip, br", "as app.js.br", "br"),
        ("br;q=0.5, gzip", "as app.js.gz", "gzip"),
        ("gzip;q=0", "as app.js", ""),
    ] {
        let answer = fetch(&server, "GET", "/s/app.js", &[("Accept-Encoding", accept)]);
        assert_eq!(answer.text(), body, "{accept}");
        assert_eq!(answer.field("content-encoding"), coding, "{accept}");
        assert_eq!(answer.field("vary"), "Accept-Encoding", "{accept}");
        assert!(answer.field("content-type").contains("javascript"));
        let ranges = if coding.is_empty() { "bytes" } else { "" };
        assert_eq!(answer.field("accept-ranges"), ranges, "{accept}");
        let tag = answer.field("etag").to_owned();
        let again = [("Accept-Encoding", accept), ("If-None-Match", &tag)];
        let again = fetch(&server, "GET", "/s/app.js", &again);
        assert_eq!(again.status, 304, "{accept}");
        assert_eq!(again.field("vary"), "Accept-Encoding", "{accept}");
        tags.push(tag);
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4, "one for each coding: {tags:?}");

    // What is missing, or is no file, is passed over.
    let answer = fetch(
        &server,
        "GET",
        "/s/b.css",
        &[("Accept-Encoding", "zstd, br, gzip")],
    );
    assert_eq!(answer.text(), "as b.css.gz");

    let dir = StaticDir::new(&files).unwrap().precompressed(false);
    let server = serve("/s", dir);
    let answer = fetch(&server, "GET", "/s/app.js", &[("Accept-Encoding", "br")]);
    assert_eq!((answer.text(), answer.field("vary")), ("as app.js", ""));
}

#[test]
fn ranges_of_different_codings_do_not_mix() {
    let files = compressed_site();
    let server = serve("/s", StaticDir::new(&files).unwrap());
    let get = |fields: &[(&str, &str)]| -> Answer { fetch(&server, "GET", "/s/app.js", fields) };
    let coded = get(&[("Accept-Encoding", "br")]).field("etag").to_owned();
    let plain = get(&[]).field("etag").to_owned();
    for (if_range, status, body) in [
        (None, 206, "app"),
        (Some(&plain), 206, "app"),
        // The rest of the compressed form is not to be had: the whole file is.
        (Some(&coded), 200, "as app.js"),
    ] {
        let mut fields = vec![("Accept-Encoding", "br"), ("Range", "bytes=3-5")];
        fields.extend(if_range.map(|tag| ("If-Range", tag.as_str())));
        let answer = get(&fields);
        assert_eq!(
            (answer.status, answer.text()),
            (status, body),
            "{if_range:?}"
        );
        assert_eq!(answer.field("content-encoding"), "");
    }
}

#[test]
fn slow_clients_hold_no_thread() {
    const CLIENTS: usize = 20;
    const SIZE: u64 = 32 << 20;
    let files = ScratchDir::new();
    let file = File::create(files.join("large")).unwrap();
    file.set_len(SIZE).unwrap();
    let path = files.join("large");
    let mut builder = Server::builder();
    builder
        .mount_static("/s", StaticDir::new(&files).unwrap())
        .unwrap();
    builder.blocking("/app", |w, _| w.write(b"app")).unwrap();
    builder
        .blocking("/queued", move |w, _| {
            let file = File::open(&path).unwrap();
            w.headers_mut()?
                .insert(http::header::CONTENT_LENGTH, SIZE.into());
            queue_part(w, &file, &path, 0, SIZE).unwrap();
            Ok(())
        })
        .unwrap();
    let server = start(builder.threads(2));
    // All of them read the head only.
    let mut readers: Vec<_> = ["/s/large", "/queued"]
        .into_iter()
        .cycle()
        .take(CLIENTS)
        .map(|target| ask(&server, "GET", target, &[]))
        .collect();
    for reader in &mut readers {
        assert_eq!(read_head(reader).field("content-length"), SIZE.to_string());
    }
    assert_eq!(fetch(&server, "GET", "/app", &[]).text(), "app");
    for mut reader in readers.into_iter().take(2) {
        let length = std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
        assert_eq!(length, SIZE);
    }
}

#[test]
fn a_driven_server_serves_files_too() {
    let files = site();
    let mut builder = Server::builder();
    builder
        .mount_static("/", StaticDir::new(files.join("root")).unwrap())
        .unwrap();
    let server = start(builder.driven(true));
    let address = server.addresses()[0].tcp().unwrap();
    let client = std::thread::spawn(move || Client::to(address).get("/a.txt").answer());
    let deadline = std::time::Instant::now() + PATIENCE;
    while !client.is_finished() {
        assert!(std::time::Instant::now() < deadline);
        server.turn(Some(Duration::from_millis(10))).unwrap();
    }
    assert_eq!(client.join().unwrap().text(), "a");
}
