//! The messages of groupcache's protocol (Protocol Buffers, proto2), and those of our own dialect.

/// The value of a key.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GetResponse {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(crate) value: Option<bytes::Bytes>,
    /// Never sent by anybody, and not looked at.
    #[prost(double, optional, tag = "2")]
    pub(crate) minute_qps: Option<f64>,
    /// Nanoseconds since 1970; 0 for never. golang/groupcache does not know it.
    #[prost(int64, optional, tag = "3")]
    pub(crate) expire: Option<i64>,
}

/// A value to be kept.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SetRequest {
    #[prost(bytes = "bytes", required, tag = "1")]
    pub(crate) group: bytes::Bytes,
    #[prost(bytes = "bytes", required, tag = "2")]
    pub(crate) key: bytes::Bytes,
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub(crate) value: Option<bytes::Bytes>,
    /// As in [`GetResponse`].
    #[prost(int64, optional, tag = "4")]
    pub(crate) expire: Option<i64>,
}

/// Keys to be forgotten, in groupcache-go's bulk request. It travels as JSON.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct RemoveKeysRequest {
    /// Not needed: the path says it too.
    #[serde(default)]
    pub(crate) group: String,
    #[serde(default)]
    pub(crate) keys: Vec<String>,
}

/// Keys that are wanted, or to be forgotten: our own dialect's bulk requests.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Keys {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) keys: Vec<bytes::Bytes>,
}

/// What came of many keys, in the order in which they were asked for.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Outcomes {
    #[prost(message, repeated, tag = "1")]
    pub(crate) outcomes: Vec<Outcome>,
}

/// What came of one key.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Outcome {
    /// As [`GetResponse`]'s; `None` if there is none.
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(crate) value: Option<bytes::Bytes>,
    #[prost(int64, optional, tag = "2")]
    pub(crate) expire: Option<i64>,
    /// Why there is none: that there is no such thing.
    #[prost(string, optional, tag = "3")]
    pub(crate) not_found: Option<String>,
    /// Why there is none: what the getter said.
    #[prost(string, optional, tag = "4")]
    pub(crate) failed: Option<String>,
}
