//! What a request head may say, and what body it announces.

use super::scan::{self, TARGET, TOKEN};
use super::{Fault, HeadLimits, TARGET_TOO_LONG, target};

/// What the lines of one head have said so far. Of a trailer section only the
/// number of lines is kept.
#[derive(Clone, Copy, Default)]
pub(super) struct Head {
    length: u64, // of Content-Length, if `LENGTH` is set
    fields: u16,
    seen: u8,
}

/// How the body that follows a head is framed (RFC 9112 §6.3).
pub(super) enum Body {
    /// So many bytes; none for a request with neither framing header.
    Length(u64),
    /// Chunks.
    Chunked,
}

impl Head {
    /// Begins with a request line of HTTP/1.`minor`.
    #[inline]
    pub(super) fn request(
        method: &[u8],
        target: &[u8],
        minor: u8,
        limits: &HeadLimits,
    ) -> Result<Self, Fault> {
        if target.len() > limits.max_target_bytes as usize {
            return Err(TARGET_TOO_LONG);
        }
        target::check(method, target)?;
        let seen = if minor == 0 { HTTP_1_0 } else { 0 };
        Ok(Head {
            length: 0,
            fields: 0,
            seen,
        })
    }

    /// Adds a field line whose name is a token. `value` may have white space
    /// around it and holds no control character.
    #[inline]
    pub(super) fn field(
        &mut self,
        name: &[u8],
        value: &[u8],
        limits: &HeadLimits,
    ) -> Result<(), Fault> {
        self.count(limits)?;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(scan::trim(value)),
            10 if name.eq_ignore_ascii_case(b"connection") => {
                if scan::trim(value).eq_ignore_ascii_case(b"close") {
                    self.seen |= CLOSE;
                }
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(CONTENT_LENGTH) => self.length(scan::trim(value)),
            17 if name.eq_ignore_ascii_case(TRANSFER_ENCODING) => self.coding(scan::trim(value)),
            _ => Ok(()),
        }
    }

    /// Adds a trailer field. RFC 9110 §6.5.1 bars those that frame or route the
    /// message; one that merged them would read it anew.
    pub(super) fn trailer(&mut self, name: &[u8], limits: &HeadLimits) -> Result<(), Fault> {
        self.count(limits)?;
        if [&b"host"[..], CONTENT_LENGTH, TRANSFER_ENCODING]
            .iter()
            .any(|barred| name.eq_ignore_ascii_case(barred))
        {
            return Err(Fault::bad(
                "Host, Content-Length or Transfer-Encoding in a trailer",
            ));
        }
        Ok(())
    }

    /// Whether the client has said that it sends nothing after this message.
    pub(super) fn closes(&self) -> bool {
        self.seen & CLOSE != 0
    }

    /// Ends the head.
    #[inline]
    pub(super) fn body(&self) -> Result<Body, Fault> {
        // RFC 9112 §3.2: Host is required in HTTP/1.1.
        if self.seen & (HOST | HTTP_1_0) == 0 {
            return Err(Fault::bad("HTTP/1.1 request without a Host header"));
        }
        // Only now, so that a head that is also malformed is answered 400
        // wherever in it the coding stands.
        if self.seen & UNKNOWN_CODING != 0 {
            return Err(Fault::of(501, "Transfer-Encoding other than chunked"));
        }
        if self.seen & CHUNKED != 0 {
            return Ok(Body::Chunked);
        }
        Ok(Body::Length(self.length))
    }

    #[inline]
    fn count(&mut self, limits: &HeadLimits) -> Result<(), Fault> {
        if self.fields >= limits.max_headers {
            return Err(Fault::of(431, "too many header fields"));
        }
        self.fields += 1;
        Ok(())
    }

    /// RFC 9112 §3.2: more than one Host, or an invalid one, is answered 400. An
    /// empty one is what a client sends whose URI has no authority.
    #[inline]
    fn host(&mut self, value: &[u8]) -> Result<(), Fault> {
        if self.seen & HOST != 0 {
            return Err(Fault::bad("more than one Host header"));
        }
        if !value.is_empty() && target::authority(value).is_none() {
            return Err(Fault::bad("invalid Host header"));
        }
        self.seen |= HOST;
        Ok(())
    }

