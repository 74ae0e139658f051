//! `PyConfig`: what CPython is told before it runs. See PEP 587.

use std::ffi::{CStr, CString, OsStr};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use pyo3::ffi;

use super::venv::{self, minor};
use super::{Interpreter, InterpreterError};

/// Whether an interpreter runs in this process.
pub(super) fn is_initialized() -> bool {
    // SAFETY: may be called at any time, on any thread.
    unsafe { ffi::Py_IsInitialized() != 0 }
}

/// What `settings` come to, read before anything is started.
pub(super) struct Plan {
    is_isolated: bool,
    /// The program whose place tells CPython where its library and the environment are.
    program: Option<CString>,
    argv: Option<Vec<CString>>,
}

impl Plan {
    pub(super) fn new(settings: &Interpreter) -> Result<Self, InterpreterError> {
        let version = version();
        let named = || match std::env::var_os("VIRTUAL_ENV") {
            Some(name) if !settings.is_isolated && !name.is_empty() => Some(PathBuf::from(name)),
            _ => None,
        };
        let program = match settings.venv.clone().or_else(named) {
            Some(directory) => Some(venv::executable(&directory, &version)?),
            None => base_program(&version),
        };
        let argv = settings.argv.as_ref();
        Ok(Plan {
            is_isolated: settings.is_isolated,
            program: program
                .map(|program| text(program.as_os_str(), "venv"))
                .transpose()?,
            argv: argv
                .map(|argv| argv.iter().map(|one| text(one, "argv")).collect())
                .transpose()?,
        })
    }

    /// Initializes CPython; the calling thread becomes its main thread, and is attached.
    pub(super) fn initialize(&self) -> Result<(), InterpreterError> {
        let mut pre = MaybeUninit::uninit();
        // SAFETY: the call fills in the whole structure, which is CPython's own of this version.
        let mut pre = unsafe {
            ffi::PyPreConfig_InitIsolatedConfig(pre.as_mut_ptr());
            pre.assume_init()
        };
        pre.isolated = self.is_isolated.into();
        pre.use_environment = (!self.is_isolated).into();
        // Rust's own text and paths are UTF-8 whatever the locale is; in the C locale, Python's would
        // be ASCII.
        pre.utf8_mode = 1;
        // SAFETY: `pre` is filled in, and no interpreter is there.
        check(unsafe { ffi::Py_PreInitialize(&raw const pre) })?;

        let mut config = Config::new();
        config.set_environment(!self.is_isolated);
        if let Some(program) = &self.program {
            config.set_program(program)?;
        }
        if let Some(argv) = &self.argv {
            config.set_argv(argv)?;
        }
        config.initialize()
    }
}

/// A `PyConfig`, whose strings CPython owns until it is dropped.
struct Config(ffi::PyConfig);

impl Config {
    /// No signal handlers, nothing read from a command line, the C streams left as they are.
    fn new() -> Self {
        let mut config = MaybeUninit::uninit();
        // SAFETY: the call fills in the whole structure.
        Config(unsafe {
            ffi::PyConfig_InitIsolatedConfig(config.as_mut_ptr());
            config.assume_init()
        })
    }

    fn set_environment(&mut self, is_used: bool) {
        self.0.isolated = (!is_used).into();
        self.0.use_environment = is_used.into();
        self.0.user_site_directory = is_used.into();
    }

    fn set_program(&mut self, program: &CStr) -> Result<(), InterpreterError> {
        let config = &raw mut self.0;
        // SAFETY: the configuration is initialized, its member too, and the text ends with a NUL.
        check(unsafe {
            ffi::PyConfig_SetBytesString(config, &raw mut (*config).program_name, program.as_ptr())
        })
    }

    fn set_argv(&mut self, argv: &[CString]) -> Result<(), InterpreterError> {
        let mut pointers: Vec<_> = argv.iter().map(|one| one.as_ptr()).collect();
        // SAFETY: the configuration is initialized, and there are as many texts as the count says (a
        // slice is never longer than `isize::MAX`), which are copied.
        check(unsafe {
            ffi::PyConfig_SetBytesArgv(
                &raw mut self.0,
                pointers.len() as ffi::Py_ssize_t,
                pointers.as_mut_ptr(),
            )
        })
    }

    fn initialize(&self) -> Result<(), InterpreterError> {
        // SAFETY: the configuration is complete, and whoever calls this holds the lock under which
        // interpreters are started here; a host that initializes Python itself at the same moment has
        // to keep away from that, which is CPython's own rule.
        check(unsafe { ffi::Py_InitializeFromConfig(&raw const self.0) })
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        // SAFETY: the configuration was initialized by `new`.
        unsafe { ffi::PyConfig_Clear(&raw mut self.0) };
    }
}

fn check(status: ffi::PyStatus) -> Result<(), InterpreterError> {
    // SAFETY: the status comes from a call that has just returned it.
    if unsafe { ffi::PyStatus_Exception(status) } == 0 {
        return Ok(());
    }
    let message = if status.err_msg.is_null() {
        format!("it wants to exit with {}", status.exitcode)
    } else {
        // SAFETY: not null, and CPython's messages are static texts.
        let message = unsafe { CStr::from_ptr(status.err_msg) };
        message.to_string_lossy().into_owned()
    };
    Err(InterpreterError::Initialize(message))
}

/// `3.11`: the version of the libpython that the program has.
fn version() -> String {
    // SAFETY: may be called before initialization; the text is static.
    let version = unsafe { CStr::from_ptr(ffi::Py_GetVersion()) };
    minor(&version.to_string_lossy()).unwrap_or_default()
}

/// The program `python3.N` that belongs to the libpython of this process. Without it CPython would ask
/// `PATH` for a `python3`, which may be another version's or a virtual environment's.
fn base_program(version: &str) -> Option<PathBuf> {
    let library = library()?;
    let name = format!("python{version}");
    let mut places = library
        .ancestors()
        .skip(1)
        .map(|up| up.join("bin").join(&name));
    places.find(|place| place.is_file())
}

/// The file that CPython's code is in.
fn library() -> Option<PathBuf> {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    let address = ffi::Py_GetVersion as *const libc::c_void;
    // SAFETY: the address is one of this process, and the structure is written by the call.
    if unsafe { libc::dladdr(address, info.as_mut_ptr()) } == 0 {
        return None;
    }
    // SAFETY: zeroes are a valid structure, and the call has filled it in.
    let info = unsafe { info.assume_init() };
    if info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: not null, and the dynamic linker's own text, which lasts as long as the library.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Path::new(OsStr::from_bytes(name.to_bytes()))
        .canonicalize()
        .ok()
}

fn text(text: &OsStr, setting: &'static str) -> Result<CString, InterpreterError> {
    CString::new(text.as_bytes()).map_err(|_| InterpreterError::Nul { setting })
}
