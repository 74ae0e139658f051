//! From a URL's path to a file's.

use std::path::{Path, PathBuf};

/// The file below `root` that a URL path names; `None` if it could name one elsewhere.
///
/// `url_path` is percent-decoded, with or without a `/` in front, as [`Request::path`] and
/// [`Request::path_value`] give it. Empty segments and `.` are skipped, so that `//etc/passwd` is
/// `etc/passwd` below the root. These give `None`, on every operating system alike:
///
/// - a segment `..`, also between backslashes,
/// - a NUL byte, a backslash,
/// - a segment that begins with a drive, as `c:` does.
///
/// Symbolic links are not looked at: who can put one below the root can publish what it points to.
/// Neither are hidden files, which are files like others.
///
/// [`Request::path`]: crate::Request::path
/// [`Request::path_value`]: crate::Request::path_value
///
/// ```
/// use oxbridge::files::join;
/// use std::path::Path;
///
/// let root = Path::new("/srv/www");
/// assert_eq!(join(root, "/css/site.css").as_deref(), Some(Path::new("/srv/www/css/site.css")));
/// assert_eq!(join(root, "../secret"), None);
/// ```
pub fn join(root: &Path, url_path: &str) -> Option<PathBuf> {
    let mut path = root.to_owned();
    for segment in url_path.split('/') {
        match segment {
            "" | "." => {}
            ".." => return None,
            _ if segment.contains(['\0', '\\']) || names_drive(segment) => return None,
            _ => path.push(segment),
        }
    }
    Some(path)
}

/// Whether Windows would leave the path it is pushed to for a drive's own.
fn names_drive(segment: &str) -> bool {
    matches!(segment.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}
