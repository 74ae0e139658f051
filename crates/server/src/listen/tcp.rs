//! TCP sockets: names with several addresses, one port for all of them, both families.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::error::BindError;
use super::{Bind, ListenOptions, Listener};

/// Listens on every address of `host`.
pub(super) fn bind(
    host: &str,
    port: u16,
    options: &ListenOptions,
) -> Result<Vec<Listener>, BindError> {
    if host.is_empty() || host == "*" {
        return bind_any(host, port, options).map(|listener| vec![listener]);
    }
    let addresses = resolve(host, port)?;
    let mut attempts = PORT_ATTEMPTS;
    loop {
        match bind_all(host, &addresses, options) {
            // The port that the kernel chose for the first address is taken on another one. Ask for
            // a fresh one.
            Err(error) if port == 0 && error.kind() == io::ErrorKind::AddrInUse && attempts > 1 => {
                attempts -= 1
            }
            outcome => return outcome,
        }
    }
}

/// Every interface: one IPv6 socket that takes IPv4 too, or an IPv4 socket where the machine has no
/// IPv6.
fn bind_any(host: &str, port: u16, options: &ListenOptions) -> Result<Listener, BindError> {
    let v6_only = options.v6_only.unwrap_or(false);
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match open(v6, Some(v6_only), options) {
        Err(error) if !v6_only && family_is_missing(&error) => {
            let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            open(v4, None, options).map_err(|cause| explain(host, v4, cause))
        }
        outcome => outcome.map_err(|cause| explain(host, v6, cause)),
    }
}

/// One listener for each address, all on the port of the first.
fn bind_all(
    host: &str,
    addresses: &[SocketAddr],
    options: &ListenOptions,
) -> Result<Vec<Listener>, BindError> {
    let mut listeners: Vec<Listener> = Vec::with_capacity(addresses.len());
    let mut left_out = None;
    for &(mut address) in addresses {
        if let Some(first) = listeners.first().and_then(|first| first.local_addr().tcp()) {
            address.set_port(first.port());
        }
        // A `[::]` that took IPv4 too would be in the way of the name's own IPv4 address.
        let v6_only = (address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED))
            .then(|| options.v6_only.unwrap_or(addresses.len() > 1));
        match open(address, v6_only, options) {
            Ok(listener) => listeners.push(listener),
            Err(cause) if family_is_missing(&cause) => {
                left_out = Some(explain(host, address, cause))
            }
            Err(cause) => return Err(explain(host, address, cause)),
        }
    }
    match left_out {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

fn open(
    address: SocketAddr,
    v6_only: Option<bool>,
    options: &ListenOptions,
) -> io::Result<Listener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    // So that a restart need not wait for the TIME_WAIT of the last run's connections.
    socket.set_reuse_address(true)?;
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if let Some(v6_only) = v6_only {
        socket.set_only_v6(v6_only)?;
    }
    socket.bind(&address.into())?;
    socket.listen(options.backlog.try_into().unwrap_or(i32::MAX))?;
    Listener::new(socket)
}

/// The addresses of `host`, each once, in the resolver's order; never empty.
fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, BindError> {
    let asked = written(host, port);
    let found = (host, port).to_socket_addrs().map_err(|cause| {
        let reason = format!("no address found for host {host:?} ({cause})");
        BindError::system(&asked, reason, cause).with_kind(io::ErrorKind::NotFound)
    })?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        let reason = format!("no address found for host {host:?}");
        return Err(BindError::new(asked, io::ErrorKind::NotFound, reason));
    }
    Ok(addresses)
}

fn explain(host: &str, address: SocketAddr, cause: io::Error) -> BindError {
    let mut asked = written(host, address.port());
    if asked != address.to_string() && !host.is_empty() && host != "*" {
        asked = format!("{asked} ({address})");
    }
    let reason = match cause.kind() {
        io::ErrorKind::AddrInUse => "address already in use".into(),
        io::ErrorKind::PermissionDenied if (1..1024).contains(&address.port()) => {
            "permission denied (ports below 1024 need a privilege)".into()
        }
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has that address".into(),
        _ => cause.to_string(),
    };
    BindError::system(asked, reason, cause)
}

fn written(host: &str, port: u16) -> String {
    let host = host.to_owned();
    Bind::Tcp { host, port }.to_string()
}

/// Whether the machine lacks the address, or its whole family: true of `::1` where IPv6 is switched
/// off.
fn family_is_missing(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)
    )
}

/// How often to look for a port that is free on all addresses of a name.
const PORT_ATTEMPTS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    // A process with every privilege, such as a container's root, cannot provoke this one.
    #[test]
    fn a_low_port_without_privilege_says_so() {
        let denied = || io::Error::from(Errno::ACCESS);
        let error = explain("127.0.0.1", ([127, 0, 0, 1], 80).into(), denied());
        assert_eq!(
            error.to_string(),
            "cannot listen on 127.0.0.1:80: permission denied (ports below 1024 need a privilege)"
        );
        assert_eq!(error.raw_os_error(), Some(Errno::ACCESS.raw_os_error()));
        let error = explain("localhost", ([127, 0, 0, 1], 8080).into(), denied());
        assert_eq!(
            error.to_string(),
            "cannot listen on localhost:8080 (127.0.0.1:8080): permission denied"
        );
    }

    #[test]
    fn one_port_serves_all_addresses_and_a_missing_family_is_left_out() {
        let absent = SocketAddr::from(([192, 0, 2, 1], 0)); // TEST-NET-1: no machine has it
        let here = [
            SocketAddr::from(([127, 0, 0, 1], 0)),
            SocketAddr::from(([127, 0, 0, 2], 0)),
        ];
        let options = ListenOptions::default();
        let listeners = bind_all("name", &[absent, here[0], here[1]], &options).unwrap();
        let bound: Vec<SocketAddr> = listeners
            .iter()
            .filter_map(|l| l.local_addr().tcp())
            .collect();
        assert_eq!(
            bound.iter().map(SocketAddr::ip).collect::<Vec<_>>(),
            [here[0].ip(), here[1].ip()]
        );
        assert_eq!(bound[0].port(), bound[1].port());

        let error = bind_all("name", &[absent], &options).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot listen on name:0 (192.0.2.1:0): no interface of this machine has that address"
        );
    }
}
