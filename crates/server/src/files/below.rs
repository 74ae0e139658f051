//! Opening a file below a directory and nowhere else, whatever symbolic links say.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

/// How files are opened: without waiting for the other end of a named pipe.
fn flags() -> OFlags {
    OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY
}

/// Opens `root/rest`. The kernel refuses any way out of `root` (openat2(2), Linux 5.6), so that no link
/// can be swapped in between a check and its use. A link whose target is absolute is followed if that
/// lies below `root` too.
pub(super) fn open_below(root: &Path, rest: &Path) -> io::Result<File> {
    let dir = openat(
        CWD,
        root,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let open = |rest: &Path| {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut tries = 0..TRIES;
        loop {
            match openat2(&dir, named(rest), flags(), Mode::empty(), resolve) {
                // Something was renamed meanwhile, so that the kernel cannot be sure.
                Err(rustix::io::Errno::AGAIN) if tries.next().is_some() => {}
                done => return done,
            }
        }
    };
    match open(rest) {
        Ok(file) => Ok(file.into()),
        Err(rustix::io::Errno::XDEV) => Ok(open(&target(root, rest)?)?.into()),
        // An older kernel, or a sandbox that does not know the call.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {
            let path = root.join(target(root, rest)?);
            Ok(openat(CWD, &path, flags(), Mode::empty())?.into())
        }
        Err(e) => Err(e.into()),
    }
}

/// Where `root/rest` lies in the end, from `root` on; an error if that is elsewhere.
fn target(root: &Path, rest: &Path) -> io::Result<PathBuf> {
    let target = root.join(rest).canonicalize()?;
    match target.strip_prefix(root.canonicalize()?) {
        Ok(rest) => Ok(rest.to_owned()),
        Err(_) => Err(io::ErrorKind::NotFound.into()),
    }
}

/// The directory itself has a name too.
fn named(rest: &Path) -> &Path {
    if rest.as_os_str().is_empty() {
        Path::new(".")
    } else {
        rest
    }
}

/// How often a file is opened again while its directories are being renamed.
const TRIES: u32 = 16;
