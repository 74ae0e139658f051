//! Which peers are believed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::listen::PeerAddr;

/// A set of peers: addresses, networks, everybody on a Unix socket, or simply everybody.
///
/// The default is nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    everyone: bool,
    unix: bool,
    networks: Vec<Network>,
}

impl Trust {
    /// Reads `*`, or a list of addresses, networks (`10.0.0.0/8`) and `unix`, separated by commas. An
    /// empty text is nobody. IPv6 addresses are written without brackets.
    ///
    /// # Errors
    /// [`ParseTrustError`] names the member that is none of these.
    pub fn parse(text: &str) -> Result<Self, ParseTrustError> {
        let mut trust = Self::default();
        let members = text.split(',').map(str::trim);
        for member in members.filter(|member| !member.is_empty()) {
            match member {
                "*" => trust.everyone = true,
                // With the colon: as addresses of Unix sockets begin.
                "unix" | "unix:" => trust.unix = true,
                network => trust.networks.push(network.parse()?),
            }
        }
        Ok(if trust.everyone {
            Self::everyone()
        } else {
            trust
        })
    }

    /// Everybody, `*`.
    pub fn everyone() -> Self {
        Trust {
            everyone: true,
            ..Self::default()
        }
    }

    /// Whether `peer` is one of them.
    pub fn covers(&self, peer: &PeerAddr) -> bool {
        match peer {
            PeerAddr::Tcp(address) => self.covers_ip(address.ip()),
            PeerAddr::Unix(_) => self.everyone || self.unix,
            PeerAddr::Unknown => self.everyone,
        }
    }

    /// Whether an address is one of them. An IPv4 address is the same written as IPv6
    /// (`::ffff:192.0.2.1`).
    pub fn covers_ip(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.everyone || self.networks.iter().any(|net| net.contains(address))
    }
}

impl FromStr for Trust {
    type Err = ParseTrustError;

    fn from_str(text: &str) -> Result<Self, ParseTrustError> {
        Self::parse(text)
    }
}

impl fmt::Display for Trust {
    /// Writes what [`parse`](Trust::parse) reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.everyone {
            return f.write_str("*");
        }
        let mut members: Vec<String> = self.networks.iter().map(ToString::to_string).collect();
        if self.unix {
            members.push("unix".to_owned());
        }
        f.write_str(&members.join(","))
    }
}

/// Why a text is no [`Trust`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseTrustError {
    member: String,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Address,
    Prefix(u8),
    /// The network that was probably meant.
    Host(Network),
}

impl fmt::Display for ParseTrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let member = &self.member;
        match &self.problem {
            Problem::Address => write!(
                f,
                "{member:?} is no address that can be trusted; wanted \"*\", \"unix\", an IP address or a network like 10.0.0.0/8"
            ),
            Problem::Prefix(most) => {
                write!(
                    f,
                    "{member:?} has no good prefix length; wanted 0 to {most}"
                )
            }
            Problem::Host(meant) => write!(
                f,
                "{member:?} is an address within its network; wanted the network {meant}"
            ),
        }
    }
}

impl std::error::Error for ParseTrustError {}

/// An address whose first `prefix` bits count; the others are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    fn of(address: IpAddr, prefix: u8) -> Self {
        Network {
            address: masked(address, prefix),
            prefix,
        }
    }

    fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

impl FromStr for Network {
    type Err = ParseTrustError;

    fn from_str(text: &str) -> Result<Self, ParseTrustError> {
        let wrong = |problem| ParseTrustError {
            member: text.to_owned(),
            problem,
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong(Problem::Address))?;
        let Some(prefix) = prefix else {
            let address = address.to_canonical();
            return Ok(Self::of(address, bits(address)));
        };
        let most = bits(address);
        let prefix = Some(prefix)
            .filter(|prefix| prefix.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|prefix| prefix.parse().ok())
            .filter(|&prefix| prefix <= most)
            .ok_or_else(|| wrong(Problem::Prefix(most)))?;
        let network = Self::of(address, prefix);
        if network.address == address {
            Ok(network)
        } else {
            Err(wrong(Problem::Host(network)))
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits(self.address) {
            self.address.fmt(f)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let shift = u32::from(bits(address) - prefix);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(shift).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}
