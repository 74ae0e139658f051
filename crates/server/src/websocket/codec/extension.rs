//! Agreeing on permessage-deflate (RFC 7692 §7.1) in the opening handshake.

/// What both ends have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deflate {
    /// The base-2 logarithm of the window that we compress with.
    pub(super) server_bits: u8,
    /// Our messages refer to earlier ones.
    pub(super) server_keeps: bool,
    /// The client's may refer to earlier ones.
    pub(super) client_keeps: bool,
    /// The client asked for a bound on our window, so the answer has to name it.
    bounded: bool,
}

impl Deflate {
    /// The first of the client's offers that can be accepted; `fields` are the values of its
    /// Sec-WebSocket-Extensions fields.
    pub(crate) fn negotiate<'a>(fields: impl Iterator<Item = &'a str>) -> Option<Self> {
        fields
            .flat_map(|field| field.split(','))
            .find_map(Self::accept)
    }

    /// Accepts one offer, or declines it: an offer with a parameter that is unknown, there twice, or of a
    /// value that it cannot have is declined (RFC 7692 §7.1).
    fn accept(offer: &str) -> Option<Self> {
        let mut parts = offer.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case("permessage-deflate") {
            return None;
        }
        let mut deflate = Deflate {
            server_bits: WINDOW,
            server_keeps: true,
            client_keeps: true,
            bounded: false,
        };
        let mut client_bounded = false;
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim_end(), Some(unquote(value.trim_start()))),
                None => (part, None),
            };
            match (name.to_ascii_lowercase().as_str(), value) {
                ("server_no_context_takeover", None) if deflate.server_keeps => {
                    deflate.server_keeps = false;
                }
                ("client_no_context_takeover", None) if deflate.client_keeps => {
                    deflate.client_keeps = false;
                }
                ("server_max_window_bits", Some(value)) if !deflate.bounded => {
                    let bits = bits(value)?;
                    if bits < SMALLEST {
                        return None;
                    }
                    deflate.bounded = true;
                    deflate.server_bits = bits.min(WINDOW);
                }
                ("client_max_window_bits", value) if !client_bounded => {
                    // A hint: ours is the largest window, which takes every smaller one.
                    value.map_or(Some(0), bits)?;
                    client_bounded = true;
                }
                _ => return None,
            }
        }
        Some(deflate)
    }

    /// The value of the Sec-WebSocket-Extensions field that tells the client.
    pub(crate) fn answer(&self) -> String {
        let mut answer = String::from("permessage-deflate");
        if !self.server_keeps {
            answer.push_str("; server_no_context_takeover");
        }
        if !self.client_keeps {
            answer.push_str("; client_no_context_takeover");
        }
        if self.bounded {
            answer.push_str(&format!("; server_max_window_bits={}", self.server_bits));
        }
        answer
    }
}

fn unquote(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value)
}

/// 8 to 15 in decimal, without a leading zero (RFC 7692 §7.1.2).
fn bits(value: &str) -> Option<u8> {
    match value.as_bytes() {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// The window that we compress with unless the client wants a smaller one: 4 KiB. By zlib's formula one of
/// 32 KiB takes 112 KiB more for each connection, and messages are seldom that long.
const WINDOW: u8 = 12;
/// The smallest window that the compressor has.
const SMALLEST: u8 = 9;
