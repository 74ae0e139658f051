//! Version 2 of the PROXY protocol: binary (§2.2 of the specification).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::listen::PeerAddr;

/// How every header of this version begins; nothing else that is spoken on a connection does.
pub(super) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length of the rest.
pub(super) const FIXED: usize = 16;
/// The most that may follow the fixed part. Addresses take at most 216 bytes; the rest is for
/// extensions, a client's certificate for example.
const LONGEST: usize = 4096;

/// How many bytes follow the fixed part.
pub(super) fn length(fixed: &[u8]) -> Result<usize, &'static str> {
    match *fixed {
        [.., high, low] => Some(usize::from(u16::from_be_bytes([high, low])))
            .filter(|&length| length <= LONGEST)
            .ok_or("it is longer than 4096 bytes"),
        _ => Err("it ends within the header"),
    }
}

/// Takes a whole header apart. None if the connection is the load balancer's own, or it does not say
/// whose it is.
pub(super) fn parse(header: &[u8]) -> Result<Option<PeerAddr>, &'static str> {
    let (Some(&[command, family, ..]), Some(rest)) =
        (header.get(SIGNATURE.len()..FIXED), header.get(FIXED..))
    else {
        return Err("it ends within the header");
    };
    if command >> 4 != 2 {
        return Err("its version is neither 1 nor 2");
    }
    let (client, addresses) = match (family >> 4, family & 0xf) {
        (0, 0) => (None, 0),
        (1, 1) => (Some(v4(rest).ok_or(SHORT)?), 12),
        (2, 1) => (Some(v6(rest).ok_or(SHORT)?), 36),
        (3, 1) => (Some(unix(rest).ok_or(SHORT)?), 216),
        (1..=3, 2) => return Err("it is about datagrams"),
        _ => return Err("its family or transport is unknown"),
    };
    check_extensions(header, FIXED + addresses)?;
    match command & 0xf {
        // LOCAL: a health check. Its addresses, if any, mean nothing.
        0 => Ok(None),
        1 => Ok(client),
        _ => Err("its command is neither LOCAL nor PROXY"),
    }
}

const SHORT: &str = "it is too short for its addresses";

fn v4(addresses: &[u8]) -> Option<PeerAddr> {
    let (source, rest) = addresses.split_first_chunk::<4>()?;
    let (_destination, rest) = rest.split_first_chunk::<4>()?;
    Some(tcp(Ipv4Addr::from(*source).into(), ports(rest)?))
}

fn v6(addresses: &[u8]) -> Option<PeerAddr> {
    let (source, rest) = addresses.split_first_chunk::<16>()?;
    let (_destination, rest) = rest.split_first_chunk::<16>()?;
    Some(tcp(Ipv6Addr::from(*source).into(), ports(rest)?))
}

/// The source port, of two.
fn ports(ports: &[u8]) -> Option<u16> {
    let (ports, _) = ports.split_first_chunk::<4>()?;
    Some(u16::from_be_bytes([ports[0], ports[1]]))
}

fn tcp(ip: IpAddr, port: u16) -> PeerAddr {
    PeerAddr::Tcp(SocketAddr::new(ip.to_canonical(), port))
}

/// Two paths of 108 bytes, filled up with NUL.
fn unix(addresses: &[u8]) -> Option<PeerAddr> {
    let (source, rest) = addresses.split_first_chunk::<108>()?;
    let (_destination, _) = rest.split_first_chunk::<108>()?;
    let path = source.split(|&b| b == 0).next().unwrap_or_default();
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(path));
    Some(PeerAddr::Unix(
        Some(path).filter(|path| !path.as_os_str().is_empty()),
    ))
}

/// Walks over the extensions from `from` on (type, length, value), and checks the checksum if there is
/// one; the others are of no interest.
fn check_extensions(header: &[u8], from: usize) -> Result<(), &'static str> {
    let mut at = from;
    let mut has_checksum = false;
    while let Some(&[kind, high, low]) = header.get(at..at + 3) {
        let value = at + 3;
        let end = value + usize::from(u16::from_be_bytes([high, low]));
        let Some(bytes) = header.get(value..end) else {
            return Err("an extension is longer than the header");
        };
        if kind == CHECKSUM {
            if std::mem::replace(&mut has_checksum, true) {
                return Err("it has two checksums");
            }
            let [a, b, c, d] = *bytes else {
                return Err("its checksum is not of 4 bytes");
            };
            if crc32c(header, value..end) != u32::from_be_bytes([a, b, c, d]) {
                return Err("its checksum is wrong");
            }
        }
        at = end;
    }
    if at == header.len() {
        Ok(())
    } else {
        Err("an extension is longer than the header")
    }
}

/// `PP2_TYPE_CRC32C`.
const CHECKSUM: u8 = 0x03;

/// CRC-32C (RFC 3720, appendix B.4) of `bytes`, those of `blank` counted as 0. Headers are short and one
/// a connection, so a table would cost more than it saves.
fn crc32c(bytes: &[u8], blank: std::ops::Range<usize>) -> u32 {
    let all = bytes.iter().enumerate().fold(u32::MAX, |crc, (at, &byte)| {
        let byte = if blank.contains(&at) { 0 } else { byte };
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    });
    !all
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn the_checksum_is_the_one_of_iscsi() {
        assert_eq!(crc32c(b"123456789", 0..0), 0xe306_9283);
        // RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(crc32c(&[0xff; 32], 0..32), 0x8a91_36aa);
    }
}
