//! Reads the lookup tables, `data/lookup/*.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// A file of tables.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mux: Vec<Table>,
}

/// Patterns, and requests with their answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    pub(crate) about: String,
    pub(crate) patterns: Vec<String>,
    /// Those of `patterns` that conflict with earlier ones or are none.
    #[serde(default)]
    pub(crate) refused: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// A request and the answer to it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// `METHOD [HOST]/PATH[?QUERY]`
    pub(crate) ask: String,
    /// In place of the path in `ask`, for one that does not begin with a slash.
    path: Option<String>,
    /// The host is part of a CONNECT's target.
    #[serde(default)]
    authority: bool,
    pub(crate) found: Option<String>,
    #[serde(default)]
    pub(crate) values: BTreeMap<String, String>,
    pub(crate) redirect: Option<String>,
    /// The pattern that will match the path that `redirect` names.
    pub(crate) to: Option<String>,
    pub(crate) allow: Option<String>,
    pub(crate) status: Option<u16>,
    /// How Go differs.
    pub(crate) go: Option<String>,
}

/// A row's request, taken apart.
pub(crate) struct Ask<'r> {
    pub(crate) method: &'r str,
    /// The host of the request target; `None` if the target is a path.
    pub(crate) authority: Option<&'r str>,
    /// The host, from wherever.
    pub(crate) host: &'r str,
    pub(crate) path: &'r str,
    pub(crate) query: Option<&'r str>,
}

impl Row {
    pub(crate) fn ask(&self) -> Ask<'_> {
        let (method, target) = self
            .ask
            .split_once(' ')
            .expect("a method, a space, a target");
        let (target, query) = match target.split_once('?') {
            Some((target, query)) => (target, Some(query)),
            None => (target, None),
        };
        let slash = target.find('/');
        let (host, path) = target.split_at(slash.unwrap_or(target.len()));
        let authority = (self.authority || slash.is_none()).then_some(host);
        Ask {
            method,
            authority,
            host,
            path: self.path.as_deref().unwrap_or(path),
            query,
        }
    }
}

/// Every table, with the name of its file.
pub(crate) fn tables() -> Vec<(String, Table)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/lookup");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    files.sort();
    let read = |path: std::path::PathBuf| {
        let name = path
            .file_name()
            .expect("it is a file")
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(path).expect("it can be read");
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        file.mux.into_iter().map(move |table| (name.clone(), table))
    };
    files.into_iter().flat_map(read).collect()
}
