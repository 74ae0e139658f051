//! One server with several certificates: which one a client is shown, by the name that it asks for
//! (SNI, RFC 6066 §3).

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;

/// The certificates of a server. A client that asks for a name which none of them is for, or for none,
/// is shown the first.
#[derive(Debug)]
pub(super) struct Certificates {
    first: Arc<CertifiedKey>,
    /// By name, in lower case; a wildcard by what follows its `*.`. Several are for different kinds of
    /// keys.
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    wildcards: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl Certificates {
    /// `first`, for its own names and all that nobody has.
    pub(super) fn new(first: CertifiedKey) -> Self {
        let mut all = Certificates {
            first: Arc::new(first),
            exact: HashMap::new(),
            wildcards: HashMap::new(),
        };
        all.enter(all.first.clone());
        all
    }

    /// Another one, for the names in it. False if there are none, so that nobody would ever see it.
    pub(super) fn add(&mut self, another: CertifiedKey) -> bool {
        self.enter(Arc::new(another))
    }

    fn enter(&mut self, certified: Arc<CertifiedKey>) -> bool {
        let names = certified.cert.first().map(names).unwrap_or_default();
        for name in &names {
            let (place, name) = match name.strip_prefix("*.") {
                Some(parent) => (&mut self.wildcards, parent),
                None => (&mut self.exact, &**name),
            };
            place
                .entry(name.to_owned())
                .or_default()
                .push(certified.clone());
        }
        !names.is_empty()
    }

    /// The certificates for a name: those that have it before those with a wildcard for it, which stands
    /// for exactly one label (RFC 6125 §6.4.3).
    fn of(&self, name: &str) -> impl Iterator<Item = &Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        let parent = name.split_once('.').map_or("", |(_, parent)| parent);
        let exact = self.exact.get(&name).into_iter().flatten();
        exact.chain(self.wildcards.get(parent).into_iter().flatten())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let Some(name) = hello.server_name() else {
            return Some(self.first.clone());
        };
        let can_check = |certified: &&Arc<CertifiedKey>| {
            let schemes = hello.signature_schemes();
            certified.key.choose_scheme(schemes).is_some()
        };
        let found = self.of(name).find(can_check);
        Some(found.unwrap_or(&self.first).clone())
    }
}

/// The names of hosts that a certificate is for, in lower case.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    match webpki::EndEntityCert::try_from(certificate) {
        Ok(parsed) => parsed
            .valid_dns_names()
            .map(str::to_ascii_lowercase)
            .collect(),
        Err(_) => Vec::new(),
    }
}
