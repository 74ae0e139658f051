//! Session tickets that outlive a change of certificates.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};

use super::pem::Authorities;

/// The secrets by which clients resume sessions, and the client authorities under which those were
/// made.
///
/// A resumed session carries the client's certificate over without verifying it again. So when the
/// authorities change, the secrets are thrown away, and with them every session made under the old
/// ones.
#[derive(Default)]
pub(super) struct Resumption {
    made_under: Option<(Authorities, Secrets)>,
}

impl Resumption {
    /// Puts the secrets that suit `authorities` into `config`. On an error, nothing has changed.
    pub(super) fn apply(
        &mut self,
        config: &mut ServerConfig,
        authorities: Authorities,
    ) -> Result<(), rustls::Error> {
        let secrets = match &self.made_under {
            Some((same, secrets)) if *same == authorities => secrets.clone(),
            _ => {
                let fresh = Secrets::new()?;
                self.made_under = Some((authorities, fresh.clone()));
                fresh
            }
        };
        config.ticketer = secrets.tickets;
        config.session_storage = secrets.sessions;
        Ok(())
    }
}

#[derive(Clone)]
struct Secrets {
    /// Keys of stateless tickets. They rotate by themselves.
    tickets: Arc<dyn ProducesTickets>,
    /// Sessions of TLS 1.2 clients that know session ids but not tickets.
    sessions: Arc<dyn StoresServerSessions>,
}

impl Secrets {
    fn new() -> Result<Self, rustls::Error> {
        Ok(Self {
            tickets: Ticketer::new()?,
            sessions: ServerSessionMemoryCache::new(SESSIONS),
        })
    }
}

const SESSIONS: usize = 256;
