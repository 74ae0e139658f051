//! Refuses request smuggling before the HTTP/1 parser can be lenient about it.
//!
//! hyper's parser accepts line ends, framing headers and chunk sizes that other
//! implementations read differently, and every such difference lets one client
//! hide a request inside another's. The connection therefore shows each block
//! of freshly read bytes to a [`Guard`] first. The guard looks and never
//! touches: it follows the framing of the messages across reads (head, then a
//! body of known length, a chunked one or none, then the next head) and says
//! at which byte the stream stops being strict RFC 9112.
//!
//! A line is judged when its LF arrives, or when it outgrows its limit,
//! whichever comes first. The verdict is therefore the same however the stream
//! is cut into reads. What a line may hold is in [`head`], [`target`] and
//! [`chunk`]; this file knows where lines and bodies begin and end.
//!
//! HTTP/2 never comes here.

mod chunk;
mod head;
mod scan;
mod target;
#[cfg(test)]
mod tests;

use self::head::{Body, Head};

/// What a head may cost before the client is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadLimits {
    /// Bytes from the request line to the empty line, both included; a trailer
    /// section may have as many again. Past it: 431, or 414 if the request line
    /// alone is longer.
    pub max_head_bytes: u32,
    /// Bytes of the request target. Past it: 414.
    pub max_target_bytes: u32,
    /// Field lines in a head, and again in a trailer section. Past it: 431.
    pub max_headers: u16,
    /// Bytes of one chunk-size line with its extensions and CRLF. Past it: 400.
    pub max_chunk_line: u32,
}

/// Why the stream is refused, and what hyper may still be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reject {
    /// The status to answer with: 400, 414, 431, 501 or 505.
    pub status: u16,
    /// What is wrong, in words fit for a log or a body.
    pub reason: &'static str,
    /// How many bytes of this call come before the first byte of the offending
    /// message: whole earlier messages (or the end of one), which may be handed
    /// on. All bytes after them must be dropped. 0 if the message began in an
    /// earlier call.
    pub accepted: usize,
    /// The offending message began in an earlier call, so hyper has already been
    /// given a part of it: part of the head if `in_body` is false, the whole
    /// head and perhaps some body if it is true.
    pub started_earlier: bool,
    /// The head was in order; the fault is in the chunked framing or the
    /// trailers. With `started_earlier`, a handler may be reading this body and
    /// must see it fail. Without, nobody has seen the message and the answer is
    /// the same as for a bad head.
    pub in_body: bool,
}

/// Whether `bytes` are a host with or without a port, as a Host header has it.
pub(crate) fn is_authority(bytes: &[u8]) -> bool {
    target::authority(bytes).is_some()
}

/// Follows the framing of one connection's incoming HTTP/1 messages.
pub(crate) struct Guard {
    limits: HeadLimits,
    head: Head,
    left: u64, // bytes still to come in `Phase::Length` and `Phase::Chunk`
    room: u32, // bytes that the head or the trailer section may still take
    empty: u8, // empty lines since the last message
    phase: Phase,
    // The beginning of a line whose LF has not come yet. Never empty.
    carry: Option<Box<Carry>>,
}

impl Guard {
    /// Watches a connection from its first byte.
    pub(crate) fn new(limits: HeadLimits) -> Self {
        Guard {
            limits,
            head: Head::default(),
            left: 0,
            room: limits.max_head_bytes,
            empty: 0,
            phase: Phase::RequestLine,
            carry: None,
        }
    }

