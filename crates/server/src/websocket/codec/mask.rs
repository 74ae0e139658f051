//! Unmasking (RFC 6455 §5.3), eight bytes at a time.

/// Applies the mask to bytes of a payload that begin at `offset` of it; gives the offset after them.
pub(super) fn apply(bytes: &mut [u8], mask: [u8; 4], offset: u8) -> u8 {
    let at = |i: u8| mask[usize::from(offset.wrapping_add(i) & 3)];
    let word = [at(0), at(1), at(2), at(3), at(0), at(1), at(2), at(3)];
    let wide = u64::from_ne_bytes(word);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(word) {
        *byte ^= mask;
    }
    // Of the sum only the remainder by 4 counts.
    (offset + (rest.len() & 3) as u8) & 3
}

#[cfg(test)]
mod tests {
    use super::apply;

    #[test]
    fn pieces_are_unmasked_as_the_whole_is() {
        let mask = [0x11, 0x22, 0x44, 0x88];
        let plain: Vec<u8> = (0..67).collect();
        let masked: Vec<u8> = plain
            .iter()
            .zip(mask.iter().cycle())
            .map(|(p, m)| p ^ m)
            .collect();
        for first in 0..=masked.len() {
            let mut bytes = masked.clone();
            let (one, two) = bytes.split_at_mut(first);
            let offset = apply(one, mask, 0);
            apply(two, mask, offset);
            assert_eq!(bytes, plain, "cut at {first}");
        }
    }
}
