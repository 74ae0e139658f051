//! Taking apart what a client sends.

use bytes::{Bytes, BytesMut};
use simdutf8::compat::from_utf8;

use super::deflate::Inflater;
use super::{Deflate, Fault, close, mask, opcode};

/// What has come in whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A text message: UTF-8.
    Text(Bytes),
    Binary(Bytes),
    /// To be answered with a pong of the same payload.
    Ping(Bytes),
    Pong,
    /// The last thing that comes.
    Close(Option<(u16, String)>),
}

/// Follows one client's frames. What it holds is bounded by the largest message, however many fragments
/// that has; a fault shows with the first byte that is wrong, not with the end of its frame.
pub(crate) struct Decoder {
    max_message: usize,
    inflater: Option<Inflater>,
    /// The head of a frame, as far as it has come.
    head: [u8; 14],
    have: usize,
    frame: Option<Frame>,
    message: Option<Message>,
    /// The payload of a control frame, which may stand between the fragments of a message.
    control: BytesMut,
}

/// A frame whose payload is coming.
struct Frame {
    kind: u8,
    fin: bool,
    mask: [u8; 4],
    /// Where in the mask the next byte is.
    offset: u8,
    left: u64,
}

/// A message whose fragments are coming.
struct Message {
    text: bool,
    packed: bool,
    data: BytesMut,
    /// So many bytes of a text are known to be UTF-8.
    checked: usize,
}

impl Decoder {
    pub(crate) fn new(max_message: usize, deflate: Option<&Deflate>) -> Self {
        Decoder {
            max_message,
            inflater: deflate.map(Inflater::new),
            head: [0; 14],
            have: 0,
            frame: None,
            message: None,
            control: BytesMut::new(),
        }
    }

