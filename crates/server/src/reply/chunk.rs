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
    const PIECE: u64 = 64 << 10;

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
        let mut piece = vec![0; self.left.min(Self::PIECE) as usize];
        let n = loop {
            match self.file.read_at(&mut piece, self.offset) {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the file has become shorter while it was sent",
                    ));
                }
                Ok(n) => break n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        };
        piece.truncate(n);
        self.offset += n as u64;
        self.left -= n as u64;
        Ok(piece.into())
    }
}
