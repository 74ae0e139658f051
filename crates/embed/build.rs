//! Lists the modules of the Python package, to be compiled in, and tells the linker where libpython is.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    // For this package's own tests and examples; a program of somebody else says this in its own build script.
    pyo3_build_config::add_libpython_rpath_link_args();

    // Which Python that is: the tests make virtual environments with it.
    if let Some(executable) = pyo3_build_config::get().executable() {
        println!("cargo::rustc-env=OXBRIDGE_EMBED_PYTHON={executable}");
    }

    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("python/oxbridge");
    let mut modules = Vec::new();
    list(&root, "oxbridge", &mut modules)?;
    modules.sort();
    let mut source = String::from("[\n");
    for module in &modules {
        let Module {
            name,
            is_package,
            place,
            path,
        } = module;
        // Writing to a String does not fail.
        let _ = writeln!(
            source,
            "    Module {{ name: {name:?}, is_package: {is_package}, place: {place:?}, source: include_str!({path:?}) }},"
        );
    }
    source.push_str("]\n");
    fs::write(
        PathBuf::from(variable("OUT_DIR")).join("modules.rs"),
        source,
    )
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Module {
    name: String,
    is_package: bool,
    /// Where it is below the package's parent.
    place: String,
    path: PathBuf,
}

/// Adds the modules of a package and of those below it. Directories without an `__init__.py` are none.
fn list(directory: &Path, package: &str, modules: &mut Vec<Module>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", directory.display());
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let (Some(stem), Some(file)) = (
            path.file_stem().and_then(|stem| stem.to_str()),
            path.file_name().and_then(|file| file.to_str()),
        ) else {
            continue;
        };
        if path.is_dir() {
            if path.join("__init__.py").is_file() {
                list(&path, &format!("{package}.{stem}"), modules)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "py") {
            println!("cargo::rerun-if-changed={}", path.display());
            let is_package = stem == "__init__";
            modules.push(Module {
                name: if is_package {
                    package.to_owned()
                } else {
                    format!("{package}.{stem}")
                },
                is_package,
                place: format!("{}/{file}", package.replace('.', "/")),
                path,
            });
        }
    }
    Ok(())
}

/// A variable that cargo sets for every build script.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}
