//! Feeds the WebSocket decoder any bytes in any pieces: it must not panic, where the stream is cut must not
//! change what comes out, and no message may be longer than the limit.
//!
//! The input is flags, a limit, how many cuts, a byte for each, then the stream.

#![no_main]

use libfuzzer_sys::fuzz_target;

/// The codec is private to the server's crate, so its source is built into the target.
#[path = "../../crates/server/src/websocket"]
#[expect(
    dead_code,
    unused_imports,
    reason = "the target uses a part of the codec's face"
)]
mod websocket {
    pub(crate) mod codec;
}

use websocket::codec::{Decoder, Deflate, Fault, Incoming};

fuzz_target!(|input: &[u8]| {
    let Some((&[flags, limit, cuts], rest)) = input.split_first_chunk() else {
        return;
    };
    let Some((cuts, stream)) = rest.split_at_checked(usize::from(cuts)) else {
        return;
    };
    let limit = usize::from(limit) * 64;
    let offer = match flags & 3 {
        0 => "",
        1 => "permessage-deflate; client_no_context_takeover",
        _ => "permessage-deflate",
    };
    let deflate = Deflate::negotiate([offer].into_iter());

    let whole = decode(limit, deflate.as_ref(), &[], stream);
    let cut = decode(limit, deflate.as_ref(), cuts, stream);
    assert_eq!(whole.0, cut.0, "the cuts matter");
    if deflate.is_none() {
        assert_eq!(whole.1, cut.1, "the cuts matter");
    } else {
        // Of a piece that is wrong in two ways, either may be found first.
        assert_eq!(whole.1.is_some(), cut.1.is_some(), "the cuts matter");
    }
    for incoming in &whole.0 {
        if let Incoming::Text(bytes) | Incoming::Binary(bytes) = incoming {
            assert!(bytes.len() <= limit, "a message past the limit");
        }
        if let Incoming::Text(text) = incoming {
            assert!(std::str::from_utf8(text).is_ok(), "a text that is none");
        }
    }
});

/// What comes out of a stream that arrives in pieces; `cuts` are their lengths, and what those leave over is
/// the last one.
fn decode(
    limit: usize,
    deflate: Option<&Deflate>,
    cuts: &[u8],
    stream: &[u8],
) -> (Vec<Incoming>, Option<Fault>) {
    let mut decoder = Decoder::new(limit, deflate);
    let mut all = Vec::new();
    let mut left = stream;
    let lengths = cuts.iter().map(|&length| usize::from(length));
    for length in lengths.chain([stream.len()]) {
        let (mut piece, rest) = left.split_at(length.min(left.len()));
        left = rest;
        loop {
            match decoder.feed(&mut piece) {
                Ok(Some(incoming)) => all.push(incoming),
                Ok(None) => break,
                Err(fault) => return (all, Some(fault)),
            }
        }
    }
    (all, None)
}
