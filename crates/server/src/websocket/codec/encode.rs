//! Making frames. A server's are not masked (RFC 6455 §5.1), and its messages are one frame each.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::deflate::Deflater;
use super::{Deflate, clip, opcode};

/// Makes the frames of our messages.
pub(crate) struct Encoder {
    deflater: Option<Deflater>,
}

impl Encoder {
    pub(crate) fn new(deflate: Option<&Deflate>) -> Self {
        Encoder {
            deflater: deflate.map(Deflater::new),
        }
    }

    /// The head of a message's frame goes to the end of `head`; the payload that follows it is given.
    /// Frames have to be sent in the order in which they were made: a compressed one may refer to what
    /// came before.
    pub(crate) fn message(&mut self, text: bool, payload: Bytes, head: &mut BytesMut) -> Bytes {
        let kind = if text { opcode::TEXT } else { opcode::BINARY };
        if payload.len() >= WORTH
            && let Some(deflater) = &mut self.deflater
        {
            match deflater.deflate(&payload) {
                Some(packed) => {
                    put_head(head, kind | RSV1, packed.len());
                    return packed.into();
                }
                None => self.deflater = None,
            }
        }
        put_head(head, kind, payload.len());
        payload
    }
}

/// A control frame; `payload` has at most 125 bytes.
pub(crate) fn control_frame(kind: u8, payload: &[u8]) -> Bytes {
    debug_assert!(payload.len() <= 125, "RFC 6455 §5.5");
    let mut frame = BytesMut::with_capacity(2 + payload.len());
    put_head(&mut frame, kind, payload.len());
    frame.put_slice(payload);
    frame.freeze()
}

/// A close frame; an empty one without a code. A reason that is too long is clipped.
pub(crate) fn close_frame(code: Option<u16>, reason: &str) -> Bytes {
    let mut payload = Vec::new();
    if let Some(code) = code {
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend_from_slice(clip(reason).as_bytes());
    }
    control_frame(opcode::CLOSE, &payload)
}

/// The head of an unmasked, final frame, its length in the fewest bytes (RFC 6455 §5.2).
fn put_head(head: &mut BytesMut, kind: u8, length: usize) {
    head.put_u8(FIN | kind);
    match length {
        0..=125 => head.put_u8(length as u8),
        126..=0xffff => {
            head.put_u8(126);
            head.put_u16(length as u16);
        }
        _ => {
            head.put_u8(127);
            head.put_u64(length as u64);
        }
    }
}

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
/// A shorter message is not compressed: there is nothing to win.
const WORTH: usize = 64;
