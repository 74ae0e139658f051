//! Feeds the guard any bytes in any pieces: it must not panic, and where the stream is cut must not
//! change the verdict.
//!
//! The input is limits, one byte for each, then how many cuts, a byte for each, then the stream.

#![no_main]

use libfuzzer_sys::fuzz_target;

/// The guard is private to the server's crate, so its source is built into the target.
#[path = "../../crates/server/src"]
#[expect(dead_code, reason = "the target uses a part of the guard's face")]
mod server {
    pub(crate) mod guard;
}

use server::guard::{Guard, HeadLimits, Reject};

fuzz_target!(|input: &[u8]| {
    let Some((&[head, target, fields, chunk, cuts], rest)) = input.split_first_chunk() else {
        return;
    };
    let limits = HeadLimits {
        max_head_bytes: 4 * u32::from(head),
        max_target_bytes: u32::from(target),
        max_headers: u16::from(fields),
        max_chunk_line: u32::from(chunk),
    };
    let Some((cuts, stream)) = rest.split_at_checked(usize::from(cuts)) else {
        return;
    };

    let mut whole = Guard::new(limits);
    let verdict = whole.feed(stream);
    if let Err(reject) = verdict {
        let accepted = &stream[..reject.accepted];
        let mut again = Guard::new(limits);
        assert_eq!(again.feed(accepted), Ok(()), "what is accepted is refused");
        assert!(again.at_message_boundary(), "half a message is accepted");
    }

    let mut cut = Guard::new(limits);
    let mut left = stream;
    // Each cut is a length; what they leave over is the last piece.
    let lengths = cuts
        .iter()
        .map(|&length| usize::from(length))
        .chain([stream.len()]);
    let mut cut_verdict = Ok(());
    for length in lengths {
        let (piece, rest) = left.split_at(length.min(left.len()));
        left = rest;
        cut_verdict = cut.feed(piece);
        if cut_verdict.is_err() {
            break;
        }
    }
    let what = |reject: Reject| (reject.status, reject.reason, reject.in_body);
    assert_eq!(
        verdict.map_err(what),
        cut_verdict.map_err(what),
        "the cuts matter"
    );
    if verdict.is_ok() {
        assert_eq!(whole.at_message_boundary(), cut.at_message_boundary());
    }
});
