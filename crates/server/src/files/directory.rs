//! A directory's files, as a handler.

use std::path::Path;

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};

use super::{FileError, answer, join, method_fits, serve_file};
use crate::error::WriteError;
use crate::request::Request;
use crate::response::ResponseWriter;

/// What is served for a directory.
const INDEX: &str = "index.html";

/// Answers a request with the file below `root` that `rest` names, a percent-decoded path.
///
/// A directory is answered with its `index.html`. If the URL does not end with `/` the client is sent
/// to the one that does, so that relative links work; a directory without an index is 404. No listing is
/// ever made. What [`join`] says of symbolic links and hidden files holds here.
///
/// ```
/// use oxbridge::{Server, files::serve_dir};
/// use std::path::Path;
///
/// let mut builder = Server::builder();
/// builder.blocking("/static/{rest...}", |w, r| {
///     serve_dir(w, r, Path::new("/srv/www"), r.path_value("rest").unwrap_or_default())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`WriteError`]. A file that cannot be served is not one: the client gets 404, 403 or 500, and the
/// log says why.
pub fn serve_dir(
    response: &mut ResponseWriter,
    request: &Request,
    root: &Path,
    rest: &str,
) -> Result<(), WriteError> {
    if !method_fits(response, request)? {
        return Ok(());
    }
    let Some(path) = join(root, rest) else {
        response.refuse(StatusCode::NOT_FOUND);
        return Ok(());
    };
    // `a.txt/` does not name the file `a.txt`.
    let mut result = if rest.is_empty() || rest.ends_with('/') {
        Err(FileError::Directory(path.clone()))
    } else {
        serve_file(response, request, &path)
    };
    if let Err(FileError::Directory(_)) = result {
        let index = path.join(INDEX);
        if request.uri().path().ends_with('/') {
            result = serve_file(response, request, &index);
        } else if index.is_file() {
            return add_slash(response, request);
        }
    }
    match result {
        Ok(()) => Ok(()),
        Err(FileError::Write(e)) => Err(e),
        Err(e) => {
            let status = e.status();
            if status.is_server_error() {
                let cause = std::error::Error::source(&e).map(tracing::field::display);
                tracing::error!(cause, "a file cannot be served: {e}");
            } else {
                tracing::debug!("a file cannot be served: {e}");
            }
            response.refuse(status);
            Ok(())
        }
    }
}

/// Sends the client to the same URL with a `/` at its end.
pub(super) fn add_slash(
    response: &mut ResponseWriter,
    request: &Request,
) -> Result<(), WriteError> {
    let uri = request.uri();
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    // Relative, so that a proxy may have taken a prefix off, and so that neither a path that begins
    // with `//` becomes a host nor a name with a colon a scheme.
    let target = match uri.query() {
        Some(query) => format!("./{last}/?{query}"),
        None => format!("./{last}/"),
    };
    let target = HeaderValue::try_from(target)
        .map_err(|e| WriteError::BadHeader(format!("Location: {e}")))?;
    answer(response, StatusCode::MOVED_PERMANENTLY)?;
    response.headers_mut()?.insert(LOCATION, target);
    Ok(())
}
