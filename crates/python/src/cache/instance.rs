//! `CacheInstance`: what the Python class `Instance` is made of.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use oxbridge::Server;
use oxbridge::listen::{Bind, LocalAddr, ParseBindError};
use oxbridge_cache::{Dialect, GroupError, NodeTls, NodeTlsError, PeerError, PeerHandler, Peers};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use super::codec::Codec;
use super::following::{self, PyFollowing};
use super::getter::{PythonGetter, Source};
use super::group::{Group, time_to_live};
use super::home::Home;
use super::tier::{PyTier, RedisSettings};
use crate::convert::lock;
use crate::core::start_error;
use crate::options::seconds;

/// Groups that share a runtime, and peers.
#[pyclass(frozen, name = "CacheInstance", module = "oxbridge._oxbridge")]
pub(crate) struct Instance {
    home: Arc<Home>,
    /// The crate's: made once the node's own address is known.
    instance: OnceLock<oxbridge_cache::Instance>,
    peers: Option<PeerSettings>,
    server: Mutex<Option<Server>>,
}

/// What Python's `Peers` says.
#[derive(FromPyObject)]
struct PeerSettings {
    dialect: String,
    me: Option<String>,
    base_path: String,
    replicas: usize,
    timeout: f64,
    max_answer: usize,
    secret: Option<Vec<u8>>,
    tls: Option<TlsFiles>,
    bounded_load: Option<f64>,
}

/// What Python's `NodeTls` says.
#[derive(FromPyObject)]
struct TlsFiles {
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

#[pymethods]
impl Instance {
    #[new]
    fn new(py: Python<'_>, threads: usize, peers: Option<PeerSettings>) -> PyResult<Instance> {
        crate::logs::install();
        if threads < 2 {
            return Err(PyValueError::new_err(format!(
                "threads is {threads}; wanted 2 or more"
            )));
        }
        // All of it is checked here, also what is used only when the node knows its own address.
        if let Some(peers) = &peers {
            peers.check()?;
        }
        let home = Home::new(py, threads, peers.is_some())?;
        let settings = match &peers {
            None => Some(None),
            Some(peers) => peers
                .me
                .as_ref()
                .map(|me| peers.read(me).map(Some))
                .transpose()?,
        };
        let instance = OnceLock::new();
        if let Some(settings) = settings {
            let made = oxbridge_cache::Instance::on(home.handle().clone(), settings);
            // It is empty: nobody else has it yet.
            let _ = instance.set(made);
        }
        Ok(Instance {
            home,
            instance,
            peers,
            server: Mutex::new(None),
        })
    }

