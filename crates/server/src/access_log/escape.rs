//! What a client sent, written so that it cannot be taken for anything of ours.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// As it stands in quotes: `\"`, `\\`, and `\x1b` for what has no place in a line. `also` is a further
/// byte to write so.
pub(super) fn text(out: &mut Vec<u8>, bytes: &[u8], also: Option<u8>) {
    let rest = plain(out, bytes, also);
    for chunk in rest.utf8_chunks() {
        for c in chunk.valid().chars() {
            let mut encoded = [0; 4];
            let encoded = c.encode_utf8(&mut encoded).as_bytes();
            if matches!(c, '"' | '\\') {
                out.extend_from_slice(&[b'\\', encoded[0]]);
            } else if is_harmless(c) && also != Some(encoded[0]) {
                out.extend_from_slice(encoded);
            } else {
                hex(out, encoded);
            }
        }
        hex(out, chunk.invalid());
    }
}

/// Writes what needs no thought, as a rule all of it; gives the rest.
fn plain<'a>(out: &mut Vec<u8>, bytes: &'a [u8], also: Option<u8>) -> &'a [u8] {
    let is_plain =
        |b: u8| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\') && also != Some(b);
    let end = bytes.iter().position(|b| !is_plain(*b));
    let (plain, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    out.extend_from_slice(plain);
    rest
}

/// Whether a character shows as itself and moves nothing: no control (a terminal obeys those of C1 too),
/// no end of a line, no change of direction.
fn is_harmless(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for b in bytes {
        let (high, low) = (HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]);
        out.extend_from_slice(&[b'\\', b'x', high, low]);
    }
}

/// A JSON string (RFC 8259 §7), quotes included.
pub(super) fn json(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let rest = plain(out, bytes, None);
    for chunk in rest.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
                c if is_harmless(c) => {
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                // All that is not harmless is in the basic plane.
                c => {
                    let c = u32::from(c);
                    out.extend_from_slice(b"\\u");
                    for shift in [12, 8, 4, 0] {
                        out.push(HEX[(c >> shift & 15) as usize]);
                    }
                }
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}
