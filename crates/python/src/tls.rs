//! `Tls`, the certificates of a server, and `TlsInfo`, what a connection agreed on.

use std::path::PathBuf;

use oxbridge::tls::{ClientAuth, TlsConfig, TlsVersion};
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
    #[pyo3(get)]
    client_crls: Vec<PathBuf>,
    /// Certificates with their keys for other names.
    #[pyo3(get)]
    others: Vec<(PathBuf, PathBuf)>,
    /// None: any that is known.
    #[pyo3(get)]
    ciphers: Option<String>,
    min_version: TlsVersion,
    password: Option<Vec<u8>>,
}

/// What unlocks a key, as text or as it is.
#[derive(FromPyObject)]
enum Password {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<Password> for Vec<u8> {
    fn from(password: Password) -> Self {
        match password {
            Password::Text(text) => text.into_bytes(),
            Password::Bytes(bytes) => bytes,
        }
    }
}

#[pymethods]
impl Tls {
    #[new]
    #[pyo3(signature = (cert, key, client_ca=None, *, client_optional=false, client_crls=vec![], password=None, others=vec![], min_version=None, ciphers=None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keywords, which a caller names one by one"
    )]
    fn new(
        cert: PathBuf,
        key: PathBuf,
        client_ca: Option<PathBuf>,
        client_optional: bool,
        client_crls: Vec<PathBuf>,
        password: Option<Password>,
        others: Vec<(PathBuf, PathBuf)>,
        min_version: Option<&str>,
        ciphers: Option<String>,
    ) -> PyResult<Self> {
        let min_version = match min_version {
            None | Some("1.2") => TlsVersion::V1_2,
            Some("1.3") => TlsVersion::V1_3,
            Some(other) => {
                return Err(PyValueError::new_err(format!(
                    "min_version is {other:?}; wanted \"1.2\" or \"1.3\""
                )));
            }
        };
        Ok(Tls {
            cert,
            key,
            client_ca,
            client_optional,
            client_crls,
            others,
            ciphers,
            min_version,
            password: password.map(Into::into),
        })
    }

    /// The oldest version that is spoken.
    #[getter]
    fn min_version(&self) -> &'static str {
        match self.min_version {
            TlsVersion::V1_2 => "1.2",
            TlsVersion::V1_3 => "1.3",
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
        let mut config =
            TlsConfig::from_pem_files(&self.cert, &self.key).min_version(self.min_version);
        if let Some(password) = &self.password {
            config = config.key_password(password.as_slice());
        }
        if let Some(ciphers) = &self.ciphers {
            config = config.ciphers(ciphers);
        }
        for (cert, key) in &self.others {
            config = config.also_pem_files(cert, key);
        }
        for crl in &self.client_crls {
            config = config.client_crl_file(crl);
        }
        if let Some(ca) = &self.client_ca {
            config = config.client_ca_file(ca);
            if self.client_optional {
                config = config.client_auth(ClientAuth::Optional);
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
