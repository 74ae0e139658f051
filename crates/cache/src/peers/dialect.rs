//! The three groupcaches of Go and our own dialect, where they differ.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::ring::RingKind;

/// Whose protocol and ring a cluster uses. Every node of a cluster must use the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// golang/groupcache. It knows no set, no delete and no expiry: what a peer gives is kept until it has
    /// to make room.
    Golang,
    /// mailgun/groupcache (version 2): set, delete and expiry.
    Mailgun,
    /// groupcache/groupcache-go (version 3): as version 2; a set tells every node.
    GroupcacheGo,
    /// Our own, for clusters of Oxbridge nodes only: keys are spread evenly
    /// ([`RingKind::Rendezvous`]); a set or delete that is acknowledged has been seen by every node; many keys
    /// travel in one request; nodes know each other by a shared secret ([`Peers::secret`](super::Peers::secret))
    /// and, over TLS, by certificates.
    Oxbridge,
}

impl Dialect {
    /// Its name in snapshots and settings.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Golang => "golang",
            Dialect::Mailgun => "mailgun",
            Dialect::GroupcacheGo => "groupcache-go",
            Dialect::Oxbridge => "oxbridge",
        }
    }

    /// How its clusters divide their keys.
    pub fn ring(self) -> RingKind {
        match self {
            Dialect::Golang => RingKind::Crc32,
            Dialect::Mailgun | Dialect::GroupcacheGo => RingKind::Fnv1,
            Dialect::Oxbridge => RingKind::Rendezvous,
        }
    }

    /// Whether peers can be told to set and to forget.
    pub(crate) fn can_change(self) -> bool {
        self != Dialect::Golang
    }

    /// Whether an address has a scheme.
    pub(crate) fn has_scheme(self) -> bool {
        self != Dialect::GroupcacheGo
    }

    /// A group or a key as it stands in a path.
    pub(crate) fn escape(self, text: &[u8]) -> String {
        let keeps = match self {
            // Go's client escapes a space as "+" here, and its server does not take that back. As "%20"
            // it arrives; the "+" itself is escaped, as Go does.
            Dialect::Golang => QUERY,
            Dialect::Mailgun | Dialect::GroupcacheGo | Dialect::Oxbridge => PATH,
        };
        percent_encode(text, keeps).to_string()
    }

    /// A key as it stood in the path of a request, already percent-decoded except for what this undoes.
    ///
    /// In golang/groupcache's dialect a "+" in the path can only be a space, for clients write the
    /// character itself as "%2B".
    pub(crate) fn unescape_plus(self) -> bool {
        self == Dialect::Golang
    }
}

/// Go's `url.QueryEscape` keeps these.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// Go's `url.PathEscape` keeps these besides.
const PATH: &AsciiSet = &QUERY
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b':')
    .remove(b'=')
    .remove(b'@');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_go_clients() {
        for (dialect, key, path) in [
            (Dialect::Golang, &b"a b/c,d"[..], "a%20b%2Fc%2Cd"),
            (Dialect::Golang, b"1+1=2", "1%2B1%3D2"),
            (Dialect::Mailgun, b"a b/c,d", "a%20b%2Fc%2Cd"),
            (Dialect::Mailgun, b"$&+:=@;?", "$&+:=@%3B%3F"),
            (Dialect::GroupcacheGo, b"\xff\x00h\xc3\xa9", "%FF%00h%C3%A9"),
            (Dialect::GroupcacheGo, b"..", ".."),
        ] {
            assert_eq!(dialect.escape(key), path, "{dialect:?} {key:?}");
        }
    }
}
