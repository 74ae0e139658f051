//! The options about content on its way out: compression, and directories that the server serves.

use std::io;
use std::time::Duration;

use oxbridge::compression::Algorithm;
use oxbridge::files::StaticDir;
use oxbridge::{Builder, Compression};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::errors::PatternError;

/// What the options `compression` and `static` say.
#[derive(Clone, Default)]
pub(crate) struct Content {
    compression: Option<Compression>,
    /// Prefixes, and what is served below them.
    directories: Vec<(String, StaticDir)>,
}

impl Content {
    /// Reads an option, if it is one of these; says whether it is.
    pub(crate) fn read(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        match name {
            "compression" if value.is_none() => self.compression = None,
            "compression" => self.compression = Some(compression(value)?),
            "static" if value.is_none() => self.directories.clear(),
            "static" => {
                self.directories = value
                    .try_iter()
                    .map_err(|_| wrong(name, value, "a list of (prefix, directory)"))?
                    .map(|entry| directory(&entry?))
                    .collect::<PyResult<_>>()?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Tells a server's builder.
    pub(crate) fn apply(self, mut builder: Builder) -> PyResult<Builder> {
        for (prefix, dir) in self.directories {
            builder
                .mount_static(&prefix, dir)
                .map_err(|e| PatternError::new_err(e.to_string()))?;
        }
        Ok(match self.compression {
            Some(compression) => builder.compression(compression),
            None => builder,
        })
    }
}

fn compression(value: &Bound<'_, PyAny>) -> PyResult<Compression> {
    let settings = value
        .cast::<PyDict>()
        .map_err(|_| wrong("compression", value, "a dict, or None"))?;
    let mut compression = Compression::default();
    for (name, value) in settings {
        match name.extract::<String>()?.as_str() {
            "algorithms" => {
                compression.algorithms = value
                    .try_iter()?
                    .map(|name| algorithm(&name?))
                    .collect::<PyResult<_>>()?;
            }
            "min_size" => compression.min_size = value.extract()?,
            "zstd_level" => compression.zstd_level = value.extract()?,
            "brotli_quality" => compression.brotli_quality = value.extract()?,
            "gzip_level" => compression.gzip_level = value.extract()?,
            "event_streams" => compression.event_streams = value.extract()?,
            "max_streams" => compression.max_streams = value.extract()?,
            other => {
                return Err(PyTypeError::new_err(format!(
                    "compression has no setting {other:?}; known are algorithms, min_size, zstd_level, \
                     brotli_quality, gzip_level, event_streams, max_streams"
                )));
            }
        }
    }
    Ok(compression)
}

fn algorithm(name: &Bound<'_, PyAny>) -> PyResult<Algorithm> {
    let text: String = name.extract()?;
    Algorithm::named(&text).ok_or_else(|| {
        PyValueError::new_err(format!(
            "compression algorithm {text:?}; wanted one of \"zstd\", \"br\", \"gzip\""
        ))
    })
}

/// `(prefix, directory)`, or `(prefix, directory, settings)`.
fn directory(entry: &Bound<'_, PyAny>) -> PyResult<(String, StaticDir)> {
    const WANTED: &str = "(prefix, directory)";
    let parts = entry
        .try_iter()
        .map_err(|_| wrong("static", entry, WANTED))?;
    let parts = PyTuple::new(entry.py(), parts.collect::<PyResult<Vec<_>>>()?)?;
    if !matches!(parts.len(), 2 | 3) || entry.extract::<String>().is_ok() {
        return Err(wrong("static", entry, WANTED));
    }
    let prefix: String = parts.get_item(0)?.extract()?;
    let root: std::path::PathBuf = parts.get_item(1)?.extract()?;
    let mut dir = StaticDir::new(&root)
        .map_err(|e| {
            io::Error::new(
                e.kind(),
                format!("static directory {}: {e}", root.display()),
            )
        })?
        .fallthrough(true);
    if parts.len() == 3 {
        for (name, value) in parts.get_item(2)?.cast::<PyDict>()? {
            dir = match name.extract::<String>()?.as_str() {
                "max_age" => dir.max_age(Duration::from_secs(value.extract()?)),
                "index" => dir.index(value.extract::<Option<String>>()?.as_deref()),
                "precompressed" => dir.precompressed(value.extract()?),
                "hidden" => dir.hidden(value.extract()?),
                "follow_links" => dir.follow_links(value.extract()?),
                "fallthrough" => dir.fallthrough(value.extract()?),
                other => {
                    return Err(PyTypeError::new_err(format!(
                        "a static directory has no setting {other:?}; known are max_age, index, \
                         precompressed, hidden, follow_links, fallthrough"
                    )));
                }
            };
        }
    }
    Ok((prefix, dir))
}

fn wrong(name: &str, value: &Bound<'_, PyAny>, wanted: &str) -> PyErr {
    let shown = value
        .repr()
        .map_or_else(|_| "?".to_owned(), |r| r.to_string());
    PyTypeError::new_err(format!("{name} is {shown}; wanted {wanted}"))
}
