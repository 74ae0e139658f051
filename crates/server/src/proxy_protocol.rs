//! The PROXY protocol (HAProxy's specification, versions 1 and 2): a load balancer says, in front of
//! everything else on a connection, whose connection it passes on.
//!
//! Exactly the header is read and not a byte more, so that TLS or HTTP finds its own first byte next. A
//! connection that begins with anything else is closed: a server that took both would believe a client
//! that comes around the load balancer.

mod v1;
mod v2;

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;

use crate::conn::{Conn, Order};
use crate::forwarded::Trust;
use crate::listen::{Accepted, PeerAddr};

/// Reads the header of a connection. Gives the client that it names, if it names one.
///
/// The sweep bounds the time: until the first request the connection is in its head phase.
pub(crate) async fn read(
    accepted: &Accepted,
    conn: &Conn,
    from: &Trust,
) -> Result<Option<PeerAddr>, Refusal> {
    if !from.covers(&conn.socket_peer) {
        return Err(Refusal::Bad("it is none of those whose header is taken"));
    }
    let mut reading = pin!(header(accepted));
    poll_fn(|cx| match reading.as_mut().poll(cx) {
        // Nothing has been asked yet, so nothing is owed.
        Poll::Pending if conn.order() == Order::Drain => {
            Poll::Ready(Err(Refusal::Left(io::ErrorKind::ConnectionAborted.into())))
        }
        polled => polled,
    })
    .await
}

/// Why a connection does not begin as it has to.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// What came is no header that can be taken.
    Bad(&'static str),
    /// The connection ended before anything came, or for a reason below the protocol.
    Left(io::Error),
}

impl Refusal {
    /// Tells the log. A connection that says nothing at all is how load balancers look whether a
    /// server is alive, and worth no warning.
    pub(crate) fn log(&self, peer: &PeerAddr) {
        match self {
            Refusal::Bad(why) => {
                tracing::warn!(%peer, "connection closed for its PROXY header: {why}");
            }
            Refusal::Left(e) => {
                tracing::debug!(%peer, "connection ended before its PROXY header: {e}")
            }
        }
    }
}

async fn header(accepted: &Accepted) -> Result<Option<PeerAddr>, Refusal> {
    // No header of either version is shorter than this.
    let mut start = [0; v2::SIGNATURE.len()];
    let mut len = 0;
    while len < start.len() {
        let n = receive(accepted, &mut start[len..], RecvFlags::empty()).await?;
        if n == 0 && len == 0 {
            return Err(Refusal::Left(io::ErrorKind::UnexpectedEof.into()));
        }
        len += more(n)?;
        let begins = |with: &[u8]| with.iter().zip(&start[..len]).all(|(a, b)| a == b);
        if !begins(v2::SIGNATURE) && !begins(v1::SIGNATURE) {
            return Err(Refusal::Bad("it does not begin with one"));
        }
    }
    if start == *v2::SIGNATURE {
        binary(accepted, &start).await
    } else {
        line(accepted, &start).await
    }
}

/// The rest of a header of version 1: up to its end of line.
async fn line(accepted: &Accepted, start: &[u8]) -> Result<Option<PeerAddr>, Refusal> {
    let mut line = [0; v1::LONGEST];
    line[..start.len()].copy_from_slice(start);
    let mut len = start.len();
    while line[len - 1] != b'\n' {
        if len == line.len() {
            return Err(Refusal::Bad("its line is longer than 107 bytes"));
        }
        let seen = receive(accepted, &mut line[len..], RecvFlags::PEEK).await?;
        let ahead = &line[len..len + more(seen)?];
        // What stands before the end of the line belongs to it.
        let ours = memchr::memchr(b'\n', ahead).map_or(ahead.len(), |at| at + 1);
        len += more(receive(accepted, &mut line[len..len + ours], RecvFlags::empty()).await?)?;
    }
    v1::parse(&line[..len]).map_err(Refusal::Bad)
}

/// The rest of a header of version 2.
async fn binary(accepted: &Accepted, signature: &[u8]) -> Result<Option<PeerAddr>, Refusal> {
    let mut header = signature.to_vec();
    fill(accepted, &mut header, v2::FIXED).await?;
    let length = v2::length(&header).map_err(Refusal::Bad)?;
    fill(accepted, &mut header, v2::FIXED + length).await?;
    v2::parse(&header).map_err(Refusal::Bad)
}

/// Reads until `header` is `length` bytes long.
async fn fill(accepted: &Accepted, header: &mut Vec<u8>, length: usize) -> Result<(), Refusal> {
    let mut have = header.len();
    header.resize(length, 0);
    while have < length {
        have += more(receive(accepted, &mut header[have..], RecvFlags::empty()).await?)?;
    }
    Ok(())
}

/// Waits for bytes; 0 is the end of the stream.
async fn receive(accepted: &Accepted, buf: &mut [u8], flags: RecvFlags) -> Result<usize, Refusal> {
    let readable = Interest::READABLE;
    match accepted {
        Accepted::Tcp(tcp) => {
            let mut once = || Ok(recv(tcp, &mut *buf, flags)?.1);
            tcp.async_io(readable, &mut once).await
        }
        Accepted::Unix(unix) => {
            let mut once = || Ok(recv(unix, &mut *buf, flags)?.1);
            unix.async_io(readable, &mut once).await
        }
    }
    .map_err(Refusal::Left)
}

/// What was read, unless it is the end in the middle of a header.
fn more(n: usize) -> Result<usize, Refusal> {
    match n {
        0 => Err(Refusal::Bad("it ends within the header")),
        n => Ok(n),
    }
}
