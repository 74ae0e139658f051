//! Compressing and decompressing the payload of messages (RFC 7692 §7.2). The memory for either is taken
//! with the first message that needs it.

use bytes::BytesMut;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::{Deflate, Fault};

/// What every compressed message ends with, and what is left away on the wire (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Decompresses the messages of a client.
pub(super) struct Inflater {
    stream: Option<Decompress>,
    keeps: bool,
    /// The client ended a DEFLATE stream in the message under way (RFC 7692 §7.2.3.5).
    ended: bool,
}

impl Inflater {
    pub(super) fn new(deflate: &Deflate) -> Self {
        Inflater {
            stream: None,
            keeps: deflate.client_keeps,
            ended: false,
        }
    }

    /// Decompresses a piece of a message, to at most `max` bytes of message in all.
    pub(super) fn inflate(
        &mut self,
        mut piece: &[u8],
        message: &mut BytesMut,
        max: usize,
    ) -> Result<(), Fault> {
        // 32 KiB of window, the largest: it takes what was compressed with a smaller one.
        let stream = self.stream.get_or_insert_with(|| Decompress::new(false));
        let mut out = [0; 4 << 10];
        loop {
            let (read, written) = (stream.total_in(), stream.total_out());
            let status = stream
                .decompress(piece, &mut out, FlushDecompress::Sync)
                .map_err(|_| Fault::payload("the compressed data is damaged"))?;
            // Both are lengths within the slices that were given.
            let read = (stream.total_in() - read) as usize;
            let written = (stream.total_out() - written) as usize;
            piece = &piece[read..];
            if written > max - message.len() {
                return Err(Fault::TOO_BIG);
            }
            message.extend_from_slice(&out[..written]);
            if status == Status::StreamEnd {
                self.ended = true;
                stream.reset(false);
            } else if read == 0 && written == 0 || piece.is_empty() && written < out.len() {
                return Ok(());
            }
            if piece.is_empty() && status == Status::StreamEnd {
                return Ok(());
            }
        }
    }

    /// Ends a message.
    pub(super) fn finish(&mut self, message: &mut BytesMut, max: usize) -> Result<(), Fault> {
        self.inflate(&TAIL, message, max)?;
        if !self.keeps {
            self.stream = None;
        } else if std::mem::take(&mut self.ended)
            && let Some(stream) = &mut self.stream
        {
            // After the end of a stream the tail may be half a block.
            stream.reset(false);
        }
        Ok(())
    }
}

/// Compresses our messages.
pub(super) struct Deflater {
    stream: Option<Compress>,
    bits: u8,
    keeps: bool,
}

impl Deflater {
    pub(super) fn new(deflate: &Deflate) -> Self {
        Deflater {
            stream: None,
            bits: deflate.server_bits,
            keeps: deflate.server_keeps,
        }
    }

    /// The payload of a compressed message. None if the compressor fails, which it has no reason to.
    pub(super) fn deflate(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let bits = self.bits;
        let stream = self.stream.get_or_insert_with(|| {
            Compress::new_with_window_bits(Compression::default(), false, bits)
        });
        let mut out = Vec::with_capacity(message.len() / 4 + 64);
        let mut rest = message;
        loop {
            let before = stream.total_in();
            stream
                .compress_vec(rest, &mut out, FlushCompress::Sync)
                .ok()?;
            rest = &rest[(stream.total_in() - before) as usize..];
            // A full buffer may hide that there is more.
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
            out.reserve((rest.len() / 2).max(64));
        }
        if out.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        if !self.keeps {
            self.stream = None;
        }
        Some(out)
    }
}
