//! The facts of a TLS session.

use crate::entry::{entry, wanted};
use crate::exchange::{oxb_exchange, with};
use crate::status::oxb_status::{self, *};
use crate::text::oxb_bytes;

/// What a TLS session agreed on. Later versions may add members at the end.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct oxb_tls_info {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: oxb_bytes,
    /// The cipher suite by its name in IANA's registry, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher: oxb_bytes,
    /// The host name that the client asked for (SNI, RFC 6066), in lower case; empty if it named none.
    pub server_name: oxb_bytes,
    /// The protocol that ALPN chose (RFC 7301), such as `h2`; empty if the client offered none.
    pub alpn: oxb_bytes,
    /// The client's certificate as DER, verified; empty if it showed none.
    pub client_cert: oxb_bytes,
    /// The version's number on the wire: 0x0303 or 0x0304.
    pub version_code: u16,
    /// The cipher suite's number in IANA's registry.
    pub cipher_code: u16,
}

/// The facts of the TLS session that the request came through.
///
/// `size` is `sizeof(oxb_tls_info)`, so that a later library knows how much of it the program has.
///
/// Ownership: the first `size` bytes of `out` are written on success; what they point to is borrowed
/// until the exchange ends.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND` without TLS; `OXB_ERR_ARG`, also for a size that no version of
/// the library had; `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_request_tls(
    exchange: oxb_exchange,
    out: *mut oxb_tls_info,
    size: usize,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        if size < size_of::<oxb_tls_info>() {
            return Err(OXB_ERR_ARG);
        }
        let info = with(exchange, |entry| {
            let tls = entry.request().tls().ok_or(OXB_ERR_NOT_FOUND)?;
            let text = |text: &Option<String>| {
                oxb_bytes::of(text.as_deref().unwrap_or_default().as_bytes())
            };
            Ok(oxb_tls_info {
                version: oxb_bytes::of(tls.version.as_bytes()),
                cipher: oxb_bytes::of(tls.cipher.as_bytes()),
                server_name: text(&tls.server_name),
                alpn: text(&tls.alpn),
                client_cert: oxb_bytes::of(tls.client_cert.as_deref().unwrap_or_default()),
                version_code: tls.version_code,
                cipher_code: tls.cipher_code,
            })
        })?;
        // A program of a later version has members that we do not know: they are zero.
        let rest = size - size_of::<oxb_tls_info>();
        // SAFETY: the caller lends `size` bytes, of which the struct, whose size is known to fit, is the
        // beginning; `rest` bytes follow it.
        unsafe {
            out.write(info);
            out.add(1).cast::<u8>().write_bytes(0, rest);
        }
        Ok(())
    })
}
