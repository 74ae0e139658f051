//! The three compressors, behind one face that takes pieces and gives bytes.

use std::io::{self, Write};

use bytes::Bytes;

use super::{Algorithm, Compression};

/// How far back Brotli looks, as a power of two: its memory goes with it, and each response has its own.
const BROTLI_WINDOW: u32 = 18;
/// The same for zstd. Clients need not take more than 2^23 (RFC 9659).
const ZSTD_WINDOW: u32 = 19;

/// One response's compressor.
pub(super) enum Encoder {
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
}

impl Encoder {
    /// `size` is how many bytes will come, if that is known: a small response needs less memory.
    pub(super) fn new(
        algorithm: Algorithm,
        compression: &Compression,
        size: Option<u64>,
    ) -> io::Result<Self> {
        Ok(match algorithm {
            Algorithm::Zstd => {
                let level = compression.zstd_level.clamp(1, 22);
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level)?;
                encoder.window_log(ZSTD_WINDOW)?;
                encoder.set_pledged_src_size(size)?;
                Encoder::Zstd(Box::new(encoder))
            }
            Algorithm::Brotli => {
                let quality = compression.brotli_quality.min(11);
                let out = Vec::new();
                let encoder = brotli::CompressorWriter::new(out, 4096, quality, BROTLI_WINDOW);
                Encoder::Brotli(Box::new(encoder))
            }
            Algorithm::Gzip => {
                let level = flate2::Compression::new(compression.gzip_level.min(9));
                Encoder::Gzip(Box::new(flate2::write::GzEncoder::new(Vec::new(), level)))
            }
        })
    }

    /// Takes a piece; gives what is ready, maybe nothing.
    pub(super) fn write(&mut self, piece: &[u8]) -> io::Result<Bytes> {
        self.writer().write_all(piece)?;
        Ok(self.take())
    }

    /// All that the client needs to decode what was taken so far.
    pub(super) fn flush(&mut self) -> io::Result<Bytes> {
        self.writer().flush()?;
        Ok(self.take())
    }

    /// The rest.
    pub(super) fn finish(self) -> io::Result<Bytes> {
        match self {
            Encoder::Zstd(encoder) => encoder.finish(),
            Encoder::Brotli(encoder) => Ok(encoder.into_inner()),
            Encoder::Gzip(encoder) => encoder.finish(),
        }
        .map(Bytes::from)
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Encoder::Zstd(encoder) => encoder,
            Encoder::Brotli(encoder) => encoder,
            Encoder::Gzip(encoder) => encoder,
        }
    }

    fn take(&mut self) -> Bytes {
        std::mem::take(match self {
            Encoder::Zstd(encoder) => encoder.get_mut(),
            Encoder::Brotli(encoder) => encoder.get_mut(),
            Encoder::Gzip(encoder) => encoder.get_mut(),
        })
        .into()
    }
}
