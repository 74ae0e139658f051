//! The Python package `oxbridge`, compiled into the program: nothing has to be installed for it, and a
//! package of that name in the virtual environment is not looked at.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::ask;
use crate::interpreter::InterpreterError;

/// One Python module, and its source.
struct Module {
    name: &'static str,
    is_package: bool,
    /// Its file, below the directory that the package is in.
    place: &'static str,
    source: &'static str,
}

static MODULES: &[Module] = &include!(concat!(env!("OUT_DIR"), "/modules.rs"));

/// Makes `import oxbridge` find this program's own.
///
/// # Errors
/// [`InterpreterError::Shadowed`] where another package of that name has been imported already.
pub(crate) fn install(py: Python<'_>) -> Result<(), InterpreterError> {
    let failed = |e: PyErr| InterpreterError::Initialize(e.to_string());
    let shadow = install_finder(py).map_err(failed)?;
    shadow.map_or(Ok(()), |file| Err(InterpreterError::Shadowed(file)))
}

/// Gives the file of a package that is there already.
fn install_finder(py: Python<'_>) -> PyResult<Option<String>> {
    let modules = PyDict::new(py);
    for module in MODULES {
        let file = format!("<oxbridge-embed>/{}", module.place);
        modules.set_item(module.name, (module.is_package, file, module.source))?;
    }
    let native = PyDict::new(py);
    native.set_item("oxbridge._oxbridge", wrap_pyfunction!(extension, py)?)?;
    native.set_item("oxbridge._embed", wrap_pyfunction!(embed, py)?)?;
    PyModule::from_code(
        py,
        IMPORTER,
        c"<oxbridge-embed>/importer.py",
        c"_oxbridge_importer",
    )?
    .getattr("install")?
    .call1((env!("CARGO_PKG_VERSION"), modules, native))?
    .extract()
}

const IMPORTER: &std::ffi::CStr = {
    match std::ffi::CStr::from_bytes_with_nul(
        concat!(include_str!("package/importer.py"), "\0").as_bytes(),
    ) {
        Ok(source) => source,
        Err(_) => panic!("a Python source holds no NUL"),
    }
};

/// The module `oxbridge._embed`.
#[pyfunction]
fn embed(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    ask::module(py)
}

/// The module `oxbridge._oxbridge`.
#[pyfunction]
fn extension(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    oxbridge_python::module(py)
}
