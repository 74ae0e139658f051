//! A server of the files in a scratch directory, for tests of how one file is served.

use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::time::SystemTime;

use http::HeaderMap;
use oxbridge::files::{FileError, serve_file};
use oxbridge::{Request, ResponseWriter, Server, WriteError};

use crate::scratch::ScratchDir;

/// A server of the files in a scratch directory.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) files: ScratchDir,
    /// What `serve_file` returned, for each request.
    #[allow(
        dead_code,
        reason = "not every test file that has this module looks at them"
    )]
    pub(crate) outcomes: Receiver<Result<(), FileError>>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with_headers(HeaderMap::new())
    }

    /// The handler sets these before it serves.
    pub(crate) fn with_headers(headers: HeaderMap) -> Self {
        let files = ScratchDir::new();
        let root = files.as_ref().to_owned();
        let (sender, outcomes) = mpsc::channel();
        let server = serve(move |w, r| {
            *w.headers_mut()? = headers.clone();
            let outcome = serve_file(w, r, &root.join(&r.path()[1..]));
            let status = outcome.as_ref().err().map(FileError::status);
            if let Some(status) = status {
                assert!(w.head_sent() || w.written() == 0);
                w.refuse(status);
            }
            // A test that does not want to know has no receiver any more.
            let _ = sender.send(outcome);
            Ok(())
        });
        Site {
            server,
            files,
            outcomes,
        }
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        self.files.write(name, content)
    }

    /// Writes a file that was last changed then.
    #[allow(
        dead_code,
        reason = "not every test file that has this module cares for times"
    )]
    pub(crate) fn write_at(&self, name: &str, content: &str, time: SystemTime) -> PathBuf {
        let path = self.write(name, content);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
        path
    }
}

/// A server with one handler.
pub(crate) fn serve<H>(handler: H) -> Server
where
    H: Fn(&mut ResponseWriter, &mut Request) -> Result<(), WriteError>,
    H: Send + Sync + 'static,
{
    let mut builder = Server::builder();
    builder.blocking("/", handler).unwrap();
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
