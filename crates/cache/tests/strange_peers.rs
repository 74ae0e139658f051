//! Nodes among strangers: what they say by chance. `fuzz/` searches for what breaks a node.

mod strange;

use proptest::prelude::*;
use strange::{Asked, Asking, DIALECTS};

/// Requests and answers that are nearly right.
fn nearly(whole: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = whole.len();
    prop::collection::vec((0..length, any::<u8>()), 0..4).prop_map(move |changes| {
        let mut bytes = whole.clone();
        for (place, byte) in changes {
            bytes[place] = byte;
        }
        bytes
    })
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let method = prop::sample::select(vec!["GET", "PUT", "DELETE", "POST", "HEAD", "BREW"]);
    let target = prop_oneof![
        4 => prop::sample::select(vec![
            "/_groupcache/things/key",
            "/_groupcache/things",
            "/_groupcache/things?bulk=get",
            "/_groupcache/things?bulk=delete",
            "/_groupcache/things?bulk=clear",
            "/_groupcache/things/_remove-keys/",
            "/_groupcache/?snapshot",
            "/_groupcache/",
            "/_groupcache/other/key",
            "/",
        ]).prop_map(str::to_owned),
        1 => "/_groupcache/things/[ -~]{0,40}",
    ];
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        // Protobuf: a group, a key, a value.
        nearly(b"\x0a\x06things\x12\x03key\x1a\x05value\x20\x00".to_vec()),
        // Our own: many keys.
        nearly(b"\x0a\x01a\x0a\x02bb\x0a\x00".to_vec()),
        nearly(br#"{"group":"things","keys":["a","b"]}"#.to_vec()),
    ];
    (method, target, body).prop_map(|(method, target, body)| {
        let length = body.len();
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        [head.as_bytes(), &body].concat()
    })
}

fn answer() -> impl Strategy<Value = Vec<u8>> {
    let status = prop::sample::select(vec![200, 204, 301, 400, 404, 408, 500, 503, 999]);
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        prop::collection::vec(any::<u8>(), 4000..5000),
        // A value that never expires.
        nearly(b"\x0a\x05value\x18\x00".to_vec()),
        // Many outcomes.
        nearly(b"\x0a\x03\x0a\x01a\x0a\x04\x12\x02no\x0a\x04\x1a\x02ow".to_vec()),
    ];
    (status, body, any::<bool>()).prop_map(|(status, body, says_length)| {
        let length = format!("Content-Length: {}\r\n", body.len());
        let length = if says_length { &length } else { "" };
        let head = format!("HTTP/1.1 {status} Strange\r\n{length}\r\n");
        [head.as_bytes(), &body].concat()
    })
}

fn anything(nearly_right: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => nearly_right,
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => Just(Vec::new()),
    ]
}

fn cases(count: u32) -> ProptestConfig {
    ProptestConfig {
        cases: count,
        // Each dialect has nodes of its own, which cannot be made small.
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    }
}

#[test]
fn a_node_that_is_asked_anything_answers_or_closes_and_is_well() {
    for dialect in DIALECTS {
        let node = Asked::start(dialect);
        proptest!(cases(150), |(said in anything(request()))| {
            node.hear(&said);
        });
        node.is_well();
    }
}

#[test]
fn a_node_that_is_told_anything_has_a_value_or_an_error_in_words() {
    for dialect in DIALECTS {
        let node = Asking::start(dialect);
        proptest!(cases(60), |(said in anything(answer()))| {
            node.hear(&said);
        });
    }
}
