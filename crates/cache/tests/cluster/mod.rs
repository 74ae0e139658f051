//! Nodes of a cluster, in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use oxbridge::Server;
use oxbridge::listen::{Bind, LocalAddr};
use oxbridge_cache::{Dialect, Error, Group, Instance, Peers, Value};

/// A node in this process. Its getter does what the Go nodes' does.
pub(crate) struct RustNode {
    pub(crate) address: String,
    pub(crate) cache: Instance,
    pub(crate) group: Group,
    pub(crate) loads: Arc<AtomicUsize>,
    /// It answers until it is dropped.
    _server: Server,
}

impl RustNode {
    /// A node that is alone until it is told who the others are.
    pub(crate) fn start(dialect: Dialect, settings: impl Fn(Peers) -> Peers) -> RustNode {
        // The port is known only when the server has it, and the cache must know its address.
        let (send, receive) = std::sync::mpsc::channel::<oxbridge_cache::PeerHandler>();
        let handler = std::sync::OnceLock::new();
        let receive = std::sync::Mutex::new(receive);
        let mut builder = Server::builder();
        builder.fallback_inline(move |exchange| {
            let handler = handler.get_or_init(|| {
                let receive = receive.lock().expect("nobody panics");
                receive.recv().expect("the handler comes")
            });
            handler.handle(exchange);
        });
        let bind = "127.0.0.1:0".parse::<Bind>().expect("an address");
        let server = builder.bind(bind).start().expect("it listens");
        let LocalAddr::Tcp(place) = &server.addresses()[0] else {
            unreachable!("it is bound to TCP");
        };
        let address = address(dialect, &place.to_string());

        let cache = Instance::with_peers(settings(Peers::new(dialect, &address)));
        send.send(cache.handler()).expect("the server waits for it");
        let loads = Arc::new(AtomicUsize::new(0));
        let count = loads.clone();
        let group = cache
            .group("things")
            .max_bytes(8 << 20)
            .getter(move |key: Bytes| {
                count.fetch_add(1, SeqCst);
                async move { load("rust", &key) }
            });
        RustNode {
            address,
            group: group.expect("the group is new"),
            cache,
            loads,
            _server: server,
        }
    }
}

/// What every getter says of a key.
pub(crate) fn load(name: &str, key: &[u8]) -> Result<Value, Error> {
    if key.starts_with(b"missing") {
        return Err(Error::not_found("no such thing"));
    }
    if key.starts_with(b"broken") {
        return Err(Error::getter("the getter is broken"));
    }
    Ok(Value::new(loaded(name, key)))
}

/// The value that the getter of a node gives: its name, the key, and every byte there is.
pub(crate) fn loaded(name: &str, key: &[u8]) -> Vec<u8> {
    let mut value = format!("{name}:").into_bytes();
    value.extend_from_slice(key);
    value.push(b':');
    value.extend(0..=255_u8);
    value
}

/// A host and port as the dialect's lists have them.
pub(crate) fn address(dialect: Dialect, host: &str) -> String {
    match dialect {
        Dialect::GroupcacheGo => host.to_owned(),
        _ => format!("http://{host}"),
    }
}
