//! A WebSocket client that sends exactly what a test wants, and takes apart what comes as strictly.
#![allow(
    dead_code,
    reason = "not every test file that has this module uses all of it"
)]

use std::net::TcpStream;

use oxbridge::Server;

use crate::wire::{Answer, Client};

/// One connection that has become a WebSocket.
pub(crate) struct Socket {
    pub(crate) client: Client<TcpStream>,
    pub(crate) answer: Answer,
}

/// A frame that came: its first byte and its payload.
pub(crate) type Frame = (u8, Vec<u8>);

impl Socket {
    /// Opens one; `fields` are whole lines.
    pub(crate) fn open(server: &Server, target: &str, fields: &str) -> Self {
        let mut client = Client::of(server);
        client.send(handshake(target, fields));
        let answer = client.head();
        assert_eq!(answer.status, 101, "{answer:?}");
        Socket { client, answer }
    }

    pub(crate) fn send(&mut self, first: u8, payload: &[u8]) -> &mut Self {
        self.client.send(frame(first, payload));
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.send(0x81, text.as_bytes())
    }

    pub(crate) fn close(&mut self, code: u16) -> &mut Self {
        self.send(0x88, &code.to_be_bytes())
    }

    /// The next frame.
    pub(crate) fn frame(&mut self) -> Frame {
        let head = self.client.take(2);
        assert_eq!(head[1] & 0x80, 0, "a server does not mask (RFC 6455 §5.1)");
        let length = match head[1] {
            126 => {
                let length = u64::from(u16::from_be_bytes(self.client.take(2).try_into().unwrap()));
                assert!(length > 125, "a length in more bytes than it needs");
                length
            }
            127 => {
                let length = u64::from_be_bytes(self.client.take(8).try_into().unwrap());
                assert!(length > 0xffff, "a length in more bytes than it needs");
                length
            }
            length => length.into(),
        };
        (head[0], self.client.take(length as usize))
    }

    pub(crate) fn expect_text(&mut self, text: &str) -> &mut Self {
        assert_eq!(self.frame(), (0x81, text.as_bytes().to_vec()));
        self
    }

    /// Requires a close frame with this code and, if `ends`, nothing after it.
    pub(crate) fn expect_close(&mut self, code: u16) -> &mut Self {
        let (first, payload) = self.frame();
        assert_eq!(first, 0x88, "no close frame: {payload:?}");
        assert_eq!(payload[..2], code.to_be_bytes(), "{payload:?}");
        self
    }
}

/// The bytes of an opening handshake.
pub(crate) fn handshake(target: &str, fields: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{fields}\r\n"
    )
}

/// The bytes of a masked frame.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}
