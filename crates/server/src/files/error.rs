//! Why a file could not be served.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use http::StatusCode;

use crate::error::WriteError;

/// Why a file could not be served, and at which path.
///
/// Its text names paths of this machine: it is for a log, not for a client.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileError {
    /// Nothing is there.
    Missing(PathBuf),
    /// A directory is there.
    Directory(PathBuf),
    /// A device, a pipe or a socket is there.
    NotRegular(PathBuf),
    /// The server may not read it.
    Forbidden(PathBuf),
    /// The operating system cannot open or read it.
    Io(PathBuf, io::Error),
    /// It became shorter while it was sent.
    Shrunk {
        /// The file.
        path: PathBuf,
        /// How long it was at first.
        was: u64,
        /// Where it ended now.
        end: u64,
    },
    /// The response cannot be written: its head was sent before, or the client has gone.
    Write(WriteError),
}

impl FileError {
    /// The status that answers the request: 404, 403 or 500.
    pub fn status(&self) -> StatusCode {
        match self {
            FileError::Missing(_) | FileError::Directory(_) | FileError::NotRegular(_) => {
                StatusCode::NOT_FOUND
            }
            FileError::Forbidden(_) => StatusCode::FORBIDDEN,
            FileError::Io(..) | FileError::Shrunk { .. } | FileError::Write(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    pub(super) fn from_io(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        // A name that no file can have (too long, with a NUL) is the name of a missing file.
        match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidFilename
            | io::ErrorKind::InvalidInput => FileError::Missing(path),
            io::ErrorKind::PermissionDenied => FileError::Forbidden(path),
            // What opening a socket's file gives.
            _ if error.raw_os_error() == Some(libc::ENXIO) => FileError::NotRegular(path),
            _ => FileError::Io(path, error),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Missing(path) => write!(f, "no file at {}", path.display()),
            FileError::Directory(path) => {
                write!(f, "{} is a directory (wanted a file)", path.display())
            }
            FileError::NotRegular(path) => {
                write!(
                    f,
                    "{} is a device, pipe or socket (wanted a file)",
                    path.display()
                )
            }
            FileError::Forbidden(path) => {
                write!(f, "the server may not read {}", path.display())
            }
            FileError::Io(path, _) => write!(f, "cannot read {}", path.display()),
            FileError::Shrunk { path, was, end } => write!(
                f,
                "{} had {was} bytes, but ended after {end} while it was sent",
                path.display()
            ),
            FileError::Write(_) => f.write_str("cannot write the response"),
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FileError::Io(_, e) => Some(e),
            FileError::Write(e) => Some(e),
            _ => None,
        }
    }
}

impl From<WriteError> for FileError {
    fn from(e: WriteError) -> Self {
        FileError::Write(e)
    }
}
