//! What a cache holds: bytes, and until when they are good.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

/// A value, and when it expires. Cloning it copies no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    bytes: Bytes,
    expires: Option<Expiry>,
}

impl Value {
    /// A value that never expires.
    pub fn new(bytes: impl Into<Bytes>) -> Value {
        Value {
            bytes: bytes.into(),
            expires: None,
        }
    }

    /// The same value, good for `ttl` from now on.
    #[must_use]
    pub fn with_ttl(self, ttl: Duration) -> Value {
        let expires = Expiry::after(ttl);
        self.with_expiry(Some(expires))
    }

    /// The same value, good until `expires`; for ever if that is `None`.
    #[must_use]
    pub fn with_expiry(mut self, expires: Option<Expiry>) -> Value {
        self.expires = expires;
        self
    }

    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The bytes, for good.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// When it expires; `None` for never.
    pub fn expires(&self) -> Option<Expiry> {
        self.expires
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<T: Into<Bytes>> From<T> for Value {
    fn from(bytes: T) -> Value {
        Value::new(bytes)
    }
}

/// A moment after which a value is no longer good: nanoseconds since 1970 (UTC), as the peers of
/// groupcache send it. The wall clock decides, so that the nodes of a cluster agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expiry(i64);

impl Expiry {
    /// `ttl` from now. What lies past the year 2262 is as good as never, and becomes that year.
    pub fn after(ttl: Duration) -> Expiry {
        let ttl = i64::try_from(ttl.as_nanos()).unwrap_or(i64::MAX);
        Expiry(Expiry::now().0.saturating_add(ttl))
    }

    /// This moment.
    pub fn now() -> Expiry {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Expiry(i64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX))
    }

    /// From nanoseconds since 1970; 0, and what is less, is never.
    pub fn from_unix_nanos(nanos: i64) -> Option<Expiry> {
        (nanos > 0).then_some(Expiry(nanos))
    }

    /// Nanoseconds since 1970.
    pub fn unix_nanos(self) -> i64 {
        self.0
    }

    /// Whether it lies before `now`.
    pub fn is_past(self, now: Expiry) -> bool {
        self.0 < now.0
    }

    /// How long it is over at `now`; `None` if it is not.
    pub(crate) fn over_by(self, now: Expiry) -> Option<Duration> {
        u64::try_from(now.0.saturating_sub(self.0))
            .ok()
            .filter(|over| *over > 0)
            .map(Duration::from_nanos)
    }
}
