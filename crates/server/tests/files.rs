//! One file as a response: ranges, conditions, types, and what else the head says.

use std::fs::{self, File};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

mod fetch;
mod scratch;
mod site;
use fetch::{Answer, fetch};
use site::Site;

const DIGITS: &str = "0123456789";
/// Sun, 06 Nov 1994 08:49:37 GMT.
const LONG_AGO: Duration = Duration::from_secs(784_111_777);

#[test]
fn ranges() {
    #[derive(Deserialize)]
    struct Row {
        range: Vec<String>,
        status: u16,
        #[serde(default)]
        parts: Vec<(String, String)>,
        note: String,
    }
    let site = Site::new();
    site.write("ten.txt", DIGITS);
    for row in table::<Row>(include_str!("data/file_ranges.toml")) {
        let fields: Vec<_> = row.range.iter().map(|r| ("Range", r.as_str())).collect();
        let answer = fetch(&site.server, "GET", "/ten.txt", &fields);
        let what = format!("{:?} ({}): {answer:?}", row.range, row.note);
        assert_eq!(answer.status, row.status, "{what}");
        match (row.status, &row.parts[..]) {
            (206, [(range, bytes)]) => {
                assert_eq!(
                    answer.field("content-range"),
                    format!("bytes {range}/10"),
                    "{what}"
                );
                assert_eq!(
                    answer.field("content-type"),
                    "text/plain; charset=utf-8",
                    "{what}"
                );
                assert_eq!(answer.text(), bytes, "{what}");
            }
            (206, parts) => {
                assert_eq!(answer.field("content-range"), "", "{what}");
                assert_eq!(answer.text(), multipart(&answer, parts), "{what}");
            }
            (416, []) => {
                assert_eq!(answer.field("content-range"), "bytes */10", "{what}");
                assert_eq!(answer.field("etag"), "", "{what}");
            }
            (_, parts) => {
                assert!(parts.is_empty(), "{what}");
                assert_eq!(answer.field("content-range"), "", "{what}");
                assert_eq!(answer.text(), DIGITS, "{what}");
            }
        }
        // Only GET has ranges.
        let head = fetch(&site.server, "HEAD", "/ten.txt", &fields);
        assert_eq!(
            (head.status, head.field("content-length")),
            (200, "10"),
            "{what}"
        );
    }
}

/// The body that an answer with these parts of `DIGITS` has.
fn multipart(answer: &Answer, parts: &[(String, String)]) -> String {
    let content_type = answer.field("content-type");
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("a multipart type");
    let mut body = String::new();
    for (i, (range, bytes)) in parts.iter().enumerate() {
        let line_end = if i == 0 { "" } else { "\r\n" };
        body += &format!("{line_end}--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n");
        body += &format!("Content-Range: bytes {range}/10\r\n\r\n{bytes}");
    }
    body + &format!("\r\n--{boundary}--\r\n")
}

#[test]
fn an_empty_file_has_no_ranges_and_answers_whole() {
    let site = Site::new();
    site.write("empty", "");
    for range in ["bytes=0-", "bytes=5-", "bytes=-1", "bytes=-0"] {
        let answer = fetch(&site.server, "GET", "/empty", &[("Range", range)]);
        assert_eq!(
            (answer.status, answer.field("content-length")),
            (200, "0"),
            "{range}"
        );
    }
}

#[test]
fn conditions() {
    #[derive(Deserialize)]
    struct Row {
        fields: Vec<(String, String)>,
        status: u16,
        note: String,
    }
    let site = Site::new();
    site.write_at("ten.txt", DIGITS, UNIX_EPOCH + LONG_AGO);
    let plain = fetch(&site.server, "GET", "/ten.txt", &[]);
    let tag = plain.field("etag").to_owned();
    assert!(
        tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2,
        "{plain:?}"
    );
    assert_eq!(
        plain.field("last-modified"),
        "Sun, 06 Nov 1994 08:49:37 GMT"
    );
    for row in table::<Row>(include_str!("data/file_conditions.toml")) {
        let values: Vec<_> = row
            .fields
            .iter()
            .map(|(n, v)| (n, v.replace("{tag}", &tag)))
            .collect();
        let fields: Vec<_> = values
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        for method in ["GET", "HEAD"] {
            let answer = fetch(&site.server, method, "/ten.txt", &fields);
            let what = format!("{method} {fields:?} ({}): {answer:?}", row.note);
            let status = if method == "HEAD" && row.status == 206 {
                200
            } else {
                row.status
            };
            assert_eq!(answer.status, status, "{what}");
            match status {
                412 => assert_eq!(answer.field("etag"), "", "{what}"),
                304 => {
                    assert_eq!(answer.field("etag"), tag, "{what}");
                    assert_eq!(answer.field("content-type"), "", "{what}");
                }
                _ => assert_eq!(answer.field("etag"), tag, "{what}"),
            }
        }
    }
}

