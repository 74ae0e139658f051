//! Responses in fewer bytes, for clients that accept it (RFC 9110 §8.4 and §12.5.3).
//!
//! [`Builder::compression`](crate::Builder::compression) turns it on for the whole server, whichever
//! handler answers. What a handler has coded itself (Content-Encoding), a part (206), an answer that says
//! `Cache-Control: no-transform`, and what gains nothing (pictures, films, archives) stay as they are.
//! A response that streams is compressed as it streams: what the handler flushes, the client can decode
//! at once.
//!
//! Compression runs where responses leave, inside the reactor, so it takes time from every client of
//! that reactor. Default levels are low for this reason; a reactor turns to its other clients after each
//! 64 KiB. Files that do not change are better compressed once: see
//! [`StaticDir::precompressed`](crate::files::StaticDir::precompressed).
//!
//! A response that streams has a compressor of its own until it ends: about 2 MiB of memory for br, 1.5 MiB
//! for zstd and 0.5 MiB for gzip. [`Compression::max_streams`] bounds how many there are at once; a response
//! past that goes as it is.
//!
//! **BREACH.** The length of a compressed response tells what repeats in it. If a response holds a secret
//! (a token against request forgery, say) together with something that an attacker may choose (a query
//! that is echoed), and the attacker sees lengths, TLS does not protect the secret. Such responses should
//! say `Cache-Control: no-transform`, or mask the secret anew each time, as Django and Rails do.

mod accept;
mod body;
mod encoder;
mod negotiated;
mod streams;

pub(crate) use self::accept::Accepted;
pub(crate) use self::negotiated::{Negotiated, vary};
pub(crate) use self::streams::Compressor;
use self::streams::Stream;

/// A content coding that responses can be compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `zstd` (RFC 8878): the quickest, and smaller than gzip.
    Zstd,
    /// `br` (RFC 7932): the smallest text.
    Brotli,
    /// `gzip` (RFC 1952): every client knows it.
    Gzip,
}

impl Algorithm {
    /// All of them, the one to be preferred first.
    pub const ALL: [Algorithm; 3] = [Algorithm::Zstd, Algorithm::Brotli, Algorithm::Gzip];

    /// Its name in Accept-Encoding and Content-Encoding.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Zstd => "zstd",
            Algorithm::Brotli => "br",
            Algorithm::Gzip => "gzip",
        }
    }

    /// What the names of files that are compressed with it end with, after the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Algorithm::Zstd => "zst",
            Algorithm::Brotli => "br",
            Algorithm::Gzip => "gz",
        }
    }

    /// The one with this name.
    ///
    /// ```
    /// use oxbridge::compression::Algorithm;
    /// assert_eq!(Algorithm::named("br"), Some(Algorithm::Brotli));
    /// assert_eq!(Algorithm::named("deflate"), None);
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name() == name)
    }
}

/// How responses are compressed.
///
/// ```
/// use oxbridge::{Compression, Server};
/// use oxbridge::compression::Algorithm;
///
/// let compression = Compression {
///     algorithms: vec![Algorithm::Brotli, Algorithm::Gzip],
///     ..Compression::default()
/// };
/// let builder = Server::builder().compression(compression);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compression {
    /// What may be used; of those that a client likes equally the first is. Default: zstd, br, gzip.
    pub algorithms: Vec<Algorithm>,
    /// A response that is known to have fewer bytes stays as it is. Default 1024.
    pub min_size: u64,
    /// The level of zstd, from 1 to 22; others are taken for the nearest. Default 3.
    pub zstd_level: i32,
    /// The quality of Brotli, from 0 to 11; more counts as 11. Default 4.
    pub brotli_quality: u32,
    /// The level of gzip, from 0 to 9; more counts as 9. Default 6.
    pub gzip_level: u32,
    /// Whether `text/event-stream` is compressed too. Each event is flushed by itself then, which saves
    /// less than in other responses, and some proxies hold compressed events back. Default false.
    pub event_streams: bool,
    /// How many responses may be compressed as they stream, at the same time, all reactors of the server
    /// together; those past it are sent as they are. 0 leaves only whole responses of up to 64 KiB to be
    /// compressed, which takes memory for a moment only. Default 256.
    pub max_streams: usize,
}

impl Default for Compression {
    fn default() -> Self {
        Compression {
            algorithms: Algorithm::ALL.to_vec(),
            min_size: 1024,
            zstd_level: 3,
            brotli_quality: 4,
            gzip_level: 6,
            event_streams: false,
            max_streams: 256,
        }
    }
}
