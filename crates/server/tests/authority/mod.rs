//! Certificates made for one test, and clients that trust them.
#![allow(
    dead_code,
    reason = "not every test file that has this module uses all of it"
)]

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, RevokedCertParams, date_time_ymd,
};
use rustls::client::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::{RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, both as PEM.
pub(crate) struct Identity {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// For a server of the name `localhost`.
    pub(crate) fn server(&self) -> Identity {
        self.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub(crate) fn client(&self, name: &str) -> Identity {
        self.issue(name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// For a server of the names `names`, which may be none; of an RSA key where `key` is one.
    pub(crate) fn server_of(&self, names: &[&str], key: Option<KeyPair>) -> Identity {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let params = CertificateParams::new(names).unwrap();
        self.sign(params, ExtendedKeyUsagePurpose::ServerAuth, key)
    }

    /// A client whose certificate has a number to revoke it by.
    pub(crate) fn numbered_client(&self, number: u64) -> Identity {
        let mut params = CertificateParams::default();
        params.serial_number = Some(number.into());
        self.sign(params, ExtendedKeyUsagePurpose::ClientAuth, None)
    }

    /// A list of revoked certificates that is good until the year `until`.
    pub(crate) fn revoking(&self, numbers: &[u64], until: i32) -> String {
        let revoked = numbers.iter().map(|&number| RevokedCertParams {
            serial_number: number.into(),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).unwrap().pem().unwrap()
    }

    /// A client that trusts this authority, speaks `versions`, offers `alpn` and shows `identity`.
    pub(crate) fn trusting_client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
        identity: Option<&Identity>,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(identity) => {
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
                builder
                    .with_client_auth_cert(vec![identity.der()], key)
                    .unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        self.sign(params, usage, None)
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
        key: Option<KeyPair>,
    ) -> Identity {
        let key = key.unwrap_or_else(|| KeyPair::generate().unwrap());
        params.extended_key_usages.push(usage);
        Identity {
            chain: params.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Identity {
    /// The certificate itself.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap()
    }
}
