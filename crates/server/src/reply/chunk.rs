//! What a response body is made of on its way: bytes, or a part of a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;

/// A piece of a body on its way.
#[derive(Debug)]
pub(super) enum Chunk {
    Bytes(Bytes),
    File(FilePart),
}

impl Chunk {
    /// The memory that it takes, now or when it is read.
    pub(super) fn weight(&self) -> usize {
        match self {
            Chunk::Bytes(bytes) => bytes.len(),
            Chunk::File(part) => part.weight,
        }
    }
}

/// A part of a file, read as the client takes it.
#[derive(Debug)]
pub(crate) struct FilePart {
    file: File,
    offset: u64,
    pub(super) left: u64,
    weight: usize,
}

impl FilePart {
    /// How much of a file is read at once.
    pub(crate) const PIECE: u64 = 64 << 10;

    pub(crate) fn new(file: File, offset: u64, length: u64) -> Self {
        FilePart {
            file,
            offset,
            left: length,
            weight: length.min(Self::PIECE) as usize,
        }
    }

    /// The next piece. Reads the disk, where it is not cached.
    pub(super) fn read(&mut self) -> io::Result<Bytes> {
        let piece = read_at(&self.file, self.offset, self.left.min(Self::PIECE))?;
        if piece.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file has become shorter while it was sent",
            ));
        }
        self.offset += piece.len() as u64;
        self.left -= piece.len() as u64;
        Ok(piece.into())
    }
}

/// `length` bytes from `offset` on; fewer only at the end of the file. `length` is at most a piece. The
/// file's own position is neither used nor moved: a descriptor may be shared.
pub(crate) fn read_at(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
