//! Names the type of a body that its handler left unnamed.
//!
//! This is the MIME Sniffing Standard (<https://mimesniff.spec.whatwg.org/>) as
//! Go's `http.DetectContentType` reads it, because that is the answer a user of
//! this server expects. Go departs from the standard in few places: signatures
//! of icons, archives and Rar as users know them, WebAssembly and web fonts, and
//! an explicit `charset` on text. `tests/sniff-oracle` holds both to the same
//! answers.

/// The `Content-Type` of `data`, judged by at most its first [`PREFIX`] bytes.
///
/// Always a valid MIME type: what looks like nothing known is
/// `text/plain; charset=utf-8` if it could be text, which nothing at all could,
/// and `application/octet-stream` otherwise.
pub(crate) fn content_type(data: &[u8]) -> &'static str {
    let data = &data[..data.len().min(PREFIX)];
    let text = skip_white_space(data);
    if let Some(mime) = markup(text).or_else(|| signature(data)) {
        return mime;
    }
    // Whole blocks without an early way out, which compiles to vector instructions.
    let block_is_binary = |block: &[u8]| block.iter().fold(false, |any, &b| any | is_binary(b));
    if text.chunks(32).any(block_is_binary) {
        "application/octet-stream"
    } else {
        "text/plain; charset=utf-8"
    }
}

/// §7.1, steps 1 and 2: what begins, after white space, with a tag of HTML that
/// ends or has attributes, with an HTML comment, or with an XML declaration.
fn markup(text: &[u8]) -> Option<&'static str> {
    let rest = text.strip_prefix(b"<")?;
    if rest.starts_with(b"?xml") {
        return Some("text/xml; charset=utf-8");
    }
    HTML_TAGS
        .iter()
        .any(|tag| {
            rest.split_at_checked(tag.len())
                .is_some_and(|(name, after)| {
                    // The tag-terminating byte of §3.
                    name.eq_ignore_ascii_case(tag) && matches!(after, [b' ' | b'>', ..])
                })
        })
        .then_some("text/html; charset=utf-8")
}

/// §7.1, step 1 and steps 3 to 6: what begins with bytes of its kind. An arm
/// further up wins over one further down.
fn signature(data: &[u8]) -> Option<&'static str> {
    Some(match data {
        [b'%', b'P', b'D', b'F', b'-', ..] => "application/pdf",
        [
            b'%',
            b'!',
            b'P',
            b'S',
            b'-',
            b'A',
            b'd',
            b'o',
            b'b',
            b'e',
            b'-',
            ..,
        ] => "application/postscript",

        // Byte order marks. The standard gives each four bytes of pattern.
        [0xfe, 0xff, _, _, ..] => "text/plain; charset=utf-16be",
        [0xff, 0xfe, _, _, ..] => "text/plain; charset=utf-16le",
        [0xef, 0xbb, 0xbf, _, ..] => "text/plain; charset=utf-8",

        // Images, §6.1.
        [0, 0, 1 | 2, 0, ..] => "image/x-icon",
        [b'B', b'M', ..] => "image/bmp",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            b'V',
            b'P',
            ..,
        ] => "image/webp",
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",

        // Audio and video, §6.2.
        [
            b'F',
            b'O',
            b'R',
            b'M',
            _,
            _,
            _,
            _,
            b'A',
            b'I',
            b'F',
            b'F',
            ..,
        ] => "audio/aiff",
        [b'I', b'D', b'3', ..] => "audio/mpeg",
        [b'O', b'g', b'g', b'S', 0, ..] => "application/ogg",
        [b'M', b'T', b'h', b'd', 0, 0, 0, 6, ..] => "audio/midi",
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'A',
            b'V',
            b'I',
            b' ',
            ..,
        ] => "video/avi",
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'A',
            b'V',
            b'E',
            ..,
        ] => "audio/wave",
        _ if is_mp4(data) => "video/mp4",
        [0x1a, 0x45, 0xdf, 0xa3, ..] => "video/webm",

        // Fonts, §6.3.
        _ if is_eot(data) => "application/vnd.ms-fontobject",
        [0, 1, 0, 0, ..] => "font/ttf",
        [b'O', b'T', b'T', b'O', ..] => "font/otf",
        [b't', b't', b'c', b'f', ..] => "font/collection",
        [b'w', b'O', b'F', b'F', ..] => "font/woff",
        [b'w', b'O', b'F', b'2', ..] => "font/woff2",

        // Archives, §6.4; of Rar the signatures that its makers publish.
        [0x1f, 0x8b, 0x08, ..] => "application/x-gzip",
        [b'P', b'K', 3, 4, ..] => "application/zip",
        [b'R', b'a', b'r', b'!', 0x1a, 7, 0, ..] | [b'R', b'a', b'r', b'!', 0x1a, 7, 1, 0, ..] => {
            "application/x-rar-compressed"
        }
        [0, b'a', b's', b'm', ..] => "application/wasm",
        _ => return None,
    })
}

/// §6.2.1: a first box of type `ftyp` in which one of the brands is an `mp4`.
fn is_mp4(data: &[u8]) -> bool {
    let [a, b, c, d, b'f', b't', b'y', b'p', brands @ ..] = data else {
        return false;
    };
    let size = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
    // Go wants the whole box in what it looks at.
    if size > data.len() || !size.is_multiple_of(4) {
        return false;
    }
    let brands = &brands[..size.saturating_sub(8)];
    // The second is the version of the first.
    brands
        .chunks_exact(4)
        .enumerate()
        .any(|(i, brand)| i != 1 && brand.starts_with(b"mp4"))
}

/// §6.3: 34 bytes of anything, then `LP`.
fn is_eot(data: &[u8]) -> bool {
    data.get(34..36) == Some(b"LP")
}

/// Without the white-space bytes of §3 in front.
fn skip_white_space(data: &[u8]) -> &[u8] {
    let text = data
        .iter()
        .position(|b| !matches!(b, b'\t' | b'\n' | 0x0c | b'\r' | b' '));
    text.map_or(&[], |text| &data[text..])
}

/// The binary data bytes of §3: control characters that no text holds.
fn is_binary(byte: u8) -> bool {
    matches!(byte, 0..=0x08 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f)
}

/// How many bytes of a body are looked at; more change nothing. The resource header
/// of the standard (§5.2) is longer, Go's is this.
pub(crate) const PREFIX: usize = 512;

/// What may follow the `<` of an HTML document, in any case of letters.
const HTML_TAGS: [&[u8]; 17] = [
    b"!DOCTYPE HTML",
    b"HTML",
    b"HEAD",
    b"SCRIPT",
    b"IFRAME",
    b"H1",
    b"DIV",
    b"FONT",
    b"TABLE",
    b"A",
    b"STYLE",
    b"TITLE",
    b"B",
    b"BODY",
    b"BR",
    b"P",
    b"!--",
];

#[cfg(test)]
mod tests;
