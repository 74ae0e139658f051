//! The table of `tests/data/wire.toml`, and the same streams cut anyhow.

use std::fs;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

const LIMITS: HeadLimits = HeadLimits {
    max_head_bytes: 64 << 10,
    max_target_bytes: 16 << 10,
    max_headers: 100,
    max_chunk_line: 4096,
};

#[test]
fn every_row_gets_its_verdict() {
    let rows = rows();
    assert!(rows.len() >= 150, "the table has lost rows: {}", rows.len());
    for row in rows {
        let bytes = row.wire();
        let mut guard = Guard::new(LIMITS);
        let result = guard.feed(&bytes);
        let verdict = result.map_or_else(|reject| reject.status.to_string(), |()| "ok".to_owned());
        assert_eq!(verdict, row.verdict, "{}: {result:?}", row.name);
        match result {
            Ok(()) => {
                assert!(
                    guard.at_message_boundary(),
                    "{}: a message is not whole",
                    row.name
                );
                assert_eq!(messages(&bytes), row.messages.unwrap_or(1), "{}", row.name);
            }
            Err(reject) => {
                assert_eq!(reject.in_body, row.in_body, "{}: {reject:?}", row.name);
                assert!(
                    !reject.started_earlier,
                    "{}: there was but one call",
                    row.name
                );
                // Exactly the good messages in front may be handed on.
                let accepted = &bytes[..reject.accepted];
                assert_eq!(
                    messages(accepted),
                    row.messages.unwrap_or(0),
                    "{}",
                    row.name
                );
                guard
                    .feed(b"x")
                    .expect_err("a refused connection stays refused");
            }
        }
    }
}

#[test]
fn every_row_gets_the_same_verdict_cut_anywhere() {
    for row in rows() {
        let bytes = row.wire();
        let whole = fate(&bytes, &[]);
        // A quadratic number of bytes: the huge rows are cut near their ends only.
        let near = 300.min(bytes.len());
        for cut in (0..near).chain(bytes.len() - near..=bytes.len()) {
            assert_eq!(fate(&bytes, &[cut]), whole, "{}, cut at {cut}", row.name);
        }
        let everywhere: Vec<usize> = (1..bytes.len()).collect();
        assert_eq!(
            fate(&bytes, &everywhere),
            whole,
            "{}, byte by byte",
            row.name
        );
    }
}

