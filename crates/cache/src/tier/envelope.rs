//! What a second tier keeps for a key: the bytes, and what belongs to them.
//!
//! Four bytes that say what it is (`oxc1`), a letter, and what the letter asks for:
//!
//! | letter | then | means |
//! |---|---|---|
//! | `v` | 8 bytes, the value | a value; good until that many nanoseconds after 1970 (big-endian), 0 for ever |
//! | `a` | 8 bytes, UTF-8 | there is no such thing, as the getter said; until then |
//! | `d` | 16 bytes | it was deleted; a number that no other deletion has |
//!
//! Programs in other languages may write `v` and read both.

use crate::store::Known;
use crate::value::{Expiry, Value};

const MAGIC: &[u8] = b"oxc1";

/// What stands in an engine for a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// Something that is good.
    Known(Known),
    /// It was deleted, or has expired.
    Nothing,
}

/// What is known of a key, as it is stored.
pub(super) fn encode(known: &Known) -> Vec<u8> {
    let (letter, bytes) = match known {
        Known::Value(value) => (b'v', value.bytes().as_ref()),
        Known::Absent(what, _) => (b'a', what.as_bytes()),
    };
    let expires = known.expires().map_or(0, Expiry::unix_nanos);
    let mut stored = Vec::with_capacity(MAGIC.len() + 9 + bytes.len());
    stored.extend_from_slice(MAGIC);
    stored.push(letter);
    stored.extend_from_slice(&expires.to_be_bytes());
    stored.extend_from_slice(bytes);
    stored
}

/// The mark of a deletion.
pub(super) fn deleted(number: u128) -> Vec<u8> {
    let mut stored = MAGIC.to_vec();
    stored.push(b'd');
    stored.extend_from_slice(&number.to_be_bytes());
    stored
}

/// Reads what is stored.
///
/// # Errors
/// What is wrong with it, in words: somebody else wrote it.
pub(super) fn decode(stored: &[u8], now: Expiry) -> Result<Stored, &'static str> {
    let Some((letter, rest)) = stored.strip_prefix(MAGIC).and_then(<[u8]>::split_first) else {
        return Err("it does not begin as an entry of this cache");
    };
    if *letter == b'd' {
        return match rest.len() {
            16 => Ok(Stored::Nothing),
            _ => Err("the mark of a deletion has not 16 bytes"),
        };
    }
    let Some((expires, bytes)) = rest.split_first_chunk() else {
        return Err("it ends before its expiry");
    };
    let expires = Expiry::from_unix_nanos(i64::from_be_bytes(*expires));
    let known = match (letter, expires) {
        (b'v', expires) => Known::Value(Value::new(bytes.to_vec()).with_expiry(expires)),
        (b'a', Some(expires)) => match std::str::from_utf8(bytes) {
            Ok(what) => Known::Absent(what.to_owned(), expires),
            Err(_) => return Err("its words are not UTF-8"),
        },
        (b'a', None) => return Err("it is absent for ever"),
        _ => return Err("it is of a kind that this version does not know"),
    };
    if known.expires().is_some_and(|at| at.is_past(now)) {
        return Ok(Stored::Nothing);
    }
    Ok(Stored::Known(known))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_deleted_or_has_expired_is_nothing() {
        let now = Expiry::now();
        assert_eq!(decode(&deleted(7), now), Ok(Stored::Nothing));
        let old = Known::Value(Value::new("v").with_expiry(Some(now)));
        let later = Expiry::after(Duration::from_secs(9));
        assert_eq!(decode(&encode(&old), later), Ok(Stored::Nothing));
    }

    #[test]
    fn what_others_wrote_is_told() {
        let now = Expiry::now();
        let absent = [&b"oxc1a"[..], &[0; 8], b"no"].concat();
        for strange in [
            &b""[..],
            b"oxc",
            b"oxc1",
            b"oxc2v12345678",
            b"oxc1v1234567",
            b"oxc1x12345678",
            b"oxc1d1",
            &absent,
            b"oxc1a\x7f1234567\xff",
        ] {
            assert!(decode(strange, now).is_err(), "{strange:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_stored_comes_back(bytes: Vec<u8>, what: String, seconds in 1..1_000_000_u64) {
            let expires = Expiry::after(Duration::from_secs(seconds));
            for known in [
                Known::Value(Value::new(bytes.clone())),
                Known::Value(Value::new(bytes).with_expiry(Some(expires))),
                Known::Absent(what, expires),
            ] {
                let read = decode(&encode(&known), Expiry::now());
                prop_assert_eq!(read, Ok(Stored::Known(known)));
            }
        }

        #[test]
        fn anything_else_is_an_error_and_no_more(bytes: Vec<u8>) {
            // Whatever it is, it is told in words.
            let _ = decode(&bytes, Expiry::now());
            let _ = decode(&[b"oxc1", &bytes[..]].concat(), Expiry::now());
        }
    }
}
