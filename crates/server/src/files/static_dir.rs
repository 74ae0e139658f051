//! A directory whose files are served by the server itself.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, RANGE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::below::open_below;
use super::directory::add_slash;
use super::{FileError, content, join, method_fits, open, regular, send};
use crate::compression::{Accepted, Algorithm, vary};
use crate::exchange::Exchange;
use crate::request::Request;
use crate::response::ResponseWriter;

/// A directory to be served by [`Builder::mount_static`](crate::Builder::mount_static), and how.
///
/// - What [`serve_file`](super::serve_file) says of types, validators and ranges holds here.
/// - `app.js.zst`, `app.js.br` and `app.js.gz` beside `app.js` are sent in its place to clients that
///   accept them, with an ETag of their own. A request for a range gets the plain file.
/// - A directory is answered with its `index.html`, at a URL that ends with `/`; no listing is made.
/// - Names that begin with a dot, symbolic links that lead out of the directory, `..`, and what is no
///   regular file are answered with 404.
///
/// Files are opened and read inside the reactor, 64 KiB at a time and only as fast as the client takes
/// them: no thread is held, and no lock of a handler's language taken. A local file system answers such
/// calls in microseconds from its cache; one that may take long (a network's) is better served by
/// [`serve_dir`](super::serve_dir) from a handler that may block.
///
/// ```
/// use oxbridge::{Server, files::StaticDir};
/// use std::time::Duration;
///
/// let mut builder = Server::builder();
/// let assets = StaticDir::new(".")?.max_age(Duration::from_secs(3600));
/// builder.mount_static("/static", assets)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct StaticDir {
    root: PathBuf,
    index: Option<String>,
    cache_control: Option<HeaderValue>,
    precompressed: bool,
    hidden: bool,
    follow_links: bool,
    fallthrough: bool,
}

impl StaticDir {
    /// The directory at `root`. A relative path starts at the process's directory as it is now. A
    /// symbolic link is followed anew for each request, so that it can be turned to a new release.
    ///
    /// # Errors
    /// There is no directory there, or it cannot be read.
    pub fn new(root: impl AsRef<Path>) -> io::Result<Self> {
        let root = std::path::absolute(root)?;
        std::fs::read_dir(&root)?;
        Ok(StaticDir {
            root,
            index: Some("index.html".to_owned()),
            cache_control: None,
            precompressed: true,
            hidden: false,
            follow_links: false,
            fallthrough: false,
        })
    }

    /// What is served for a directory. Default `index.html`; none leaves directories to 404.
    #[must_use]
    pub fn index(mut self, name: Option<&str>) -> Self {
        self.index = name.map(str::to_owned);
        self
    }

