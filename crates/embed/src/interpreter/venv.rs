//! Virtual environments (PEP 405), as far as a start has to know them.

use std::path::{Path, PathBuf};

use super::InterpreterError;

/// The interpreter of the environment in `directory`, from whose path CPython finds everything else.
///
/// # Errors
/// No environment, or one of another version than `version` (`3.11` for example).
pub(super) fn executable(directory: &Path, version: &str) -> Result<PathBuf, InterpreterError> {
    let none = |reason: String| InterpreterError::NotAVenv {
        path: directory.to_owned(),
        reason,
    };
    let settings = directory.join("pyvenv.cfg");
    let text = std::fs::read_to_string(&settings)
        .map_err(|e| none(format!("cannot read {}: {e}", settings.display())))?;
    let found = made_by(&text).or_else(|| library(directory));
    let found = found.ok_or_else(|| none("it does not say which Python it is for".to_owned()))?;
    if found != version {
        return Err(InterpreterError::VenvVersion {
            path: directory.to_owned(),
            found,
            wanted: version.to_owned(),
        });
    }
    let absolute = std::path::absolute(directory)
        .map_err(|e| none(format!("its path cannot be made absolute: {e}")))?;
    let executable = absolute.join("bin").join("python");
    // A link to a Python that has gone will do: the version was said above, and libpython is ours.
    if executable.symlink_metadata().is_err() {
        return Err(none(format!("there is no {}", executable.display())));
    }
    Ok(executable)
}

/// The version in `pyvenv.cfg`: `venv` calls it `version`, virtualenv and uv `version_info`.
fn made_by(settings: &str) -> Option<String> {
    settings.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        matches!(key.trim(), "version" | "version_info")
            .then(|| minor(value))
            .flatten()
    })
}

/// `3.11` of `3.11.7`.
pub(super) fn minor(version: &str) -> Option<String> {
    let mut parts = version.trim().split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    let minor: String = minor.chars().take_while(char::is_ascii_digit).collect();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (is_number(major) && is_number(&minor)).then(|| format!("{major}.{minor}"))
}

/// The version that the directory of the environment's packages is named after.
fn library(directory: &Path) -> Option<String> {
    let entries = std::fs::read_dir(directory.join("lib")).ok()?;
    entries.flatten().find_map(|entry| {
        let name = entry.file_name();
        minor(name.to_str()?.strip_prefix("python")?)
    })
}

#[cfg(test)]
mod tests {
    use super::{made_by, minor};

    #[test]
    fn versions_are_read_as_their_tools_write_them() {
        for (text, version) in [
            ("home = /usr/bin\nversion = 3.11.7\n", Some("3.11")),
            ("version_info = 3.13.0.final.0\n", Some("3.13")),
            ("version_info = 3.12\n", Some("3.12")),
            ("version=3.14.0b1", Some("3.14")),
            ("home = /usr/bin\n", None),
            ("version = three\n", None),
        ] {
            assert_eq!(made_by(text).as_deref(), version, "{text:?}");
        }
        assert_eq!(minor("3.11+").as_deref(), Some("3.11"));
        assert_eq!(minor("3"), None);
    }
}
