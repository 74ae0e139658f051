//! `Tls`, the certificates of a server, and `TlsInfo`, what a connection agreed on.

use std::path::PathBuf;

use oxbridge::tls::TlsConfig;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Where the certificates, the key and the CA for client certificates are: PEM files.
#[pyclass(frozen, module = "oxbridge")]
pub(crate) struct Tls {
    #[pyo3(get)]
    cert: PathBuf,
    #[pyo3(get)]
    key: PathBuf,
    #[pyo3(get)]
    client_ca: Option<PathBuf>,
    /// Whether clients may come without a certificate although there is a CA for them.
    #[pyo3(get)]
    client_optional: bool,
}

#[pymethods]
impl Tls {
    #[new]
    #[pyo3(signature = (cert, key, client_ca=None, *, client_optional=false))]
    fn new(cert: PathBuf, key: PathBuf, client_ca: Option<PathBuf>, client_optional: bool) -> Self {
        Tls {
            cert,
            key,
            client_ca,
            client_optional,
        }
    }

    fn __repr__(&self) -> String {
        format!(
            "Tls(cert={:?}, key={:?}, client_ca={:?})",
            self.cert, self.key, self.client_ca
        )
    }
}

impl Tls {
    pub(crate) fn build(&self) -> PyResult<oxbridge::tls::TlsAcceptor> {
        let mut config = TlsConfig::from_pem_files(&self.cert, &self.key);
        if let Some(ca) = &self.client_ca {
            config = config.client_ca_file(ca);
            if self.client_optional {
                config = config.client_auth(oxbridge::tls::ClientAuth::Optional);
            }
        }
        config.build().map_err(tls_error)
    }
}

pub(crate) fn tls_error(e: oxbridge::tls::TlsError) -> PyErr {
    let io = std::error::Error::source(&e)
        .and_then(|s| s.downcast_ref::<std::io::Error>())
        .and_then(std::io::Error::raw_os_error);
    match io {
        Some(errno) => PyOSError::new_err((errno, e.to_string())),
        None => PyValueError::new_err(e.to_string()),
    }
}

/// What a TLS connection agreed on.
#[pyclass(frozen, get_all, module = "oxbridge")]
pub(crate) struct TlsInfo {
    version: &'static str,
    cipher: &'static str,
    server_name: Option<String>,
    alpn: Option<String>,
    client_cert: Option<Py<PyBytes>>,
}

impl TlsInfo {
    pub(crate) fn new(info: &oxbridge::tls::TlsInfo) -> Self {
        TlsInfo {
            version: info.version,
            cipher: info.cipher,
            server_name: info.server_name.clone(),
            alpn: info.alpn.clone(),
            client_cert: info
                .client_cert
                .as_ref()
                .map(|der| Python::attach(|py| PyBytes::new(py, der).unbind())),
        }
    }
}

#[pymethods]
impl TlsInfo {
    fn __repr__(&self) -> String {
        format!(
            "<TlsInfo {} {} server_name={:?} alpn={:?}>",
            self.version, self.cipher, self.server_name, self.alpn
        )
    }
}
