//! Files below a directory: which URL names which, and what is never served.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use oxbridge::Server;
use oxbridge::files::{join, serve_dir};
use serde::Deserialize;

mod fetch;
mod scratch;
use fetch::fetch;
use scratch::ScratchDir;

#[test]
fn paths() {
    #[derive(Deserialize)]
    struct Row {
        url: String,
        file: Option<String>,
    }
    #[derive(Deserialize)]
    struct Table {
        rows: Vec<Row>,
    }
    let table: Table = toml::from_str(include_str!("data/file_paths.toml")).unwrap();
    let root = Path::new("/srv/www");
    for row in table.rows {
        let wanted = row.file.map(|file| root.join(file));
        assert_eq!(join(root, &row.url), wanted, "{:?}", row.url);
    }
}

#[test]
fn a_directory_is_served_and_nothing_outside_of_it() {
    let files = ScratchDir::new();
    fs::create_dir_all(files.join("root/docs/empty")).unwrap();
    files.write("secret.txt", "secret");
    files.write("root/index.html", "home");
    files.write("root/a.txt", "a");
    files.write("root/with space é.txt", "odd");
    files.write("root/docs/index.html", "docs");
    files.write("root/docs/empty/b.txt", "b");
    symlink(files.join("secret.txt"), files.join("root/published")).unwrap();
    symlink(files.join("nowhere"), files.join("root/dangling")).unwrap();
    let server = serve(files.join("root"));

    for (target, status, body) in [
        ("/s/", 200, "home"),
        ("/s/index.html", 200, "home"),
        ("/s/a.txt", 200, "a"),
        ("/s/a.txt?x=/../y", 200, "a"),
        ("/s/with%20space%20%C3%A9.txt", 200, "odd"),
        ("/s/docs/", 200, "docs"),
        ("/s/docs/empty/b.txt", 200, "b"),
        ("/s/published", 200, "secret"),
        ("/s/dangling", 404, "404 page not found\n"),
        ("/s/none", 404, "404 page not found\n"),
        ("/s/a.txt/", 404, "404 page not found\n"),
        ("/s/a.txt%2F", 404, "404 page not found\n"),
        ("/s/a.txt/index.html", 404, "404 page not found\n"),
        ("/s/docs/empty/", 404, "404 page not found\n"),
        ("/s/docs/empty", 404, "404 page not found\n"),
        ("/s/a.txt%00", 404, "404 page not found\n"),
        ("/s/..%2Fsecret.txt", 404, "404 page not found\n"),
        ("/s/%2e%2e%2fsecret.txt", 404, "404 page not found\n"),
        ("/s/docs/..%2F..%2Fsecret.txt", 404, "404 page not found\n"),
        ("/s/..%5Csecret.txt", 404, "404 page not found\n"),
        ("/s/%2Fetc%2Fpasswd", 404, "404 page not found\n"),
        ("/s/%2F%2Fetc%2Fpasswd", 404, "404 page not found\n"),
        ("/s/%252e%252e%252fsecret.txt", 404, "404 page not found\n"),
    ] {
        let answer = fetch(&server, "GET", target, &[]);
        assert_eq!((answer.status, answer.text()), (status, body), "{target}");
        let head = fetch(&server, "HEAD", target, &[]);
        assert_eq!(head.status, status, "{target}");
        assert_eq!(
            head.field("content-length"),
            body.len().to_string(),
            "{target}"
        );
    }
    // Whoever cleans these paths, the server before the handler or nobody: no secret.
    for target in [
        "/s/../secret.txt",
        "/s/docs/../../secret.txt",
        "/s/%2e%2e/secret.txt",
        "/s//../secret.txt",
    ] {
        let answer = fetch(&server, "GET", target, &[]);
        assert_ne!(answer.status, 200, "{target}");
        assert!(answer.text() != "secret", "{target}");
    }
}

#[test]
fn a_directory_without_a_slash_is_redirected() {
    let files = ScratchDir::new();
    for name in ["docs", "12:30", "a b"] {
        fs::create_dir(files.join(name)).unwrap();
        files.write(&format!("{name}/index.html"), name);
    }
    files.write("index.html", "home");
    let server = serve(files.as_ref().to_owned());
    for (target, location) in [
        ("/s/docs", "./docs/"),
        ("/s/docs?a=b&c", "./docs/?a=b&c"),
        ("/s/12:30", "./12:30/"),
        ("/s/a%20b", "./a%20b/"),
        ("/exact", "./exact/"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = fetch(&server, method, target, &[]);
            assert_eq!(
                (answer.status, answer.field("location")),
                (301, location),
                "{target}"
            );
        }
    }
    let post = fetch(&server, "POST", "/s/docs", &[]);
    assert_eq!((post.status, post.field("allow")), (405, "GET, HEAD"));
}

#[test]
fn ranges_and_conditions_reach_files_of_a_directory() {
    let files = ScratchDir::new();
    files.write("index.html", "0123456789");
    let server = serve(files.as_ref().to_owned());
    let part = fetch(&server, "GET", "/s/", &[("Range", "bytes=2-3")]);
    assert_eq!((part.status, part.text()), (206, "23"));
    let same = fetch(
        &server,
        "GET",
        "/s/",
        &[("If-None-Match", part.field("etag"))],
    );
    assert_eq!(same.status, 304);
}

/// A server of the files below `root`, at `/s/`; and of its index at `/exact`.
fn serve(root: std::path::PathBuf) -> Server {
    let mut builder = Server::builder();
    let again = root.clone();
    builder
        .blocking("/s/{rest...}", move |w, r| {
            serve_dir(w, r, &root, r.path_value("rest").unwrap())
        })
        .unwrap()
        .blocking("/exact", move |w, r| serve_dir(w, r, &again, ""))
        .unwrap();
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
