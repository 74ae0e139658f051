//! Where lines go.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

/// Where an [`AccessLog`](super::AccessLog) writes.
///
/// Lines are written whole, several at a time. On a pipe they are not mixed with those of other
/// processes that write to it, as long as each is shorter than `PIPE_BUF` (4096 bytes on Linux); nor in
/// a file that was opened to append.
pub struct Sink {
    writer: Box<dyn Write + Send>,
    path: Option<PathBuf>,
    /// How many bytes one write may have, where that matters.
    most: usize,
}

/// POSIX has it at least 512; Linux, which this is measured on, 4096.
const PIPE_BUF: usize = 4096;

impl Sink {
    /// A file, which is made if it is not there and appended to.
    ///
    /// # Errors
    /// The file cannot be opened; the error says which.
    pub fn path(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let mut sink = Self::fd(open(&path)?.into());
        sink.path = Some(path);
        Ok(sink)
    }

    /// A descriptor that can be written to.
    pub fn fd(fd: OwnedFd) -> Self {
        let is_pipe = rustix::fs::fstat(&fd)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
        Sink {
            writer: Box::new(File::from(fd)),
            path: None,
            most: if is_pipe { PIPE_BUF } else { usize::MAX },
        }
    }

    /// Anything else. It is written to, and flushed, on the log's own thread.
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Sink {
            writer: Box::new(writer),
            path: None,
            most: usize::MAX,
        }
    }

    pub(super) fn path_of(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Writes to another file from now on.
    pub(super) fn replace(&mut self, file: File) {
        self.writer = Box::new(file);
    }

    /// Writes whole lines. While the sink is full, `wait` says whether to try again.
    ///
    /// # Errors
    /// What the sink says, or `WouldBlock` when `wait` has had enough; and how much was written.
    pub(super) fn write(
        &mut self,
        mut lines: &[u8],
        mut wait: impl FnMut() -> bool,
    ) -> Result<(), (io::Error, usize)> {
        let whole = lines.len();
        while !lines.is_empty() {
            let piece = &lines[..first_lines(lines, self.most)];
            let mut left = piece;
            while !left.is_empty() {
                match self.writer.write(left) {
                    Ok(0) => {
                        return Err((io::ErrorKind::WriteZero.into(), whole - lines.len()));
                    }
                    Ok(n) => left = &left[n..],
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock && wait() => {}
                    Err(e) => return Err((e, whole - lines.len())),
                }
            }
            lines = &lines[piece.len()..];
        }
        self.writer.flush().map_err(|e| (e, whole))
    }
}

/// Opens a log file to append.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|e| io::Error::new(e.kind(), format!("cannot open {}: {e}", path.display())))
}

/// The length of as many whole lines as fit into `most` bytes; of one at least.
fn first_lines(lines: &[u8], most: usize) -> usize {
    if lines.len() <= most {
        return lines.len();
    }
    match memchr::memrchr(b'\n', &lines[..most]) {
        Some(end) => end + 1,
        None => memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1),
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
