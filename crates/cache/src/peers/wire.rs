//! The messages of groupcache's protocol (Protocol Buffers, proto2).

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
