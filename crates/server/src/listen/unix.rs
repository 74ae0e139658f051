//! Unix sockets: stale files, files that are not sockets, and whose file it is to remove.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::error::BindError;
use super::{Bind, ListenOptions, Listener, LocalAddr};

/// Listens at `path`. A socket file on which nobody listens is replaced; nothing else is.
///
/// Two processes that find the same stale file within the same microseconds are not told apart.
pub(super) fn bind(path: &Path, options: &ListenOptions) -> Result<Listener, BindError> {
    let address = sock_addr(path).map_err(|cause| explain(path, "its path", cause))?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)
        .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
        .map_err(|cause| explain(path, "its socket", cause))?;
    let backlog = options.backlog.try_into().unwrap_or(i32::MAX);

    if is_abstract(path) {
        socket
            .bind(&address)
            .and_then(|()| socket.listen(backlog))
            .and_then(|()| Listener::new(socket))
            .map_err(|cause| explain(path, "its name", cause))
    } else {
        clear_stale(path, &address)?;
        socket
            .bind(&address)
            .map_err(|cause| explain(path, "its socket file", cause))?;
        let file =
            SocketFile::made_at(path).map_err(|cause| explain(path, "its socket file", cause))?;
        // Nobody can connect before `listen`, so nobody gets in under the mode that the umask gave.
        if let Some(mode) = options.unix_mode {
            fs::set_permissions(path, Permissions::from_mode(mode))
                .map_err(|cause| explain(path, "the mode of its socket file", cause))?;
        }
        socket
            .listen(backlog)
            .map_err(|cause| explain(path, "its socket", cause))?;
        Ok(Listener {
            address: LocalAddr::Unix(Some(file.path.clone())),
            file: Some(Arc::new(file)),
            socket,
            name: None,
        })
    }
}

/// A socket file that this process made and removes, if it is still there and still the same, when
/// dropped.
///
/// Invariant: dropped before the last descriptor of its socket is closed. An open socket pins its
/// inode, so the number compared in `drop` cannot have been given to somebody else's file
/// meanwhile.
#[derive(Debug)]
pub(super) struct SocketFile {
    /// Absolute, since the process may change its directory before it drops this.
    path: PathBuf,
    device: u64,
    inode: u64,
    /// A forked child has a copy of this value, but the file is not the child's to remove.
    process: u32,
}

impl SocketFile {
    fn made_at(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let metadata = fs::symlink_metadata(&path)?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            process: std::process::id(),
            path,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = std::process::id() == self.process
            && fs::symlink_metadata(&self.path)
                .is_ok_and(|now| (now.dev(), now.ino()) == (self.device, self.inode));
        if ours {
            // What remains of a failure is a stale file, and the next bind replaces that.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// `name` as the path that stands for it: with a leading `@`.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn abstract_path(name: &[u8]) -> PathBuf {
    let mut path = vec![b'@'];
    path.extend_from_slice(name);
    OsString::from_vec(path).into()
}

/// Removes the socket file at `path` if a connection to it is refused, that is, if no process
/// listens on it.
fn clear_stale(path: &Path, address: &SockAddr) -> Result<(), BindError> {
    let asked = || Bind::Unix(path.to_owned()).to_string();
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        // Whatever else is wrong with the path, `bind` reports it.
        Err(_) => return Ok(()),
    };
    if !metadata.file_type().is_socket() {
        let reason = "a file of that name exists and is not a socket; it was left as it is";
        return Err(BindError::new(
            asked(),
            io::ErrorKind::AlreadyExists,
            reason,
        ));
    }
    let refused = Socket::new(Domain::UNIX, Type::STREAM, None)
        .and_then(|probe| probe.set_nonblocking(true).map(|()| probe))
        .and_then(|probe| probe.connect(address));
    match refused.as_ref().map_err(Errno::from_io_error) {
        Err(Some(Errno::CONNREFUSED)) => match fs::remove_file(path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(BindError::system(
                asked(),
                format!("its stale socket file cannot be removed: {cause}"),
                cause,
            )),
            _ => Ok(()),
        },
        Err(Some(Errno::NOENT)) => Ok(()),
        // Nobody can tell whether a socket that may not be connected to is in use, so it counts as
        // in use.
        Err(Some(Errno::ACCESS)) => Err(BindError::new(
            asked(),
            io::ErrorKind::PermissionDenied,
            "a socket of that name exists and may not be connected to, so it may be in use",
        )),
        _ => Err(BindError::system(
            asked(),
            "address already in use: a process listens on that socket",
            Errno::ADDRINUSE.into(),
        )),
    }
}

fn is_abstract(path: &Path) -> bool {
    cfg!(any(target_os = "linux", target_os = "android"))
        && path.as_os_str().as_encoded_bytes().starts_with(b"@")
}

fn sock_addr(path: &Path) -> io::Result<SockAddr> {
    if is_abstract(path) {
        let mut name = path.as_os_str().as_encoded_bytes().to_vec();
        // How the kernel writes an abstract name. `is_abstract` saw that there is a first byte.
        name[0] = 0;
        return SockAddr::unix(OsString::from_vec(name));
    }
    SockAddr::unix(path)
}

fn explain(path: &Path, what: &str, cause: io::Error) -> BindError {
    let asked = Bind::Unix(path.to_owned()).to_string();
    let reason = match cause.kind() {
        io::ErrorKind::AddrInUse => "address already in use".into(),
        io::ErrorKind::InvalidInput => format!(
            "{what} is {} bytes long; at most {LONGEST_PATH} fit",
            path.as_os_str().len()
        ),
        io::ErrorKind::NotFound => "its directory does not exist".into(),
        io::ErrorKind::PermissionDenied => {
            format!("permission denied ({what} may not be created there)")
        }
        _ => format!("{what}: {cause}"),
    };
    BindError::system(asked, reason, cause)
}

/// `sun_path` is 108 bytes on Linux and 104 elsewhere, with the NUL that ends it.
const LONGEST_PATH: usize = if cfg!(any(target_os = "linux", target_os = "android")) {
    107
} else {
    103
};