#[test]
fn a_guard_knows_where_it_is() {
    let mut guard = Guard::new(LIMITS);
    let mut feed = |bytes: &[u8]| {
        guard.feed(bytes).expect("the stream is good");
        guard.at_message_boundary()
    };
    const BOUNDARY: bool = true;
    const HEAD: bool = false;
    const BODY: bool = false;
    assert_eq!(feed(b""), BOUNDARY);
    assert_eq!(feed(b"\r\n"), BOUNDARY);
    assert_eq!(feed(b"G"), HEAD);
    assert_eq!(feed(b"ET / HTTP/1.1\r\n"), HEAD);
    assert_eq!(feed(b"Host: a\r\n"), HEAD);
    assert_eq!(feed(b"Content-Length: 3\r\n\r"), HEAD);
    assert_eq!(feed(b"\n"), BODY);
    assert_eq!(feed(b"ab"), BODY);
    assert_eq!(feed(b"c"), BOUNDARY);
    assert_eq!(
        feed(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
        BODY
    );
    assert_eq!(feed(b"1\r\na\r\n0"), BODY);
    assert_eq!(feed(b"\r\nX: y\r\n"), BODY);
    assert_eq!(feed(b"\r\nGET"), HEAD);
}

#[test]
fn a_fault_in_a_message_that_began_earlier_accepts_nothing() {
    let mut guard = Guard::new(LIMITS);
    guard
        .feed(b"GET / HTTP/1.1\r\nHo")
        .expect("nothing is wrong yet");
    let reject = guard
        .feed(b"st : a\r\n\r\n")
        .expect_err("a space before the colon");
    assert_eq!(
        (reject.accepted, reject.started_earlier, reject.in_body),
        (0, true, false)
    );

    let mut guard = Guard::new(LIMITS);
    let head = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n";
    guard.feed(head).expect("nothing is wrong yet");
    let reject = guard.feed(b"aX").expect_err("no CRLF after the chunk");
    assert_eq!(
        (reject.accepted, reject.started_earlier, reject.in_body),
        (0, true, true)
    );

    // The end of an earlier message is accepted with the whole ones after it.
    let mut guard = Guard::new(LIMITS);
    guard
        .feed(b"GET / HTTP/1.1\r\nHost: ")
        .expect("nothing is wrong yet");
    let good = b"a\r\n\r\nGET / HTTP/1.0\r\n\r\n";
    let reject = guard
        .feed(&[good, &b"bad\r\n"[..]].concat())
        .expect_err("no request line");
    assert_eq!(
        (reject.accepted, reject.started_earlier, reject.in_body),
        (good.len(), false, false)
    );
}

#[test]
fn limits_are_exact() {
    let head = "PUT /abc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = "1;ab\r\nx\r\n0\r\n";
    // As long as the head: it may be, and is counted apart from it.
    let trailers = format!("{:~<width$}\r\n\r\n", "X:", width = head.len() - 4);
    let stream = [head, chunks, &trailers].concat().into_bytes();
    let exact = HeadLimits {
        max_head_bytes: 58,
        max_target_bytes: 4,
        max_headers: 2,
        max_chunk_line: 6,
    };
    assert_eq!(head.len(), 58);
    let everywhere: Vec<usize> = (1..stream.len()).collect();
    // The fast path and the slow one.
    for cuts in [&[][..], &everywhere] {
        let refused = |limits| {
            fate_within(limits, &stream, cuts)
                .refused
                .map(|it| (it.0, it.2))
        };
        assert_eq!(refused(exact), None);
        let tight = HeadLimits {
            max_head_bytes: 57,
            ..exact
        };
        assert_eq!(refused(tight), Some((431, false)));
        assert_eq!(
            refused(HeadLimits {
                max_target_bytes: 3,
                ..exact
            }),
            Some((414, false))
        );
        assert_eq!(
            refused(HeadLimits {
                max_headers: 1,
                ..exact
            }),
            Some((431, false))
        );
        assert_eq!(
            refused(HeadLimits {
                max_chunk_line: 5,
                ..exact
            }),
            Some((400, true))
        );
        let longer = [head, chunks, "X", &trailers].concat().into_bytes();
        let refused = fate_within(exact, &longer, cuts)
            .refused
            .map(|it| (it.0, it.2));
        assert_eq!(refused, Some((431, true)));
    }
}

#[test]
fn a_guard_is_small_and_keeps_no_buffer_between_messages() {
    assert!(size_of::<Guard>() <= 64, "{}", size_of::<Guard>());
    let mut guard = Guard::new(LIMITS);
    for byte in b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" {
        guard.feed(&[*byte]).expect("a good request");
    }
    assert!(guard.carry.is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Streams made of table rows and their damaged copies, in any order, are
    /// judged alike however they are cut.
    #[test]
    fn cuts_do_not_matter(stream in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(fate(&stream, &cuts), fate(&stream, &[]));
    }

    /// So are streams under limits so tight that every kind of excess is met.
    #[test]
    fn cuts_do_not_matter_to_limits(
        stream in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        head in 0u32..120, target in 0u32..20, fields in 0u16..4, chunk in 0u32..12,
    ) {
        let limits = HeadLimits {
            max_head_bytes: head, max_target_bytes: target, max_headers: fields, max_chunk_line: chunk,
        };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(fate_within(limits, &stream, &cuts), fate_within(limits, &stream, &[]));
    }

    /// No bytes make it panic, and what it says it accepts is acceptable.
    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(reject) = Guard::new(LIMITS).feed(&bytes) {
            prop_assert!(Guard::new(LIMITS).feed(&bytes[..reject.accepted]).is_ok());
        }
    }

    /// Any one byte of a good head changed, and the fast path and the slow one
    /// (which sees every line split) still agree.
    #[test]
    fn one_wrong_byte(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = b"POST /a?b HTTP/1.1\r\nHost: a.b:80\r\nAccept: text/html,\t*/*\r\n\
            Transfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\n".to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let everywhere: Vec<usize> = (1..bytes.len()).collect();
        prop_assert_eq!(fate(&bytes, &everywhere), fate(&bytes, &[]));
    }
}

