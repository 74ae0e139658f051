//! What a user writes to say where a server listens.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a server listens.
///
/// | text | meaning |
/// |---|---|
/// | `127.0.0.1:5000`, `[::1]:5000` | that address; port 0 lets the kernel choose |
/// | `localhost:5000` | every address of that name |
/// | `:5000`, `*:5000` | every interface, IPv6 and IPv4 through one socket |
/// | `unix:/run/app.sock` | a Unix socket file; `unix:@app` is a name without one (Linux) |
/// | `fd:3` | a listening socket that is open already, inherited for example |
/// | `systemd` | every socket handed over by systemd's socket activation |
///
/// [`Display`](fmt::Display) writes the same text back.
///
/// ```
/// use oxbridge::listen::Bind;
///
/// assert_eq!("[::1]:80".parse(), Ok(Bind::Tcp { host: "::1".into(), port: 80 }));
/// assert_eq!("unix:/run/app.sock".parse(), Ok(Bind::Unix("/run/app.sock".into())));
/// assert_eq!("fd:3".parse(), Ok(Bind::Fd(3)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bind {
    /// A TCP port.
    Tcp {
        /// A name or an address without brackets (an IPv6 zone is allowed: `fe80::1%eth0`). `""`
        /// and `*` mean every interface.
        host: String,
        /// 0 lets the kernel choose; [`Listener::local_addr`](super::Listener::local_addr) then
        /// tells which.
        port: u16,
    },
    /// A Unix stream socket at this path. A path that begins with `@` is an abstract name (Linux
    /// only).
    Unix(PathBuf),
    /// A socket that already listens, under this descriptor number. It is duplicated, never closed.
    Fd(RawFd),
    /// The sockets that `LISTEN_FDS` counts, if `LISTEN_PID` says that they are meant for this
    /// process.
    Systemd,
}

impl FromStr for Bind {
    type Err = ParseBindError;

    fn from_str(text: &str) -> Result<Self, ParseBindError> {
        let wrong = |problem: String| ParseBindError {
            text: text.to_owned(),
            problem,
        };
        if text == "systemd" {
            return Ok(Self::Systemd);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" | "@" => Err(wrong("there is no path after \"unix:\"".into())),
                _ if path.contains('\0') => Err(wrong("the path contains a NUL".into())),
                _ => Ok(Self::Unix(path.into())),
            };
        }
        if let Some(number) = text.strip_prefix("fd:") {
            return match digits(number) {
                Some(fd) => Ok(Self::Fd(fd)),
                None => Err(wrong(format!("{number:?} is not a descriptor number"))),
            };
        }
        let (host, port) = split_port(text).map_err(wrong)?;
        let port = digits(port).ok_or_else(|| {
            wrong(match port {
                "" => "there is no port after the colon".into(),
                _ => format!("{port:?} is not a port (0 to 65535)"),
            })
        })?;
        Ok(Self::Tcp {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Fd(fd) => write!(f, "fd:{fd}"),
            Self::Systemd => f.write_str("systemd"),
        }
    }
}

impl From<SocketAddr> for Bind {
    /// The zone of an IPv6 address is kept as its number.
    fn from(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            _ => address.ip().to_string(),
        };
        Self::Tcp {
            host,
            port: address.port(),
        }
    }
}

/// Says which text is not a [`Bind`], and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseBindError {
    text: String,
    problem: String,
}

impl fmt::Display for ParseBindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no address to listen on: {}; wanted {WANTED}",
            self.text, self.problem
        )
    }
}

impl std::error::Error for ParseBindError {}

/// Splits `host:port`, and takes the brackets off an IPv6 host.
fn split_port(text: &str) -> Result<(&str, &str), String> {
    if text.contains("://") {
        return Err("a URL's scheme is not part of it".into());
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("\"[\" has no \"]\"")?;
        let (address, zone) = match host.split_once('%') {
            Some((address, zone)) => (address, Some(zone)),
            None => (host, None),
        };
        if address.parse::<Ipv6Addr>().is_err() || zone == Some("") {
            return Err(format!("{host:?} is not an IPv6 address"));
        }
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None => Err("there is no \":port\" after \"]\"".into()),
        };
    }
    let (host, port) = text.rsplit_once(':').ok_or("there is no port")?;
    if host.contains(':') {
        return Err("an IPv6 address needs brackets".into());
    }
    match host.find(|c: char| c.is_whitespace() || c.is_control() || "/\\@?#[]%".contains(c)) {
        Some(at) => Err(format!("{host:?} is not a host name: see position {at}")),
        None => Ok((host, port)),
    }
}

/// A number in plain decimal digits: the sign that `parse` alone would take is not one.
fn digits<T: FromStr>(text: &str) -> Option<T> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

const WANTED: &str =
    "\"host:port\", \"[v6 address]:port\", \":port\", \"unix:/path\", \"fd:number\" or \"systemd\"";
