//! Descriptors: some to give to the library, and how many are open.

use std::ffi::c_int;
use std::fs::{self, File};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::calls::arguments::{self, Descriptor};

struct Open {
    file: c_int,
    event: c_int,
    directory: c_int,
}

static OPEN: OnceLock<Open> = OnceLock::new();
/// How many are open when nothing is left.
static BASE: OnceLock<usize> = OnceLock::new();

fn open() -> &'static Open {
    OPEN.get_or_init(|| {
        // SAFETY: the name is a C string, and the descriptors are new.
        let (mut file, event) = unsafe {
            let event = libc::eventfd(1, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
            let file = libc::memfd_create(c"fuzz".as_ptr(), libc::MFD_CLOEXEC);
            (File::from_raw_fd(file), OwnedFd::from_raw_fd(event))
        };
        // Memory for this is there, or nothing else works either.
        std::io::Write::write_all(&mut file, &[b'f'; 100_000]).unwrap();
        let directory = File::open(arguments::folder().to_str().unwrap()).unwrap();
        Open {
            file: file.into_raw_fd(),
            event: event.into_raw_fd(),
            directory: directory.into_raw_fd(),
        }
    })
}

pub(super) fn number(which: Descriptor) -> c_int {
    let open = open();
    match which {
        Descriptor::File => open.file,
        Descriptor::Event => open.event,
        Descriptor::Directory => open.directory,
        Descriptor::Minus(n) => -1 - c_int::from(n),
        Descriptor::NotOpen => c_int::MAX,
    }
}

/// What is open. Pipes are left out: the library makes none, the sanitizer talks through some.
fn names() -> Vec<PathBuf> {
    // A directory of the kernel's, in every process.
    let open = fs::read_dir("/proc/self/fd").unwrap();
    open.flatten()
        .flat_map(|fd| fs::read_link(fd.path()))
        .filter(|name| !name.as_os_str().as_encoded_bytes().starts_with(b"pipe:"))
        .collect()
}

/// Notes how many are open now.
pub(super) fn begin() {
    open();
    BASE.get_or_init(|| names().len());
}

/// Whether there are no more than at the beginning.
pub(super) fn is_clean() -> bool {
    BASE.get().is_none_or(|base| names().len() <= *base)
}

pub(super) fn check() {
    assert!(is_clean(), "descriptors are left: {:?}", names());
}
