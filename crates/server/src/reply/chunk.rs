//! What a response body is made of on its way: bytes, or a part of a file.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use crate::stream::{FileParts, LONGEST, shorter};

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

/// A part of a file, read or sent as the client takes it.
#[derive(Debug)]
pub(crate) struct FilePart {
    file: Arc<File>,
    offset: u64,
    pub(super) left: u64,
    weight: usize,
}

impl FilePart {
    /// How much of a file is read at once.
    pub(crate) const PIECE: u64 = LONGEST as u64;

    pub(crate) fn new(file: File, offset: u64, length: u64) -> Self {
        FilePart {
            file: Arc::new(file),
            offset,
            left: length,
            weight: length.min(Self::PIECE) as usize,
        }
    }

    /// The next piece. Reads the disk, where it is not cached.
    pub(super) fn read(&mut self) -> io::Result<Bytes> {
        let piece = read_at(&self.file, self.offset, self.next_length())?;
        if piece.is_empty() {
            return Err(shorter());
        }
        self.advance(piece.len());
        Ok(piece.into())
    }

    /// The next piece, or a stand-in for it where that is worth its system calls.
    pub(super) fn promise(&mut self, files: &FileParts) -> io::Result<Bytes> {
        // A short part is read, and leaves together with the head in front of it.
        if self.weight < LONGEST {
            return self.read();
        }
        let piece = files.promise(&self.file, self.offset, self.next_length());
        self.advance(piece.len());
        Ok(piece)
    }

    fn next_length(&self) -> usize {
        self.left.min(Self::PIECE) as usize
    }

    fn advance(&mut self, n: usize) {
        self.offset += n as u64;
        self.left -= n as u64;
    }
}

/// `length` bytes from `offset` on; fewer only at the end of the file. `length` is at most a piece. The
/// file's own position is neither used nor moved: a descriptor may be shared.
pub(crate) fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let at = offset + bytes.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut bytes), at) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    // There may be more room than was asked for.
    bytes.truncate(length);
    Ok(bytes)
}