    /// Looks at `bytes`, the next bytes of the stream.
    ///
    /// Costs nothing per byte of a body. Allocates only while a line is split
    /// over calls, and never more than the limit on that line.
    ///
    /// # Errors
    ///
    /// The first fault of the stream. The connection cannot go on after one:
    /// every later call fails too.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), Reject> {
        let mut at = 0;
        let mut start = 0; // where in `bytes` the message being read begins
        let mut started_earlier = !self.at_message_boundary();
        while at < bytes.len() {
            match self.step(&bytes[at..]) {
                Ok(taken) => at += taken,
                Err(fault) => {
                    let in_body = !matches!(self.phase, Phase::RequestLine | Phase::Fields);
                    self.phase = Phase::Refused;
                    self.carry = None;
                    return Err(Reject {
                        status: fault.status,
                        reason: fault.reason,
                        accepted: start,
                        started_earlier,
                        in_body,
                    });
                }
            }
            if self.at_message_boundary() {
                start = at;
                started_earlier = false;
            }
        }
        Ok(())
    }

    /// Whether no byte of a message has been seen since the last one ended.
    /// Empty lines between messages are not part of one.
    pub(crate) fn at_message_boundary(&self) -> bool {
        self.phase == Phase::RequestLine && self.carry.is_none()
    }

    /// Whether the last message was whole, and its client has promised to send no other (RFC 9112 §9.6:
    /// `Connection: close` alone).
    pub(crate) fn is_last(&self) -> bool {
        self.at_message_boundary() && self.head.closes()
    }

    /// Whether the next byte belongs to a body: whoever parses has seen the whole head.
    pub(crate) fn in_body(&self) -> bool {
        !matches!(
            self.phase,
            Phase::RequestLine | Phase::Fields | Phase::Refused
        )
    }

    /// Takes at least one byte from the front of `rest`, which is not empty;
    /// says how many.
    fn step(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        match self.phase {
            Phase::RequestLine | Phase::Fields => {
                if self.carry.is_none() {
                    let taken = self.whole_lines(rest)?;
                    if taken > 0 {
                        return Ok(taken);
                    }
                }
                self.line(rest)
            }
            Phase::ChunkSize | Phase::Trailers => self.line(rest),
            Phase::Length | Phase::Chunk => {
                let taken = usize::try_from(self.left).map_or(rest.len(), |n| n.min(rest.len()));
                self.left -= taken as u64;
                if self.left == 0 {
                    match self.phase {
                        Phase::Chunk => self.phase = Phase::ChunkCr,
                        _ => self.message_ends(),
                    }
                }
                Ok(taken)
            }
            // RFC 9112 §7.1: chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
            Phase::ChunkCr if rest[0] == b'\r' => {
                self.phase = Phase::ChunkLf;
                Ok(1)
            }
            Phase::ChunkLf if rest[0] == b'\n' => {
                self.phase = Phase::ChunkSize;
                Ok(1)
            }
            Phase::ChunkCr | Phase::ChunkLf => {
                Err(Fault::bad("chunk data is not followed by CRLF"))
            }
            Phase::Refused => Err(Fault::bad("the connection has already been refused")),
        }
    }

    /// The fast path: takes as many whole head lines from the front of `rest`
    /// as are there and look ordinary. Whatever does not is left to `line`,
    /// which knows what is wrong with it.
    fn whole_lines(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        let mut at = 0;
        if self.phase == Phase::RequestLine {
            let Some(line) = scan::request_line(rest) else {
                return Ok(0);
            };
            self.take_room(line.len)?;
            self.head = Head::request(line.method, line.target, line.minor, &self.limits)?;
            self.phase = Phase::Fields;
            at = line.len;
        }
        loop {
            let rest = &rest[at..];
            if rest.starts_with(b"\r\n") {
                self.take_room(2)?;
                self.head_ends()?;
                return Ok(at + 2);
            }
            let Some(line) = scan::field_line(rest) else {
                return Ok(at);
            };
            self.take_room(line.len)?;
            self.head.field(line.name, line.value, &self.limits)?;
            at += line.len;
        }
    }

    /// Takes one line, or the part of it that is there, from the front of
    /// `rest`.
    fn line(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        let carried = self.carry.as_ref().map_or(0, |carry| carry.bytes.len());
        let limit = match self.phase {
            Phase::ChunkSize => self.limits.max_chunk_line,
            _ => self.room,
        } as usize;
        let window = &rest[..rest.len().min(limit - carried)];
        if let Some(lf) = memchr::memchr(b'\n', window) {
            let end = &rest[..=lf];
            match self.carry.take() {
                None => self.judge(end)?,
                Some(mut carry) => {
                    carry.bytes.extend_from_slice(end);
                    self.judge(&carry.bytes)?;
                }
            }
            Ok(end.len())
        } else if window.len() < rest.len() {
            Err(match self.phase {
                Phase::RequestLine => TARGET_TOO_LONG,
                Phase::ChunkSize => Fault::bad("chunk-size line is too long"),
                _ => HEAD_TOO_LARGE,
            })
        } else {
            let carry = self.carry.get_or_insert_default();
            carry.bytes.extend_from_slice(rest);
            Ok(rest.len())
        }
    }

    /// Judges one whole line with its LF, which is within its limit.
    fn judge(&mut self, line: &[u8]) -> Result<(), Fault> {
        let text = scan::line_text(line)?;
        match self.phase {
            // RFC 9112 §2.2: a server should ignore at least one empty line in
            // front of a request. Some clients send one after a body; two are
            // borne, more are not a mistake.
            Phase::RequestLine if text.is_empty() => {
                self.empty += 1;
                if self.empty > MAX_EMPTY_LINES {
                    return Err(Fault::bad("too many empty lines before a request line"));
                }
            }
            Phase::RequestLine => {
                self.take_room(line.len())?;
                let (method, target, minor) = head::split_request_line(text)?;
                self.head = Head::request(method, target, minor, &self.limits)?;
                self.phase = Phase::Fields;
            }
            Phase::Fields => {
                self.take_room(line.len())?;
                if text.is_empty() {
                    self.head_ends()?;
                } else {
                    let (name, value) = head::split_field_line(text)?;
                    self.head.field(name, value, &self.limits)?;
                }
            }
            Phase::ChunkSize => {
                self.left = chunk::size(text)?;
                if self.left > 0 {
                    self.phase = Phase::Chunk;
                } else {
                    self.phase = Phase::Trailers;
                    self.room = self.limits.max_head_bytes;
                    self.head = Head::default();
                }
            }
            _ => {
                debug_assert_eq!(self.phase, Phase::Trailers);
                self.take_room(line.len())?;
                if text.is_empty() {
                    self.message_ends();
                } else {
                    let (name, _) = head::split_field_line(text)?;
                    self.head.trailer(name, &self.limits)?;
                }
            }
        }
        Ok(())
    }

    fn take_room(&mut self, len: usize) -> Result<(), Fault> {
        match u32::try_from(len)
            .ok()
            .and_then(|len| self.room.checked_sub(len))
        {
            Some(room) => {
                self.room = room;
                Ok(())
            }
            None if self.phase == Phase::RequestLine => Err(TARGET_TOO_LONG),
            None => Err(HEAD_TOO_LARGE),
        }
    }

    fn head_ends(&mut self) -> Result<(), Fault> {
        match self.head.body()? {
            Body::Length(0) => self.message_ends(),
            Body::Length(length) => {
                self.left = length;
                self.phase = Phase::Length;
            }
            Body::Chunked => self.phase = Phase::ChunkSize,
        }
        Ok(())
    }

    fn message_ends(&mut self) {
        self.phase = Phase::RequestLine;
        self.room = self.limits.max_head_bytes;
        self.empty = 0;
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    RequestLine,
    Fields,
    Length,
    ChunkSize,
    Chunk,
    ChunkCr,
    ChunkLf,
    Trailers,
    Refused,
}

/// A box of its own, so that the many connections that never split a line pay
/// eight bytes for it.
#[derive(Default)]
struct Carry {
    bytes: Vec<u8>,
}

/// What is wrong with a line, before it is known where in the stream it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fault {
    status: u16,
    reason: &'static str,
}

impl Fault {
    const fn bad(reason: &'static str) -> Self {
        Fault {
            status: 400,
            reason,
        }
    }

    const fn of(status: u16, reason: &'static str) -> Self {
        Fault { status, reason }
    }
}

const MAX_EMPTY_LINES: u8 = 2;
const TARGET_TOO_LONG: Fault = Fault::of(414, "request target is too long");
const HEAD_TOO_LARGE: Fault = Fault::of(431, "request header fields are too large");
