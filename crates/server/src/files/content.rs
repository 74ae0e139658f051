//! The body of a response with a file, or with parts of it, and what the head says of it.

use std::fmt::Write as _;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use super::FileError;
use super::range::{ByteRange, Wanted};
use crate::reply::{FilePart, read_at};
use crate::response::ResponseWriter;
use crate::sniff;

/// What is sent of a file.
#[derive(Debug)]
pub(super) struct Content {
    kind: Kind,
    /// The size of the file.
    size: u64,
    /// The type of the file.
    content_type: HeaderValue,
}

#[derive(Debug)]
enum Kind {
    Whole,
    Part(ByteRange),
    /// multipart/byteranges (RFC 9110 §14.6).
    Parts {
        boundary: String,
        /// Each with what stands in front of it.
        parts: Vec<(String, ByteRange)>,
        end: String,
    },
}

impl Content {
    /// [`Wanted::Nothing`], of which there is no content, counts as the whole.
    pub(super) fn new(wanted: Wanted, size: u64, content_type: HeaderValue) -> Self {
        let kind = match wanted {
            Wanted::Whole | Wanted::Nothing => Kind::Whole,
            Wanted::Parts(parts) => match parts[..] {
                [part] => Kind::Part(part),
                _ => multipart(&parts, size, &content_type),
            },
        };
        Content {
            kind,
            size,
            content_type,
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self.kind {
            Kind::Whole => StatusCode::OK,
            Kind::Part(_) | Kind::Parts { .. } => StatusCode::PARTIAL_CONTENT,
        }
    }

    /// The value of Content-Type.
    pub(super) fn content_type(&self) -> HeaderValue {
        match &self.kind {
            Kind::Whole | Kind::Part(_) => self.content_type.clone(),
            // The boundary is hexadecimal, so this is always a valid value.
            Kind::Parts { boundary, .. } => {
                HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}"))
                    .unwrap_or(HeaderValue::from_static("multipart/byteranges"))
            }
        }
    }

    /// The value of Content-Range, where one range is sent; several have one each in the body.
    pub(super) fn content_range(&self) -> Option<HeaderValue> {
        let Kind::Part(part) = self.kind else {
            return None;
        };
        HeaderValue::try_from(content_range(part, self.size)).ok()
    }

    /// How many bytes the body has.
    pub(super) fn length(&self) -> u64 {
        match &self.kind {
            Kind::Whole => self.size,
            Kind::Part(part) => part.length(),
            Kind::Parts { parts, end, .. } => {
                let parts = parts
                    .iter()
                    .map(|(head, part)| head.len() as u64 + part.length());
                parts.sum::<u64>() + end.len() as u64
            }
        }
    }

    /// Writes the body.
    pub(super) fn send(
        &self,
        response: &mut ResponseWriter,
        file: &File,
        path: &Path,
    ) -> Result<(), FileError> {
        match &self.kind {
            Kind::Whole => copy(response, file, path, 0, self.size),
            Kind::Part(part) => copy(response, file, path, part.first, part.length()),
            Kind::Parts { parts, end, .. } => {
                for (head, part) in parts {
                    response.write(head.as_bytes())?;
                    copy(response, file, path, part.first, part.length())?;
                }
                Ok(response.write(end.as_bytes())?)
            }
        }
    }
}

/// Writes `length` bytes of the file from `first` on. Waits for the client where it is slow, or leaves
/// it to the reactor to read on as the client takes it where nothing may wait.
pub(super) fn copy(
    response: &mut ResponseWriter,
    file: &File,
    path: &Path,
    first: u64,
    length: u64,
) -> Result<(), FileError> {
    // The answer to HEAD only counts the bytes, which is no reason to read them.
    if !response.may_wait() || response.is_head() {
        return queue(response, file, path, first, length);
    }
    let failed = |e| FileError::from_io(path, e);
    let end = first.saturating_add(length);
    let mut at = first;
    while at < end {
        let wanted = (end - at).min(FilePart::PIECE);
        let piece = read_at(file, at, wanted as usize).map_err(failed)?;
        let got = piece.len() as u64;
        at += got;
        response.write_bytes(Bytes::from(piece))?;
        if got < wanted {
            return Err(FileError::Shrunk {
                path: path.to_owned(),
                was: end,
                end: at,
            });
        }
    }
    Ok(())
}

/// As [`copy`], but never waits.
pub(super) fn queue(
    response: &mut ResponseWriter,
    file: &File,
    path: &Path,
    first: u64,
    length: u64,
) -> Result<(), FileError> {
    let failed = |e| FileError::from_io(path, e);
    let file = file.try_clone().map_err(failed)?;
    Ok(response.queue_file(file, first, length)?)
}

/// The Content-Type of a file, just opened: by its name, else by its first bytes.
pub(super) fn content_type(file: &File, path: &Path) -> Result<HeaderValue, FileError> {
    let Some(named) = mime_guess::from_path(path).first_raw() else {
        let start = read_at(file, 0, sniff::PREFIX).map_err(|e| FileError::from_io(path, e))?;
        return Ok(HeaderValue::from_static(sniff::content_type(&start)));
    };
    let plain = HeaderValue::from_static(named);
    if !named.starts_with("text/") {
        return Ok(plain);
    }
    // The parameter does not make a valid value invalid.
    Ok(HeaderValue::try_from(format!("{named}; charset=utf-8")).unwrap_or(plain))
}

fn multipart(parts: &[ByteRange], size: u64, content_type: &HeaderValue) -> Kind {
    // Random, since it must not occur in the file, whoever wrote it.
    let random = || RandomState::new().hash_one(size);
    let boundary = format!("{:016x}{:016x}", random(), random());
    let content_type = content_type.to_str().unwrap_or("application/octet-stream");
    let head = |(i, part): (usize, &ByteRange)| {
        let line_end = if i == 0 { "" } else { "\r\n" };
        let mut head = format!("{line_end}--{boundary}\r\nContent-Type: {content_type}\r\n");
        // Writing to a string does not fail.
        let _ = write!(
            head,
            "Content-Range: {}\r\n\r\n",
            content_range(*part, size)
        );
        (head, *part)
    };
    Kind::Parts {
        parts: parts.iter().enumerate().map(head).collect(),
        end: format!("\r\n--{boundary}--\r\n"),
        boundary,
    }
}

fn content_range(part: ByteRange, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.first, part.last)
}
