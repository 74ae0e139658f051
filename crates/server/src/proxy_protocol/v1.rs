//! Version 1 of the PROXY protocol: a line of text (§2.1 of the specification).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::listen::PeerAddr;

/// How every header of this version begins.
pub(super) const SIGNATURE: &[u8] = b"PROXY ";
/// The most that a header has, end of line included.
pub(super) const LONGEST: usize = 107;

/// Takes a whole header apart, which ends with LF. None for `UNKNOWN`: the connection is its own.
pub(super) fn parse(line: &[u8]) -> Result<Option<PeerAddr>, &'static str> {
    let text = line
        .strip_suffix(b"\r\n")
        .ok_or("its line does not end with CR LF")?;
    let text = std::str::from_utf8(text).map_err(|_| "its line is not ASCII")?;
    let rest = text
        .strip_prefix("PROXY ")
        .ok_or("it does not begin with one")?;
    if rest == "UNKNOWN" || rest.starts_with("UNKNOWN ") {
        return Ok(None);
    }
    // Exactly one space between fields, so an empty field is a fault.
    let mut fields = rest.split(' ');
    let mut next = || fields.next().ok_or("its line lacks fields");
    let family = next()?;
    let (source, destination) = (next()?, next()?);
    let source_port = port(next()?)?;
    port(next()?)?;
    if fields.next().is_some() {
        return Err("its line has too many fields");
    }
    let source: IpAddr = match family {
        "TCP4" => both::<Ipv4Addr>(source, destination)?.into(),
        "TCP6" => both::<Ipv6Addr>(source, destination)?.into(),
        _ => return Err("its protocol is none of TCP4, TCP6 and UNKNOWN"),
    };
    Ok(Some(PeerAddr::Tcp(SocketAddr::new(
        source.to_canonical(),
        source_port,
    ))))
}

/// The first of two addresses, which both have to be good.
fn both<A: FromStr>(source: &str, destination: &str) -> Result<A, &'static str> {
    match (source.parse(), destination.parse::<A>()) {
        (Ok(source), Ok(_)) => Ok(source),
        _ => Err("an address in its line is not of its protocol"),
    }
}

/// A decimal number without leading zeros.
fn port(text: &str) -> Result<u16, &'static str> {
    Some(text)
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        .filter(|text| *text == "0" || !text.starts_with('0'))
        .and_then(|text| text.parse().ok())
        .ok_or("a port in its line is no number of 0 to 65535")
}
