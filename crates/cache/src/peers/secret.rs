//! What the nodes of a cluster know, and nobody else.

use http::HeaderValue;

/// A shared secret, as it travels: `Bearer` and the secret in hexadecimal (RFC 6750 §2.1), so that any bytes
/// may be one.
#[derive(Clone)]
pub(super) struct Secret(HeaderValue);

impl Secret {
    pub(super) fn new(secret: &[u8]) -> Secret {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut value = HeaderValue::try_from(format!("Bearer {hex}"))
            // A word, a space and hexadecimal digits are a field's value.
            .unwrap_or_else(|_| unreachable!("ASCII is a header value"));
        value.set_sensitive(true);
        Secret(value)
    }

    /// The field that says it.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Whether somebody knows it. How long that takes does not tell how much of it was right.
    pub(super) fn is(&self, said: &HeaderValue) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), said.as_bytes());
        let same = ours
            .iter()
            .zip(theirs)
            .fold(0, |differences, (ours, theirs)| {
                differences | std::hint::black_box(ours ^ theirs)
            });
        ours.len() == theirs.len() && same == 0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_is_it() {
        let secret = Secret::new(b"\0\xff key");
        assert!(secret.is(&Secret::new(b"\0\xff key").header()));
        for other in [&b""[..], b"\0\xff ke", b"\0\xff keys", b"\0\xfe key"] {
            assert!(!secret.is(&Secret::new(other).header()), "{other:?}");
        }
        assert!(!secret.is(&HeaderValue::from_static("")));
        assert!(!format!("{secret:?}").contains("00ff"));
    }
}