/// What became of a stream: the good messages before its end or its fault, and
/// of the fault all that does not depend on the cuts.
#[derive(Debug, PartialEq)]
struct Fate {
    refused: Option<(u16, &'static str, bool)>,
    /// Where the message that was being read began.
    began: usize,
}

fn fate(bytes: &[u8], cuts: &[usize]) -> Fate {
    fate_within(LIMITS, bytes, cuts)
}

/// Feeds `bytes` in the pieces that ascending `cuts` make of it.
fn fate_within(limits: HeadLimits, bytes: &[u8], cuts: &[usize]) -> Fate {
    let mut guard = Guard::new(limits);
    let mut from = 0;
    let mut began = 0; // by what the guard said after each piece
    for to in cuts.iter().copied().chain([bytes.len()]) {
        if let Err(reject) = guard.feed(&bytes[from..to]) {
            let refused = Some((reject.status, reject.reason, reject.in_body));
            if !reject.started_earlier {
                began = from + reject.accepted;
            } else {
                assert_eq!(reject.accepted, 0);
                began = last_boundary(limits, bytes, from);
            }
            return Fate { refused, began };
        }
        if guard.at_message_boundary() {
            began = to;
        }
        from = to;
    }
    if !guard.at_message_boundary() {
        began = last_boundary(limits, bytes, bytes.len());
    }
    Fate {
        refused: None,
        began,
    }
}

/// The last message boundary in `bytes[..end]`, found byte by byte.
fn last_boundary(limits: HeadLimits, bytes: &[u8], end: usize) -> usize {
    let mut guard = Guard::new(limits);
    let mut last = 0;
    for (at, byte) in bytes[..end].iter().enumerate() {
        if guard.feed(&[*byte]).is_err() {
            break;
        }
        if guard.at_message_boundary() {
            last = at + 1;
        }
    }
    last
}

/// How many whole messages are in `bytes`, which are good.
fn messages(bytes: &[u8]) -> usize {
    let mut guard = Guard::new(LIMITS);
    let mut count = 0;
    for byte in bytes {
        let was = guard.phase;
        guard.feed(&[*byte]).expect("the bytes are good");
        if was != Phase::RequestLine && guard.phase == Phase::RequestLine {
            count += 1;
        }
    }
    count
}

/// One to three short rows on end, with up to three bytes changed, dropped or
/// put in.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let rows: Vec<Vec<u8>> = rows()
        .iter()
        .filter(|row| row.fill.is_none())
        .map(Row::wire)
        .collect();
    let odd = prop::sample::select(b"\0\t\n\x0b\r ,:;=0a\x7f\xff".to_vec());
    (
        prop::collection::vec(prop::sample::select(rows), 1..4),
        prop::collection::vec((any::<prop::sample::Index>(), odd, 0..3), 0..4),
    )
        .prop_map(|(parts, changes)| {
            let mut bytes = parts.concat();
            for (at, odd, how) in changes {
                let at = at.index(bytes.len());
                match how {
                    0 => bytes[at] = odd,
                    1 => bytes.insert(at, odd),
                    _ => {
                        bytes.remove(at);
                    }
                }
            }
            bytes
        })
}

#[derive(Deserialize)]
struct Table {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    bytes: String,
    verdict: String,
    messages: Option<usize>,
    #[serde(default)]
    in_body: bool,
    fill: Option<Fill>,
    #[serde(rename = "note")]
    _note: String,
}

#[derive(Deserialize)]
struct Fill {
    text: String,
    times: usize,
}

impl Row {
    fn wire(&self) -> Vec<u8> {
        let fill = self
            .fill
            .as_ref()
            .map_or(String::new(), |fill| fill.text.repeat(fill.times));
        let text = self.bytes.replace('…', &fill);
        let byte =
            |c| u8::try_from(c).unwrap_or_else(|_| panic!("{}: {c:?} is no byte", self.name));
        text.chars().map(byte).collect()
    }
}

fn rows() -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/wire.toml");
    let text = fs::read_to_string(path).expect("the table is in the repository");
    toml::from_str::<Table>(&text)
        .expect("the table is TOML of this shape")
        .rows
}