    /// Makes a group.
    #[pyo3(signature = (name, getter, is_async, keys, serializer, loops, max_bytes, ttl, negative_ttl, stale_for, tier))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the keywords of Instance.group"
    )]
    fn group(
        &self,
        name: String,
        getter: Py<PyAny>,
        is_async: bool,
        keys: &str,
        serializer: &Bound<'_, PyAny>,
        loops: Py<PyAny>,
        max_bytes: usize,
        ttl: Option<f64>,
        negative_ttl: Option<f64>,
        stale_for: f64,
        tier: Option<&Bound<'_, PyTier>>,
    ) -> PyResult<Group> {
        self.home.check()?;
        let source = Arc::new(Source {
            name: name.clone(),
            home: self.home.clone(),
            codec: codec(serializer)?,
            keys: keys.parse()?,
            is_async,
            loops,
            getter: Mutex::new(Some(getter)),
        });
        let mut builder = self
            .instance()?
            .group(name)
            .max_bytes(max_bytes)
            .stale_for(seconds("stale_for", stale_for)?);
        if let Some(ttl) = time_to_live("ttl", ttl)? {
            builder = builder.ttl(ttl);
        }
        if let Some(ttl) = time_to_live("negative_ttl", negative_ttl)? {
            builder = builder.negative_ttl(ttl);
        }
        if let Some(tier) = tier {
            builder = builder.second_tier(&tier.get().0);
        }
        let group = builder
            .getter(PythonGetter(source.clone()))
            .map_err(|e: GroupError| PyValueError::new_err(e.to_string()))?;
        let is_shared = self.peers.is_some() || tier.is_some();
        Ok(Group::new(group, source, is_shared))
    }

    /// A second tier for groups of this instance.
    fn tier(&self, settings: RedisSettings) -> PyResult<PyTier> {
        self.home.check()?;
        PyTier::new(&self.home, &settings)
    }

    /// Takes the list of peers from elsewhere, now and whenever it is another one.
    fn follow(
        &self,
        every: f64,
        dns: Option<String>,
        file: Option<PathBuf>,
        registry: Option<&Bound<'_, PyTier>>,
    ) -> PyResult<PyFollowing> {
        self.home.check()?;
        if self.peers.is_none() {
            return Err(PyValueError::new_err(PeerError::Alone.to_string()));
        }
        let every = time_to_live("every", Some(every))?.unwrap_or_default();
        let source = following::source(dns, file, registry)?;
        let following = self.instance()?.follow(source, every);
        Ok(PyFollowing::new(following, self.home.clone()))
    }

    /// Forgets a group; says whether it was there.
    fn remove_group(&self, name: &str) -> bool {
        let instance = self.instance.get();
        instance.is_some_and(|instance| instance.remove_group(name).is_some())
    }

    fn set_peers(&self, addresses: Vec<String>) -> PyResult<()> {
        self.home.check()?;
        self.instance()?
            .set_peers(addresses)
            .map_err(|e: PeerError| PyValueError::new_err(e.to_string()))
    }

    /// What the node is and does, as JSON; `None` while it does not know its own address.
    fn snapshot(&self) -> PyResult<Option<String>> {
        let snapshot = self.instance.get().map(|instance| instance.snapshot());
        snapshot
            .map(|snapshot| serde_json::to_string(&snapshot))
            .transpose()
            .map_err(|e| PyRuntimeError::new_err(e.to_string()))
    }

    /// The same for Prometheus.
    fn prometheus(&self) -> String {
        let snapshot = self.instance.get().map(|instance| instance.snapshot());
        snapshot.map_or_else(String::new, |snapshot| snapshot.prometheus())
    }

    fn owner(&self, key: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
        let key = super::key::key_of(key)?;
        Ok(self.instance()?.owner(key))
    }

    /// Answers peers; gives this node's address as the lists of peers have it.
    fn serve(&self, py: Python<'_>, bind: &str) -> PyResult<String> {
        self.home.check()?;
        let Some(peers) = &self.peers else {
            return Err(PyRuntimeError::new_err(
                "the instance was made without peers, so nobody would ask: Instance(peers=Peers(…))",
            ));
        };
        let bind: Bind = bind
            .parse()
            .map_err(|e: ParseBindError| PyValueError::new_err(e.to_string()))?;
        let mut slot = lock(py, &self.server);
        if slot.is_some() {
            return Err(PyRuntimeError::new_err("the instance serves already"));
        }
        let handler: Arc<OnceLock<PeerHandler>> = Arc::default();
        let answers = handler.clone();
        let mut builder = Server::builder();
        if let Some(tls) = peers.node_tls()? {
            builder = builder.tls(tls.server());
        }
        builder.fallback_inline(move |exchange| {
            // Until the node knows its own address it has no groups, and an exchange that is dropped
            // is answered with 500.
            if let Some(handler) = answers.get() {
                handler.handle(exchange);
            }
        });
        let server = py
            .detach(|| builder.bind(bind).start())
            .map_err(start_error)?;
        let place = server.addresses().first().cloned();
        let instance = match (self.instance.get(), place) {
            (Some(instance), _) => instance,
            (None, Some(LocalAddr::Tcp(place))) if !place.ip().is_unspecified() => {
                let me = peers.address(&place.to_string())?;
                let made = peers.read(&me)?;
                self.instance.get_or_init(|| {
                    oxbridge_cache::Instance::on(self.home.handle().clone(), Some(made))
                })
            }
            (None, place) => {
                py.detach(|| drop(server));
                return Err(PyValueError::new_err(format!(
                    "other nodes cannot reach {}; say how they reach this one: Peers(me=…)",
                    place.map_or_else(|| "nothing".to_owned(), |place| place.to_string())
                )));
            }
        };
        let me = match &peers.me {
            Some(me) => me.clone(),
            None => {
                let place = server.addresses().first().map(ToString::to_string);
                peers.address(&place.unwrap_or_default())?
            }
        };
        // It is empty: it was made above.
        let _ = handler.set(instance.handler());
        *slot = Some(server);
        Ok(me)
    }

    /// Stops to answer peers, and gives up all that is loaded.
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        let timeout = seconds("timeout", timeout)?;
        self.stop_server(py, timeout);
        py.detach(|| self.home.close());
        Ok(())
    }

    /// Whether it can be used no more.
    #[getter]
    fn closed(&self) -> bool {
        self.home.check().is_err()
    }

    /// Whether it belongs to the process that this one was forked from.
    #[getter]
    fn of_parent(&self) -> bool {
        self.home.is_of_parent()
    }
}

impl Instance {
    fn instance(&self) -> PyResult<&oxbridge_cache::Instance> {
        self.instance.get().ok_or_else(|| {
            PyRuntimeError::new_err(
                "the node does not know its own address yet: call serve(…) first, or say Peers(me=…)",
            )
        })
    }