    /// Takes bytes from the front of `input` until something is whole, or all are taken.
    ///
    /// # Errors
    /// The first fault. Nothing can be decoded after one.
    pub(crate) fn feed(&mut self, input: &mut &[u8]) -> Result<Option<Incoming>, Fault> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.head(input)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            let n = usize::try_from(frame.left).map_or(input.len(), |left| left.min(input.len()));
            let (piece, rest) = input.split_at(n);
            *input = rest;
            frame.left -= n as u64;
            if is_control(frame.kind) {
                let from = self.control.len();
                self.control.extend_from_slice(piece);
                frame.offset = mask::apply(&mut self.control[from..], frame.mask, frame.offset);
                if frame.left == 0 {
                    return self.control(frame.kind).map(Some);
                }
            } else {
                self.data(&mut frame, piece)?;
                if frame.left == 0 && frame.fin {
                    return self.whole().map(Some);
                }
            }
            if frame.left != 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
        }
    }

    /// Reads a frame's head; none while it is not whole.
    fn head(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, Fault> {
        loop {
            let extended = match self.head[1] & 0x7f {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            let need = if self.have < 2 { 2 } else { 2 + extended + 4 };
            if self.have == need {
                self.have = 0;
                return self.begin(extended).map(Some);
            }
            let n = (need - self.have).min(input.len());
            if n == 0 {
                return Ok(None);
            }
            let (piece, rest) = input.split_at(n);
            *input = rest;
            self.head[self.have..self.have + n].copy_from_slice(piece);
            self.have += n;
            if self.have == 2 {
                self.check()?;
            }
        }
    }

    /// Judges the first two bytes of a frame.
    fn check(&self) -> Result<(), Fault> {
        let [first, second, ..] = self.head;
        let kind = first & 0x0f;
        let wrong = |what| Err(Fault::protocol(what));
        match kind {
            opcode::CONTINUATION if self.message.is_none() => {
                return wrong("a continuation of no message");
            }
            opcode::TEXT | opcode::BINARY if self.message.is_some() => {
                return wrong("a new message before the end of the last one");
            }
            opcode::CONTINUATION..=opcode::BINARY | opcode::CLOSE..=opcode::PONG => {}
            _ => return wrong("a reserved opcode"),
        }
        let packed = self.inflater.is_some() && matches!(kind, opcode::TEXT | opcode::BINARY);
        if first & 0x30 != 0 || first & 0x40 != 0 && !packed {
            return wrong("a reserved bit");
        }
        if second & 0x80 == 0 {
            return wrong("a frame without a mask");
        }
        if is_control(kind) {
            if first & 0x80 == 0 {
                return wrong("a control frame in fragments");
            }
            if second & 0x7f > 125 {
                return wrong("a control frame of more than 125 bytes");
            }
            if kind == opcode::CLOSE && second & 0x7f == 1 {
                return wrong("a close frame with half a code");
            }
        }
        Ok(())
    }

    /// Begins with a frame whose head is whole.
    fn begin(&mut self, extended: usize) -> Result<Frame, Fault> {
        let [first, second, ..] = self.head;
        let length = match extended {
            0 => u64::from(second & 0x7f),
            _ => self.head[2..2 + extended]
                .iter()
                .fold(0, |length, &byte| length << 8 | u64::from(byte)),
        };
        if extended == 2 && length < 126 || extended == 8 && length <= 0xffff {
            return Err(Fault::protocol("a length in more bytes than it needs"));
        }
        if length >> 63 != 0 {
            return Err(Fault::protocol("a length of more than 63 bits"));
        }
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.head[2 + extended..6 + extended]);
        let kind = first & 0x0f;
        if !is_control(kind) {
            let message = self.message.get_or_insert_with(|| Message {
                text: kind == opcode::TEXT,
                packed: first & 0x40 != 0,
                data: BytesMut::new(),
                checked: 0,
            });
            // How long a compressed one is shows later.
            let room = (self.max_message - message.data.len()) as u64;
            if !message.packed && length > room {
                return Err(Fault::TOO_BIG);
            }
        }
        Ok(Frame {
            kind,
            fin: first & 0x80 != 0,
            mask,
            offset: 0,
            left: length,
        })
    }

    /// Adds a piece of a frame to the message.
    fn data(&mut self, frame: &mut Frame, piece: &[u8]) -> Result<(), Fault> {
        let Some(message) = &mut self.message else {
            unreachable!("`begin` has made it")
        };
        match &mut self.inflater {
            Some(inflater) if message.packed => {
                let mut plain = [0; 1 << 10];
                for piece in piece.chunks(plain.len()) {
                    let plain = &mut plain[..piece.len()];
                    plain.copy_from_slice(piece);
                    frame.offset = mask::apply(plain, frame.mask, frame.offset);
                    inflater.inflate(plain, &mut message.data, self.max_message)?;
                }
            }
            _ => {
                let from = message.data.len();
                message.data.extend_from_slice(piece);
                frame.offset = mask::apply(&mut message.data[from..], frame.mask, frame.offset);
            }
        }
        message.check(false)
    }

    /// Ends the message.
    fn whole(&mut self) -> Result<Incoming, Fault> {
        let Some(mut message) = self.message.take() else {
            unreachable!("`begin` has made it")
        };
        if let Some(inflater) = &mut self.inflater
            && message.packed
        {
            inflater.finish(&mut message.data, self.max_message)?;
        }
        message.check(true)?;
        let data = message.data.freeze();
        Ok(if message.text {
            Incoming::Text(data)
        } else {
            Incoming::Binary(data)
        })
    }

    /// A control frame that is whole.
    fn control(&mut self, kind: u8) -> Result<Incoming, Fault> {
        let payload = std::mem::take(&mut self.control).freeze();
        Ok(match kind {
            opcode::PING => Incoming::Ping(payload),
            opcode::PONG => Incoming::Pong,
            _ => Incoming::Close(close::parse(&payload)?),
        })
    }
}

impl Message {
    /// Whether what has come of a text is UTF-8 (RFC 6455 §8.1). Until the end it may stop inside a
    /// character, whose bytes are looked at again with those that complete it.
    fn check(&mut self, end: bool) -> Result<(), Fault> {
        if !self.text || self.checked == self.data.len() {
            return Ok(());
        }
        match from_utf8(&self.data[self.checked..]) {
            Ok(_) => self.checked = self.data.len(),
            Err(e) if e.error_len().is_none() && !end => self.checked += e.valid_up_to(),
            Err(_) => return Err(Fault::payload("a text that is not UTF-8")),
        }
        Ok(())
    }
}

fn is_control(kind: u8) -> bool {
    kind & 0x8 != 0
}