#[test]
fn a_young_file_has_a_weak_tag_that_joins_no_ranges() {
    let site = Site::new();
    // A time to come is younger than any, however long the test takes.
    let time = SystemTime::now() + Duration::from_secs(3600);
    let path = site.write_at("young", DIGITS, time);
    let young = fetch(&site.server, "GET", "/young", &[]);
    let weak = young.field("etag");
    assert!(weak.starts_with("W/\""), "{young:?}");
    let parse = |value: &str| httpdate::parse_http_date(value).unwrap();
    assert!(
        parse(young.field("last-modified")) <= parse(young.field("date")),
        "{young:?}"
    );

    let get = |fields: &[(&str, &str)]| fetch(&site.server, "GET", "/young", fields).status;
    assert_eq!(get(&[("If-None-Match", weak)]), 304);
    assert_eq!(
        get(&[("If-None-Match", weak.trim_start_matches("W/"))]),
        304
    );
    assert_eq!(get(&[("If-Match", weak)]), 412);
    let date = httpdate::fmt_http_date(time);
    for if_range in [weak, young.field("last-modified"), &date] {
        assert_eq!(
            get(&[("Range", "bytes=0-1"), ("If-Range", if_range)]),
            200,
            "{if_range}"
        );
    }
    assert_eq!(get(&[("Range", "bytes=0-1")]), 206);

    let open = File::options().write(true).open(path).unwrap();
    open.set_modified(UNIX_EPOCH + LONG_AGO).unwrap();
    assert!(
        fetch(&site.server, "GET", "/young", &[])
            .field("etag")
            .starts_with('"')
    );
}

#[test]
fn a_file_just_written_is_young() {
    let site = Site::new();
    loop {
        let start = Instant::now();
        site.write("new", DIGITS);
        let answer = fetch(&site.server, "GET", "/new", &[]);
        // A machine that is too busy to be quick gets another try.
        if start.elapsed() < Duration::from_millis(1900) {
            assert!(answer.field("etag").starts_with("W/\""), "{answer:?}");
            break;
        }
    }
}

#[test]
fn the_tag_changes_with_time_length_and_inode() {
    let site = Site::new();
    let time = UNIX_EPOCH + LONG_AGO;
    let tag = || {
        fetch(&site.server, "GET", "/a", &[])
            .field("etag")
            .to_owned()
    };
    let path = site.write_at("a", DIGITS, time);
    let first = tag();
    assert_eq!(tag(), first, "the same file");
    site.write_at("a", DIGITS, time + Duration::from_nanos(1_000_000));
    let later = tag();
    site.write_at("a", "012345678", time);
    let shorter = tag();
    let other = site.write_at("b", DIGITS, time);
    fs::rename(other, path).unwrap();
    let replaced = tag();
    let mut all = [first, later, shorter, replaced];
    all.sort();
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
}

#[test]
fn a_time_that_stands_for_none_is_not_sent() {
    let site = Site::new();
    site.write_at("old", DIGITS, UNIX_EPOCH);
    site.write_at("older", DIGITS, UNIX_EPOCH - Duration::from_secs(1000));
    for target in ["/old", "/older"] {
        let since = ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT");
        let answer = fetch(&site.server, "GET", target, &[since]);
        assert_eq!(
            (answer.status, answer.field("last-modified")),
            (200, ""),
            "{target}"
        );
        // No time and no date are not the same time.
        let fields = [("Range", "bytes=0-1"), ("If-Range", "yesterday")];
        assert_eq!(
            fetch(&site.server, "GET", target, &fields).status,
            200,
            "{target}"
        );
    }
}

#[test]
fn types() {
    #[derive(Deserialize)]
    struct Row {
        file: String,
        content: String,
        #[serde(rename = "type")]
        content_type: String,
    }
    let site = Site::new();
    for row in table::<Row>(include_str!("data/file_types.toml")) {
        site.write(&row.file, &row.content);
        let target = format!("/{}", row.file);
        let get = fetch(&site.server, "GET", &target, &[]);
        let head = fetch(&site.server, "HEAD", &target, &[]);
        assert_eq!(get.text(), row.content, "{target}");
        assert_eq!(get.field("accept-ranges"), "bytes", "{target}");
        for answer in [get, head] {
            assert_eq!(answer.status, 200, "{target}");
            assert_eq!(answer.field("content-type"), row.content_type, "{target}");
            assert_eq!(
                answer.field("content-length"),
                row.content.len().to_string(),
                "{target}"
            );
        }
    }
}

#[test]
fn other_methods_are_not_allowed() {
    let site = Site::new();
    site.write("a", DIGITS);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "get"] {
        let answer = fetch(&site.server, method, "/a", &[]);
        assert_eq!(
            (answer.status, answer.field("allow")),
            (405, "GET, HEAD"),
            "{method}"
        );
        assert_eq!(answer.text(), "Method Not Allowed\n");
    }
}

#[test]
fn what_the_caller_set_stays_but_not_on_errors() {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/x-mine"));
    headers.insert(ETAG, HeaderValue::from_static("\"mine\""));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    let site = Site::with_headers(headers);
    site.write("a.html", DIGITS);
    let get = |name, value| fetch(&site.server, "GET", "/a.html", &[(name, value)]);

    let whole = get("Accept", "*/*");
    assert_eq!(whole.field("content-type"), "text/x-mine");
    assert_eq!(whole.field("etag"), "\"mine\"");
    let same = get("If-None-Match", "\"mine\"");
    assert_eq!(
        (same.status, same.field("cache-control")),
        (304, "max-age=60")
    );
    for refused in [get("Range", "bytes=10-"), get("If-Match", "\"other\"")] {
        assert!([412, 416].contains(&refused.status), "{refused:?}");
        assert_eq!(refused.field("etag"), "");
        assert_eq!(refused.field("cache-control"), "");
        assert_eq!(refused.field("content-type"), "text/plain; charset=utf-8");
    }
}

/// The rows of a data file.
fn table<Row: for<'a> Deserialize<'a>>(text: &str) -> Vec<Row> {
    #[derive(Deserialize)]
    struct Table<Row> {
        rows: Vec<Row>,
    }
    toml::from_str::<Table<Row>>(text).unwrap().rows
}
