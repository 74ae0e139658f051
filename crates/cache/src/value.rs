//! What a cache holds: bytes, and until when they are good.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

/// A value, and when it expires. Cloning it copies no bytes. Two values are equal if their bytes and
/// expiries are.
#[derive(Clone)]
pub struct Value {
    bytes: Bytes,
    expires: Option<Expiry>,
    form: Option<Arc<dyn Form>>,
}

/// What this process has made of a value's bytes, so that a hit need not make it again: an object of another
/// language, or what was decoded. It stays in this process; other nodes get the bytes.
///
/// It is dropped by whichever thread lets go of it last, with none of the cache's locks held.
pub trait Form: Any + Send + Sync {
    /// Bytes that it takes besides the value's own.
    fn weight(&self) -> usize {
        0
    }
}

impl Value {
    /// A value that never expires.
    pub fn new(bytes: impl Into<Bytes>) -> Value {
        Value {
            bytes: bytes.into(),
            expires: None,
            form: None,
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

    /// The same value, with what this process has made of it.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use oxbridge_cache::{Form, Value};
    ///
    /// struct Number(u64);
    /// impl Form for Number {}
    ///
    /// let value = Value::new("144").with_form(Arc::new(Number(144)));
    /// assert_eq!(value.form::<Number>().map(|number| number.0), Some(144));
    /// ```
    #[must_use]
    pub fn with_form(mut self, form: Arc<dyn Form>) -> Value {
        self.form = Some(form);
        self
    }

    /// What this process has made of it, if that is an `F`.
    pub fn form<F: Form>(&self) -> Option<&F> {
        let form: &dyn Any = self.form.as_deref()?;
        form.downcast_ref()
    }

    /// The bytes that it counts for.
    pub(crate) fn weight(&self) -> usize {
        self.bytes.len() + self.form.as_ref().map_or(0, |form| form.weight())
    }

    /// Whether it is the very same value, and not only an equal one.
    pub(crate) fn is(&self, other: &Value) -> bool {
        self.bytes.as_ptr() == other.bytes.as_ptr() && self == other
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

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.bytes == other.bytes && self.expires == other.expires
    }
}

impl Eq for Value {}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Value")
            .field("bytes", &self.bytes)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
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
