//! What a finished handshake agreed on.

use rustls::{CipherSuite, ProtocolVersion, ServerConnection};

/// What a TLS connection agreed on, for handlers and logs. Owned; any thread may read it. The default one
/// is of a session of which nothing else is known: texts are empty, and numbers 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// `TLSv1.2` or `TLSv1.3`, the names that OpenSSL uses.
    pub version: &'static str,
    /// The number of the version on the wire: 0x0303 or 0x0304.
    pub version_code: u16,
    /// The cipher suite by its name in IANA's registry, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher: &'static str,
    /// The cipher suite's number in IANA's registry.
    pub cipher_code: u16,
    /// The host name that the client asked for (SNI, RFC 6066), in lower case; `None` if it named
    /// none.
    pub server_name: Option<String>,
    /// The protocol that ALPN chose (RFC 7301), such as `h2`; `None` if the client offered none.
    pub alpn: Option<String>,
    /// The client's own certificate as DER, verified against the client CA; `None` if it showed
    /// none.
    pub client_cert: Option<Vec<u8>>,
}

impl TlsInfo {
    /// Reads them off a connection whose handshake is complete. Before that, `version` and `cipher`
    /// are `""`.
    pub fn from_connection(connection: &ServerConnection) -> Self {
        let version = connection.protocol_version();
        let suite = connection
            .negotiated_cipher_suite()
            .map(|suite| suite.suite());
        Self {
            version: version.map_or("", version_name),
            version_code: version.map_or(0, u16::from),
            cipher: suite.map_or("", suite_name),
            cipher_code: suite.map_or(0, u16::from),
            server_name: connection.server_name().map(str::to_owned),
            // Only what the server offered can have been chosen, and that was given as text.
            alpn: connection
                .alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
            client_cert: connection
                .peer_certificates()
                .and_then(|chain| chain.first())
                .map(|certificate| certificate.to_vec()),
        }
    }
}

fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        other => other.as_str().unwrap_or("unknown"),
    }
}

/// rustls marks the suites of TLS 1.3 with a `TLS13_` of its own; the registry does not.
pub(super) fn suite_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or("unknown"),
    }
}
