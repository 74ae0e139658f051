//! Files as responses: types, validators, conditional and range requests, as in Go's `http.ServeFile`.
//!
//! [`serve_file`] answers with one file that the caller has chosen; [`serve_dir`] with what a URL names
//! below a directory. Both read the disk, so they belong into handlers that may block.
//!
//! Where Go's `net/http` and RFC 9110 differ, this follows the RFC:
//!
//! - A Range header of a HEAD request is ignored, since only GET defines it (§14.2).
//! - A malformed Range header is ignored, which §14.2 allows; Go answers it with 416.
//! - There is an ETag without the caller's doing, and `/index.html` is not redirected to `/`.

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, LAST_MODIFIED, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::error::WriteError;
use crate::request::Request;
use crate::response::ResponseWriter;
use content::Content;
use range::Wanted;
use validator::{Validators, Verdict};

mod below;
mod content;
mod directory;
mod error;
mod path;
mod range;
mod static_dir;
mod validator;

pub use directory::serve_dir;
pub use error::FileError;
pub use path::join;
pub(crate) use static_dir::Hit;
pub use static_dir::StaticDir;

/// Writes `length` bytes of an open regular file, from `offset` on, as a piece of the body. Sets no
/// header. `name` is what an error calls the file.
///
/// The file's position is neither used nor moved. At most 64 KiB are in memory at once: a response that
/// may wait waits for a slow client; for one that may not, the reactor goes on as the client takes it,
/// and a file that becomes shorter meanwhile aborts the response. On Linux, over HTTP/1 and without TLS,
/// the reactor has the system send the file (`sendfile(2)`): what is written to it meanwhile may be sent.
///
/// # Errors
/// [`FileError::Io`], [`FileError::Shrunk`] or [`FileError::Write`].
pub fn write_part(
    response: &mut ResponseWriter,
    file: &File,
    name: &Path,
    offset: u64,
    length: u64,
) -> Result<(), FileError> {
    content::copy(response, file, name, offset, length)
}

/// As [`write_part`], but never waits and holds no thread, whatever the handler may do: the reactor goes
/// on as the client takes it. The descriptor is duplicated, so the caller may close its own.
///
/// # Errors
/// [`FileError::Io`] (no descriptor is left) or [`FileError::Write`].
pub fn queue_part(
    response: &mut ResponseWriter,
    file: &File,
    name: &Path,
    offset: u64,
    length: u64,
) -> Result<(), FileError> {
    content::queue(response, file, name, offset, length)
}

/// Answers a request with the file at `path`.
///
/// The file is streamed in pieces of 64 KiB, never faster than the client takes them, so that memory
/// does not grow with its size. Symbolic links are followed. `path` is taken as it is: what comes from
/// a client goes through [`join`] first.
///
/// - GET and HEAD are answered, other methods with 405.
/// - Content-Type comes from the file's name; text is said to be UTF-8. A name that says nothing leaves
///   it to the first 512 bytes. A type that the caller set stays.
/// - Last-Modified is the file's time; a time that is yet to come is sent as now (RFC 9110 §8.8.2.1),
///   and none is sent for 1970-01-01 or before, which stands for "not known".
/// - ETag is made of the file's time in nanoseconds, its length, its inode and its device, hashed so
///   that the inode stays private. It is strong if the file has been at rest for two seconds. A younger
///   file could change again without a new time, since file systems count time in steps of up to two
///   seconds (FAT), so its tag is weak: good for a cache, not for joining ranges. A tag that the caller
///   set stays and is what requests are compared with.
/// - If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since and If-Range are evaluated in this
///   order (RFC 9110 §13.2.2); 412 and 304 are the answers.
/// - Range gives 206, with multipart/byteranges for more than one range, or 416. More than 16 ranges,
///   and ranges that overlap, are answered with the whole file.
///
/// ```
/// use oxbridge::{Server, files::serve_file};
/// use std::path::Path;
///
/// let mut builder = Server::builder();
/// builder.blocking("/report", |w, r| {
///     serve_file(w, r, Path::new("report.pdf")).or_else(|e| {
///         w.refuse(e.status());
///         Ok(())
///     })
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`FileError`]. [`ResponseWriter::refuse`] with its [`status`](FileError::status) is a fitting answer
/// in every case: nothing has been sent, or it ends the response so that the client sees the damage.
/// This concerns a file that became shorter while it was sent; if the caller does nothing then,
/// [`ResponseWriter::end`] finds the length wrong, with the same effect.
pub fn serve_file(
    response: &mut ResponseWriter,
    request: &Request,
    path: &Path,
) -> Result<(), FileError> {
    if !method_fits(response, request)? {
        return Ok(());
    }
    let (file, metadata) = open(path)?;
    send(response, request, path, &file, &metadata)
}

