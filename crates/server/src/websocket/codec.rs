//! The bytes of a WebSocket (RFC 6455 §5) with permessage-deflate (RFC 7692), without any I/O: what comes
//! goes into a [`Decoder`], what is to be sent comes out of an [`Encoder`].

mod close;
mod decode;
mod deflate;
mod encode;
mod extension;
mod mask;

pub(crate) use self::close::{clip, is_sendable};
pub(crate) use self::decode::{Decoder, Incoming};
pub(crate) use self::encode::{Encoder, close_frame, control_frame};
pub(crate) use self::extension::Deflate;

/// Why a connection has to be failed (RFC 6455 §7.1.7), and the code that tells the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

impl Fault {
    const fn protocol(reason: &'static str) -> Self {
        Fault { code: 1002, reason }
    }

    const fn payload(reason: &'static str) -> Self {
        Fault { code: 1007, reason }
    }

    const TOO_BIG: Self = Fault {
        code: 1009,
        reason: "the message is longer than the limit",
    };
}

/// Opcodes (RFC 6455 §5.2).
mod opcode {
    pub(super) const CONTINUATION: u8 = 0x0;
    pub(super) const TEXT: u8 = 0x1;
    pub(super) const BINARY: u8 = 0x2;
    pub(super) const CLOSE: u8 = 0x8;
    pub(super) const PING: u8 = 0x9;
    pub(super) const PONG: u8 = 0xA;
}

/// The ping that [`control_frame`] makes.
pub(crate) const PING: u8 = opcode::PING;
/// The pong that [`control_frame`] makes.
pub(crate) const PONG: u8 = opcode::PONG;