    /// How long caches may use a file without asking: `Cache-Control: public, max-age=…`, in whole
    /// seconds. Default: nothing is said, and caches guess from Last-Modified.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        let value = format!("public, max-age={}", age.as_secs());
        self.cache_control = HeaderValue::try_from(value).ok();
        self
    }

    /// Whether compressed siblings are looked for. Default true; it costs up to three failed look-ups
    /// for each request of a client that accepts them.
    #[must_use]
    pub fn precompressed(mut self, precompressed: bool) -> Self {
        self.precompressed = precompressed;
        self
    }

    /// Whether files and directories whose names begin with a dot are served. Default false.
    #[must_use]
    pub fn hidden(mut self, hidden: bool) -> Self {
        self.hidden = hidden;
        self
    }

    /// Whether symbolic links may lead out of the directory. Default false.
    #[must_use]
    pub fn follow_links(mut self, follow_links: bool) -> Self {
        self.follow_links = follow_links;
        self
    }

    /// Whether a request for what the directory does not have goes on to the server's patterns, as does
    /// every method but GET and HEAD. Such a directory can be mounted at `/`, over an application. What
    /// it refuses (hidden files, say) goes on too. Default false.
    #[must_use]
    pub fn fallthrough(mut self, fallthrough: bool) -> Self {
        self.fallthrough = fallthrough;
        self
    }

    pub(crate) fn falls_through(&self) -> bool {
        self.fallthrough
    }

    /// Answers a request that a pattern `…/{path...}` led to.
    pub(crate) fn serve(&self, mut exchange: Exchange) {
        let (response, request) = exchange.parts();
        match method_fits(response, request) {
            Ok(true) => {}
            Ok(false) => return end(exchange),
            // The client has gone.
            Err(_) => return,
        }
        let path = request.path_value("path").unwrap_or_default();
        match self.find(path, request.uri().path(), request.headers()) {
            Some(hit) => self.answer(exchange, hit),
            None => exchange.refuse(StatusCode::NOT_FOUND),
        }
    }

    /// What `path`, percent-decoded, names; `url_path` is the whole path as it came.
    pub(crate) fn find(&self, path: &str, url_path: &str, headers: &HeaderMap) -> Option<Hit> {
        let rest = join(Path::new(""), path)?;
        if !self.hidden && path.split('/').any(|segment| segment.starts_with('.')) {
            return None;
        }
        // `a.txt/` does not name the file `a.txt`.
        let opened = if path.is_empty() || path.ends_with('/') {
            Err(FileError::Directory(rest.clone()))
        } else {
            self.open(&rest)
        };
        match opened {
            Ok(opened) => Some(self.prefer_coded(rest, opened, headers)),
            Err(FileError::Directory(_)) => {
                let index = rest.join(self.index.as_deref()?);
                let opened = self.open(&index).ok()?;
                if url_path.ends_with('/') {
                    Some(self.prefer_coded(index, opened, headers))
                } else {
                    Some(Hit::Slash)
                }
            }
            Err(FileError::Missing(_) | FileError::NotRegular(_)) => None,
            Err(e) => {
                let cause = std::error::Error::source(&e).map(tracing::field::display);
                tracing::error!(cause, "a file cannot be served: {e}");
                Some(Hit::Refused(e.status()))
            }
        }
    }

    fn open(&self, rest: &Path) -> Result<(File, Metadata), FileError> {
        let path = self.root.join(rest);
        if self.follow_links {
            return open(&path);
        }
        let file = open_below(&self.root, rest).map_err(|e| match e.raw_os_error() {
            // A link out of the directory, or too many links.
            Some(libc::EXDEV | libc::ELOOP) => FileError::Missing(path.clone()),
            _ => FileError::from_io(&path, e),
        })?;
        regular(file, &path)
    }

    /// The compressed sibling that the client likes best, or the file itself.
    fn prefer_coded(&self, rest: PathBuf, plain: (File, Metadata), headers: &HeaderMap) -> Hit {
        let ranked = if self.precompressed && !headers.contains_key(RANGE) {
            Accepted::read(headers).ranked(&Algorithm::ALL)
        } else {
            Vec::new()
        };
        for algorithm in ranked {
            let mut name = rest.clone().into_os_string();
            name.push(".");
            name.push(algorithm.extension());
            let name = PathBuf::from(name);
            if let Ok((file, metadata)) = self.open(&name) {
                return Hit::File(Box::new(Found {
                    coded: Some((algorithm, plain.0, rest)),
                    path: self.root.join(name),
                    file,
                    metadata,
                }));
            }
        }
        Hit::File(Box::new(Found {
            coded: None,
            path: self.root.join(rest),
            file: plain.0,
            metadata: plain.1,
        }))
    }

    /// Answers GET or HEAD with what was found.
    pub(crate) fn answer(&self, mut exchange: Exchange, hit: Hit) {
        let (response, request) = exchange.parts();
        let result = match hit {
            Hit::File(found) => self.send(response, request, &found),
            Hit::Slash => add_slash(response, request).map_err(FileError::from),
            Hit::Refused(status) => return exchange.refuse(status),
        };
        match result {
            Ok(()) => end(exchange),
            Err(FileError::Write(e)) => {
                tracing::debug!("a file could not be sent: {e}");
                exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR);
            }
            Err(e) => {
                tracing::error!("a file cannot be served: {e}");
                exchange.refuse(e.status());
            }
        }
    }

    fn send(
        &self,
        response: &mut ResponseWriter,
        request: &Request,
        found: &Found,
    ) -> Result<(), FileError> {
        let headers = response.headers_mut()?;
        if let Some(value) = &self.cache_control {
            headers.insert(CACHE_CONTROL, value.clone());
        }
        if self.precompressed {
            vary(headers);
        }
        if let Some((algorithm, plain, name)) = &found.coded {
            let coding = HeaderValue::from_static(algorithm.name());
            headers.insert(CONTENT_TYPE, content::content_type(plain, name)?);
            headers.insert(CONTENT_ENCODING, coding);
        }
        send(response, request, &found.path, &found.file, &found.metadata)
    }
}

/// What a URL leads to.
pub(crate) enum Hit {
    File(Box<Found>),
    /// A directory, at a URL without a `/` at its end.
    Slash,
    /// The operating system does not let us have it.
    Refused(StatusCode),
}

/// An open file.
pub(crate) struct Found {
    /// Where it is, for an error.
    path: PathBuf,
    file: File,
    metadata: Metadata,
    /// Its coding, and the file that it stands for, which says the type.
    coded: Option<(Algorithm, File, PathBuf)>,
}

fn end(exchange: Exchange) {
    if let Err(e) = exchange.end() {
        tracing::debug!("a file could not be sent: {e}");
    }
}