/// Answers GET or HEAD with an open file. A response that has a Content-Encoding is never cut into
/// ranges: a client could join those of one coding with those of another.
fn send(
    response: &mut ResponseWriter,
    request: &Request,
    path: &Path,
    file: &File,
    metadata: &Metadata,
) -> Result<(), FileError> {
    let is_coded = response.headers().contains_key(CONTENT_ENCODING);
    let validators = Validators::new(metadata, response.headers().get(ETAG));
    let wants_range = match validators.judge(request.headers()) {
        Verdict::Failed => return Ok(answer(response, StatusCode::PRECONDITION_FAILED)?),
        Verdict::NotModified => return Ok(not_modified(response, &validators)?),
        Verdict::Whole => false,
        Verdict::Ranges => *request.method() == Method::GET && !is_coded,
    };
    let size = metadata.len();
    let wanted = if wants_range {
        range::wanted(request.headers(), size)
    } else {
        Wanted::Whole
    };
    if matches!(wanted, Wanted::Nothing) {
        answer(response, StatusCode::RANGE_NOT_SATISFIABLE)?;
        // A number is always a valid value.
        if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
            response.headers_mut()?.insert(CONTENT_RANGE, value);
        }
        return Ok(());
    }

    let content_type = match response.headers().get(CONTENT_TYPE) {
        Some(set) => set.clone(),
        None => content::content_type(file, path)?,
    };
    let content = Content::new(wanted, size, content_type);
    let headers = response.headers_mut()?;
    if !is_coded {
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    headers.insert(CONTENT_TYPE, content.content_type());
    headers.insert(CONTENT_LENGTH, HeaderValue::from(content.length()));
    match content.content_range() {
        Some(value) => headers.insert(CONTENT_RANGE, value),
        None => headers.remove(CONTENT_RANGE),
    };
    if let Some(tag) = validators.tag() {
        headers.insert(ETAG, tag);
    }
    if let Some(date) = validators.last_modified() {
        headers.insert(LAST_MODIFIED, date);
    }
    response.set_status(content.status().as_u16())?;
    if *request.method() == Method::HEAD {
        return Ok(());
    }
    content.send(response, file, path).inspect_err(|_| {
        // What is buffered is part of a file that cannot be sent: the caller starts afresh, if it can.
        response.reset();
    })
}

/// Opens a regular file.
fn open(path: &Path) -> Result<(File, Metadata), FileError> {
    // Without the flag, opening a named pipe would wait for somebody to write into it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(|e| FileError::from_io(path, e))?;
    regular(file, path)
}

/// A file just opened, if it is a regular one.
fn regular(file: File, path: &Path) -> Result<(File, Metadata), FileError> {
    // Asked of the open file, so that length and content are those of the same file.
    let metadata = file.metadata().map_err(|e| FileError::from_io(path, e))?;
    if metadata.is_dir() {
        return Err(FileError::Directory(path.to_owned()));
    }
    if !metadata.is_file() {
        return Err(FileError::NotRegular(path.to_owned()));
    }
    Ok((file, metadata))
}

/// Whether the method is one that files are served to; the others are answered here.
fn method_fits(response: &mut ResponseWriter, request: &Request) -> Result<bool, WriteError> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(true);
    }
    response
        .headers_mut()?
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer(response, StatusCode::METHOD_NOT_ALLOWED)?;
    Ok(false)
}

/// 304, with the fields that a cache updates its copy with (RFC 9110 §15.4.5).
fn not_modified(response: &mut ResponseWriter, validators: &Validators) -> Result<(), WriteError> {
    let headers = response.headers_mut()?;
    for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
        headers.remove(name);
    }
    // The date only guides a cache that has no tag.
    match (validators.tag(), validators.last_modified()) {
        (Some(tag), _) => headers.insert(ETAG, tag),
        (None, Some(date)) => headers.insert(LAST_MODIFIED, date),
        (None, None) => None,
    };
    response.set_status(StatusCode::NOT_MODIFIED.as_u16())
}

/// The reason of `status` as text, without what the caller said of the file.
fn answer(response: &mut ResponseWriter, status: StatusCode) -> Result<(), WriteError> {
    let headers = response.headers_mut()?;
    for name in OF_THE_FILE {
        headers.remove(name);
    }
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response.set_status(status.as_u16())?;
    let reason = status.canonical_reason().unwrap_or_default();
    response.write(format!("{reason}\n").as_bytes())
}

/// Fields that callers set for the file, and that are wrong on an error.
const OF_THE_FILE: [HeaderName; 5] = [
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    ETAG,
    LAST_MODIFIED,
];
