//! TLS: certificates, clients' certificates, protocols.

use std::ffi::c_char;

use oxbridge::tls::{ClientAuth, TlsConfig, TlsVersion};

use crate::config::{Source, Tls, change, oxb_config};
use crate::fail::Fail;
use crate::status::oxb_status::{self, *};
use crate::text::{oxb_bytes, slice, text};

/// What is asked of clients about certificates of their own (mutual TLS).
#[repr(i32)]
#[derive(Clone, Copy, Debug)]
pub enum oxb_client_auth {
    /// Nothing.
    OXB_CLIENT_AUTH_OFF = 0,
    /// One is asked for; a client may have none, but one that it shows must be valid.
    OXB_CLIENT_AUTH_OPTIONAL = 1,
    /// A client without a valid one is refused.
    OXB_CLIENT_AUTH_REQUIRED = 2,
}

/// A version of TLS, by its number on the wire.
#[repr(i32)]
#[derive(Clone, Copy, Debug)]
pub enum oxb_tls_version {
    /// TLS 1.2, RFC 5246.
    OXB_TLS_1_2 = 0x0303,
    /// TLS 1.3, RFC 8446.
    OXB_TLS_1_3 = 0x0304,
}

use oxb_client_auth::*;
use oxb_tls_version::*;

impl Tls {
    /// What has been set, if TLS is wanted at all.
    pub(super) fn config(self) -> Result<Option<TlsConfig>, Fail> {
        let Some(mut config) = self.identity else {
            if self.client_ca.is_some()
                || self.client_auth.is_some()
                || self.min_version.is_some()
                || self.alpn.is_some()
            {
                return Err(Fail::new(
                    OXB_ERR_TLS,
                    "TLS settings without a certificate (oxb_config_tls_files or oxb_config_tls_pem)",
                ));
            }
            return Ok(None);
        };
        match self.client_ca {
            Some(Source::File(path)) => config = config.client_ca_file(path),
            Some(Source::Pem(pem)) => config = config.client_ca_bytes(pem),
            None => {}
        }
        if let Some(policy) = self.client_auth {
            config = config.client_auth(policy);
        }
        if let Some(version) = self.min_version {
            config = config.min_version(version);
        }
        if let Some(alpn) = self.alpn {
            config = config.alpn(alpn);
        }
        Ok(Some(config))
    }
}

/// Serves HTTPS on every address, with HTTP/2 by ALPN: certificate chain (the server's own certificate
/// first) and private key in PEM files. They are read by `oxb_server_start`, and again by
/// `oxb_server_reload_tls`.
///
/// Ownership: the paths are copied.
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_tls_files(
    config: *mut oxb_config,
    chain: *const c_char,
    key: *const c_char,
) -> oxb_status {
    let change_it = |config: &mut oxb_config| {
        // SAFETY: the caller lends both until this returns.
        let (chain, key) = unsafe { (text(chain, "chain")?, text(key, "key")?) };
        config.tls.identity = Some(TlsConfig::from_pem_files(chain, key));
        Ok(())
    };
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}

/// As `oxb_config_tls_files`, from memory.
///
/// Ownership: `chain` and `key` are copied.
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_tls_pem(
    config: *mut oxb_config,
    chain: oxb_bytes,
    key: oxb_bytes,
) -> oxb_status {
    let change_it = |config: &mut oxb_config| {
        // SAFETY: the caller lends both until this returns.
        let (chain, key) = unsafe { (chain.get()?, key.get()?) };
        config.tls.identity = Some(TlsConfig::from_pem_bytes(chain, key));
        Ok(())
    };
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}

/// The authorities whose client certificates are accepted, in a PEM file, read as the certificate is.
/// Client certificates are then required, unless `oxb_config_tls_client_auth` says otherwise.
///
/// Ownership: `path` is copied.
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_tls_client_ca_file(
    config: *mut oxb_config,
    path: *const c_char,
) -> oxb_status {
    let change_it = |config: &mut oxb_config| {
        // SAFETY: the caller lends it until this returns.
        let path = unsafe { text(path, "path") }?;
        config.tls.client_ca = Some(Source::File(path.to_owned()));
        Ok(())
    };
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}

/// As `oxb_config_tls_client_ca_file`, from memory.
///
/// Ownership: `pem` is copied.
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_tls_client_ca_pem(
    config: *mut oxb_config,
    pem: oxb_bytes,
) -> oxb_status {
    let change_it = |config: &mut oxb_config| {
        // SAFETY: the caller lends it until this returns.
        let pem = unsafe { pem.get() }?;
        config.tls.client_ca = Some(Source::Pem(pem.to_vec()));
        Ok(())
    };
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}

/// What is asked of clients: one of `oxb_client_auth`.
///
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_ARG` also for a policy that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_tls_client_auth(
    config: *mut oxb_config,
    policy: i32,
) -> oxb_status {
    let change_it = |config: &mut oxb_config| {
        config.tls.client_auth = Some(match policy {
            _ if policy == OXB_CLIENT_AUTH_OFF as i32 => ClientAuth::Off,
            _ if policy == OXB_CLIENT_AUTH_OPTIONAL as i32 => ClientAuth::Optional,
            _ if policy == OXB_CLIENT_AUTH_REQUIRED as i32 => ClientAuth::Required,
            _ => return Err(OXB_ERR_ARG),
        });
        Ok(())
    };
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}

/// The oldest version that is spoken: one of `oxb_tls_version`. Default TLS 1.2.
///
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_ARG` also for a version that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_tls_min_version(
    config: *mut oxb_config,
    version: i32,
) -> oxb_status {
    let change_it = |config: &mut oxb_config| {
        config.tls.min_version = Some(match version {
            _ if version == OXB_TLS_1_2 as i32 => TlsVersion::V1_2,
            _ if version == OXB_TLS_1_3 as i32 => TlsVersion::V1_3,
            _ => return Err(OXB_ERR_ARG),
        });
        Ok(())
    };
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}

/// The protocols that are offered by ALPN (RFC 7301), most wanted first, in place of `h2`, `http/1.1` and
/// `http/1.0`. None at all switches ALPN off; clients then speak HTTP/1.1.
///
/// Ownership: `protocols` and what it points to are copied.
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`; `protocols` may be NULL if `count` is 0.
/// Returns: `OXB_OK`; `OXB_ERR_ARG` also for a protocol of no bytes or more than 255.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_tls_alpn(
    config: *mut oxb_config,
    protocols: *const oxb_bytes,
    count: usize,
) -> oxb_status {
    let change_it = |config: &mut oxb_config| {
        let protocols = if count == 0 {
            &[]
        } else if protocols.is_null() || count > 64 || !protocols.is_aligned() {
            return Err(OXB_ERR_ARG);
        } else {
            // SAFETY: not NULL, aligned, and the caller lends `count` of them until this returns.
            unsafe { std::slice::from_raw_parts(protocols, count) }
        };
        let mut alpn = Vec::with_capacity(protocols.len());
        for protocol in protocols {
            // SAFETY: the caller lends each of them too.
            let name = unsafe { slice(protocol.data.cast(), protocol.len) }?;
            if !(1..=255).contains(&name.len()) {
                return Err(OXB_ERR_ARG);
            }
            alpn.push(name.to_vec());
        }
        config.tls.alpn = Some(alpn);
        Ok(())
    };
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}
