//! Where a server listens: parse an address, bind it, and accept from it.
//!
//! A [`Bind`] is what a user wrote (`127.0.0.1:5000`, `unix:/run/app.sock`, `fd:3`, `systemd`).
//! [`Bind::bind`] turns it into [`Listener`]s: sockets that are bound, listening, non-blocking and
//! closed on exec. A listener belongs to no runtime yet, so it can be made before the reactors are,
//! cloned once for each of them, and moved into one with [`Listener::into_tokio`].
//!
//! ```
//! use oxbridge::listen::{Bind, ListenOptions};
//!
//! let bind: Bind = "127.0.0.1:0".parse()?;
//! let listeners = bind.bind(&ListenOptions::default())?;
//! assert!(listeners[0].local_addr().to_string().starts_with("127.0.0.1:"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accept;
mod address;
mod error;
mod inherited;
mod listener;
mod systemd;
mod tcp;
mod unix;

pub use accept::{Accepted, PeerAddr, TokioListener, is_exhausted, is_transient};
pub use address::{Bind, ParseBindError};
pub use error::BindError;
pub use listener::{Listener, LocalAddr};

/// How the sockets that [`Bind::bind`] makes differ from the default ones.
///
/// None of it applies to inherited sockets: whoever made those has chosen already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    /// How many connections may wait to be accepted. The kernel may cap it (on Linux,
    /// `net.core.somaxconn`).
    pub backlog: u32,
    /// Sets `SO_REUSEPORT` on TCP sockets: several processes, or several listeners of one, bind the
    /// same port and the kernel spreads connections over them. All of them must set it and run as
    /// the same user.
    pub reuse_port: bool,
    /// Permission bits of a Unix socket file, such as `0o660`. `None` leaves what the process's
    /// umask gives.
    pub unix_mode: Option<u32>,
    /// Whether `[::]` (and a host of `""` or `*`, which means it) refuses IPv4. `None` accepts both
    /// families.
    pub v6_only: Option<bool>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 2048,
            reuse_port: false,
            unix_mode: None,
            v6_only: None,
        }
    }
}

impl Bind {
    /// Binds and starts to listen; from here on, clients can connect and wait in the backlog.
    ///
    /// A TCP host name gives one listener for each address it has, all on the same port, also when
    /// the port asked for is 0. An address of a family that this machine does not have is left out
    /// as long as one remains. [`Bind::Systemd`] gives one listener for each inherited socket.
    /// Everything else gives exactly one.
    ///
    /// The caller owns the listeners. A Unix socket file that this call made is removed when the
    /// last clone of its listener is dropped. Inherited descriptors are duplicated and never
    /// closed: they stay their owner's.
    ///
    /// Blocks while a host name is looked up, so call it before the runtime runs. Any thread may
    /// call it.
    ///
    /// # Errors
    ///
    /// [`BindError`] names the address and the reason. Nothing stays bound after an error.
    pub fn bind(&self, options: &ListenOptions) -> Result<Vec<Listener>, BindError> {
        match self {
            Self::Tcp { host, port } => tcp::bind(host, *port, options),
            Self::Unix(path) => unix::bind(path, options).map(|listener| vec![listener]),
            Self::Fd(fd) => inherited::adopt(*fd)
                .map(|listener| vec![listener])
                .map_err(|refusal| refusal.at(self.to_string())),
            Self::Systemd => systemd::adopt_all(),
        }
    }
}