    fn stop_server(&self, py: Python<'_>, timeout: Duration) {
        let server = lock(py, &self.server).take();
        let Some(server) = server else { return };
        if self.home.is_of_parent() {
            // Its threads and sockets are the parent's.
            std::mem::forget(server);
            return;
        }
        py.detach(|| {
            server.stop(timeout);
            drop(server);
        });
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Without an interpreter the process ends, and takes the sockets with it.
        let _ = Python::try_attach(|py| self.stop_server(py, Duration::ZERO));
    }
}

impl PeerSettings {
    /// Everything but the node's own address.
    fn check(&self) -> PyResult<()> {
        self.read("").map(drop)
    }

    fn node_tls(&self) -> PyResult<Option<NodeTls>> {
        let Some(files) = &self.tls else {
            return Ok(None);
        };
        if self.dialect()? != Dialect::Oxbridge {
            return Err(PyValueError::new_err(
                "tls is for the dialect \"oxbridge\" only: the nodes of the others speak plain HTTP",
            ));
        }
        NodeTls::from_pem_files(&files.ca, &files.cert, &files.key)
            .map(Some)
            .map_err(|e: NodeTlsError| PyValueError::new_err(e.to_string()))
    }

    fn read(&self, me: &str) -> PyResult<Peers> {
        let path = &self.base_path;
        if !(path.starts_with('/') && path.ends_with('/')) {
            return Err(PyValueError::new_err(format!(
                "base_path is {path:?}; wanted a path with a slash at both ends"
            )));
        }
        if self.replicas == 0 {
            return Err(PyValueError::new_err("replicas is 0; wanted 1 or more"));
        }
        let timeout = time_to_live("timeout", Some(self.timeout))?;
        let mut peers = Peers::new(self.dialect()?, me)
            .base_path(path)
            .replicas(self.replicas)
            .timeout(timeout.unwrap_or_default())
            .max_answer(self.max_answer);
        if let Some(factor) = self.bounded_load {
            if factor.is_nan() || factor < 1.0 || self.dialect()? != Dialect::Oxbridge {
                return Err(PyValueError::new_err(format!(
                    "bounded_load is {factor}; wanted 1 or more, in the dialect \"oxbridge\", or None"
                )));
            }
            peers = peers.bounded_load(Some(factor));
        }
        if let Some(tls) = self.node_tls()? {
            peers = peers.tls(tls.client());
        }
        match &self.secret {
            None => Ok(peers),
            Some(_) if self.dialect()? != Dialect::Oxbridge => Err(PyValueError::new_err(
                "a secret is for the dialect \"oxbridge\" only: the others have no credentials",
            )),
            Some(secret) if secret.is_empty() => Err(PyValueError::new_err(
                "the secret is empty; wanted bytes that nobody can guess, or None",
            )),
            Some(secret) => Ok(peers.secret(secret)),
        }
    }

    fn dialect(&self) -> PyResult<Dialect> {
        match self.dialect.as_str() {
            "golang" => Ok(Dialect::Golang),
            "mailgun" => Ok(Dialect::Mailgun),
            "groupcache-go" => Ok(Dialect::GroupcacheGo),
            "oxbridge" => Ok(Dialect::Oxbridge),
            other => Err(PyValueError::new_err(format!(
                "dialect is {other:?}; wanted \"golang\", \"mailgun\", \"groupcache-go\" or \"oxbridge\""
            ))),
        }
    }

    /// A host and port as the dialect's lists have them.
    fn address(&self, place: &str) -> PyResult<String> {
        Ok(match self.dialect()? {
            Dialect::GroupcacheGo => place.to_owned(),
            Dialect::Oxbridge if self.tls.is_some() => format!("https://{place}"),
            Dialect::Golang | Dialect::Mailgun | Dialect::Oxbridge => format!("http://{place}"),
        })
    }
}

/// The codec of a serializer: "bytes", "str", or an object with `dumps` and `loads`.
fn codec(serializer: &Bound<'_, PyAny>) -> PyResult<Codec> {
    if let Ok(name) = serializer.extract::<String>() {
        return match name.as_str() {
            "bytes" => Ok(Codec::Bytes),
            "str" => Ok(Codec::Str),
            _ => Err(PyValueError::new_err(format!(
                "serializer is {name:?}; wanted \"bytes\", \"str\", \"json\" or an object with dumps and loads"
            ))),
        };
    }
    Ok(Codec::Functions {
        dumps: serializer.getattr("dumps")?.unbind(),
        loads: serializer.getattr("loads")?.unbind(),
    })
}