    /// RFC 9110 §8.6, RFC 9112 §6.3: digits only. A repeated value may be folded
    /// into one or refused; refusing leaves nothing to disagree about.
    fn length(&mut self, value: &[u8]) -> Result<(), Fault> {
        if self.seen & LENGTH != 0 {
            return Err(Fault::bad("more than one Content-Length header"));
        }
        if self.seen & (CHUNKED | UNKNOWN_CODING) != 0 {
            return Err(LENGTH_AND_CODING);
        }
        if value.is_empty() {
            return Err(Fault::bad("empty Content-Length"));
        }
        let mut length = 0i64;
        for &byte in value {
            if !byte.is_ascii_digit() {
                return Err(Fault::bad("Content-Length is not a number"));
            }
            length = length
                .checked_mul(10)
                .and_then(|n| n.checked_add(i64::from(byte - b'0')))
                .ok_or(Fault::bad("Content-Length is too large a number"))?;
        }
        self.length = length.unsigned_abs();
        self.seen |= LENGTH;
        Ok(())
    }

    /// RFC 9112 §6.1 and §6.3: `chunked` is the only coding here, comes last and
    /// once; with Content-Length, or in HTTP/1.0, the framing is faulty.
    fn coding(&mut self, value: &[u8]) -> Result<(), Fault> {
        if self.seen & LENGTH != 0 {
            return Err(LENGTH_AND_CODING);
        }
        if self.seen & HTTP_1_0 != 0 {
            return Err(Fault::bad("Transfer-Encoding in an HTTP/1.0 request"));
        }
        for coding in value.split(|&b| b == b',') {
            let coding = scan::trim(coding);
            let name = &coding[..scan::run_of(TOKEN, coding)];
            // Parameters may follow a name (RFC 9112 §7); chunked has none (§7.1).
            let rest = &coding[name.len()..];
            if name.is_empty() || !(rest.is_empty() || scan::trim(rest).starts_with(b";")) {
                return Err(Fault::bad("malformed Transfer-Encoding"));
            }
            if self.seen & CHUNKED != 0 {
                return Err(Fault::bad("chunked is repeated or not the last coding"));
            }
            if !name.eq_ignore_ascii_case(b"chunked") {
                self.seen |= UNKNOWN_CODING;
            } else if rest.is_empty() {
                self.seen |= CHUNKED;
            } else {
                return Err(Fault::bad("chunked with a parameter"));
            }
        }
        Ok(())
    }
}

/// Cuts a request line, given without its CRLF, into method, target and the `x`
/// of `HTTP/1.x` (RFC 9112 §3). Nothing is forgiven: one SP on either side of
/// the target, none elsewhere.
pub(super) fn split_request_line(text: &[u8]) -> Result<(&[u8], &[u8], u8), Fault> {
    let method = &text[..scan::run_of(TOKEN, text)];
    let rest = text[method.len()..].strip_prefix(b" ");
    let Some(rest) = rest.filter(|_| !method.is_empty()) else {
        return Err(Fault::bad(
            "request line does not begin with a method and a space",
        ));
    };
    let target = &rest[..scan::run_of(TARGET, rest)];
    if target.is_empty() {
        return Err(Fault::bad("request line without a target"));
    }
    let minor = match &rest[target.len()..] {
        [] => return Err(Fault::bad("request line without a version")),
        b" HTTP/1.1" => 1,
        b" HTTP/1.0" => 0,
        // RFC 9110 §15.6.6.
        [b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(Fault::of(505, "HTTP version other than 1.0 and 1.1"));
        }
        [b' ', ..] => return Err(Fault::bad("malformed HTTP version")),
        _ => return Err(Fault::bad("invalid character in the request target")),
    };
    Ok((method, target, minor))
}

/// Cuts a field line, given without its CRLF, at its colon (RFC 9112 §5). No
/// white space before the colon (§5.1), no folded line (§5.2).
pub(super) fn split_field_line(text: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let name = &text[..scan::run_of(TOKEN, text)];
    match (name, &text[name.len()..]) {
        ([_, ..], [b':', value @ ..]) => Ok((name, value)),
        ([_, ..], []) => Err(Fault::bad("header field without a colon")),
        ([_, ..], [b' ' | b'\t', ..]) => Err(Fault::bad("white space in a header name")),
        ([], [b' ' | b'\t', ..]) => Err(Fault::bad("header line begins with white space")),
        ([], [b':', ..]) => Err(Fault::bad("header field without a name")),
        _ => Err(Fault::bad("invalid character in a header name")),
    }
}

const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";
const LENGTH_AND_CODING: Fault = Fault::bad("both Content-Length and Transfer-Encoding");

// Bits of `Head::seen`.
const HTTP_1_0: u8 = 1;
const HOST: u8 = 2;
const LENGTH: u8 = 4;
const CHUNKED: u8 = 8;
const UNKNOWN_CODING: u8 = 16;
const CLOSE: u8 = 32;
