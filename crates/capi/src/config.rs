//! A server to be: where it listens, what a client may use, who answers.
//!
//! A config is one thread's at a time. `oxb_server_start` takes it.

mod limits;
mod listen;
mod routes;
mod threads;
mod tls;

use std::sync::Arc;

use oxbridge::listen::{Bind, ListenOptions};
use oxbridge::tls::{ClientAuth, TlsConfig, TlsVersion};
use oxbridge::{Builder, Limits, Server};

use crate::entry::{entry, guarded, put};
use crate::fail::Fail;
use crate::fork;
use crate::log;
use crate::site::Site;
use crate::status::oxb_status::{self, *};

pub(crate) use self::routes::{Route, callback, directory, oxb_handler};

/// A server to be. Opaque: it is changed by the `oxb_config_` functions.
pub struct oxb_config {
    routes: Vec<(String, Route)>,
    /// The same patterns, so that a conflict is found when it is made.
    patterns: oxbridge::mux::Mux<()>,
    binds: Vec<Bind>,
    listen: ListenOptions,
    limits: Limits,
    /// Bytes of a body that `oxb_request_body` takes.
    whole_body: u64,
    reactors: usize,
    threads: usize,
    queue: usize,
    driven: bool,
    tls: Tls,
}

/// TLS as it has been set so far, in any order.
#[derive(Default)]
struct Tls {
    identity: Option<TlsConfig>,
    client_ca: Option<Source>,
    client_auth: Option<ClientAuth>,
    min_version: Option<TlsVersion>,
    alpn: Option<Vec<Vec<u8>>>,
}

enum Source {
    File(String),
    Pem(Vec<u8>),
}

impl oxb_config {
    fn new() -> Self {
        oxb_config {
            routes: Vec::new(),
            patterns: oxbridge::mux::Mux::new(),
            binds: Vec::new(),
            listen: ListenOptions::default(),
            limits: Limits::default(),
            whole_body: 16 << 20,
            reactors: 1,
            threads: 200,
            queue: 1024,
            driven: false,
            tls: Tls::default(),
        }
    }

    /// Makes the server, and what its exchanges share.
    pub(crate) fn start(self) -> Result<(Server, Arc<Site>), Fail> {
        if self.binds.is_empty() {
            return Err(Fail::arg(
                "the server listens nowhere (oxb_config_listen was not called)",
            ));
        }
        let site = Site::new(self.driven, self.queue, self.whole_body);
        // If the start fails half-way, exchanges that came before it did must not wait for a runner.
        let unstarted = Unstarted(&site);
        let mut builder: Builder = Server::builder();
        for (pattern, route) in self.routes {
            route.add(&mut builder, &pattern, &site)?;
        }
        for bind in self.binds {
            builder = builder.bind(bind);
        }
        if let Some(tls) = self.tls.config()? {
            builder = builder.tls(tls.build()?);
        }
        let server = builder
            .listen_options(self.listen)
            .limits(self.limits)
            .reactors(self.reactors)
            .threads(self.threads)
            .queue(self.queue)
            .driven(self.driven)
            .start()?;
        // Nobody else sets it.
        let _ = site.runner.set(server.runner());
        drop(unstarted);
        Ok((server, site))
    }
}

/// Sets a runner that runs nothing, if there is none, when it is dropped.
struct Unstarted<'a>(&'a Site);

impl Drop for Unstarted<'_> {
    fn drop(&mut self) {
        let _ = self.0.runner.set(oxbridge::Runner::default());
    }
}

/// Calls `change` with a config of the caller's.
///
/// # Safety
/// `config` is NULL or a config that nobody else uses meanwhile.
unsafe fn change(
    config: *mut oxb_config,
    change: impl FnOnce(&mut oxb_config) -> Result<(), oxb_status>,
) -> oxb_status {
    entry(|| {
        // SAFETY: as the caller promises.
        let config = unsafe { config.as_mut() }.ok_or(OXB_ERR_ARG)?;
        change(config)
    })
}

/// Makes a config with safe defaults: it listens nowhere and has no routes yet.
///
/// Ownership: `out` is written on success: the config is the caller's, until `oxb_server_start` takes it
/// or `oxb_config_free` frees it.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`, `OXB_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_new(out: *mut *mut oxb_config) -> oxb_status {
    entry(|| {
        if out.is_null() {
            return Err(OXB_ERR_ARG);
        }
        log::quiet_panics();
        fork::watch();
        // SAFETY: not NULL, so the caller's to be written.
        unsafe { put(out, Box::into_raw(Box::new(oxb_config::new()))) }
    })
}

/// Frees a config that was not started. The `drop` functions of its routes run.
///
/// Ownership: `config` is taken.
/// Threads: one thread at a time for one config.
/// NULL: nothing happens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_free(config: *mut oxb_config) {
    guarded(|| {
        if !config.is_null() {
            // SAFETY: it came from `oxb_config_new`, and the caller gives it up.
            drop(unsafe { Box::from_raw(config) });
        }
    });
}
