//! What runs in a reactor for a server itself: the tasks that accept connections, and the sweep.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::conn::Conn;
use crate::connection;
use crate::listen::{TokioListener, is_exhausted, is_transient};
use crate::memory;
use crate::metrics::Metrics;
use crate::reactor::Shared;
use crate::tls::TlsAcceptor;

/// Accepts connections until it is aborted.
pub(super) async fn accept(
    shared: Arc<Shared>,
    listener: TokioListener,
    tls: Option<TlsAcceptor>,
    permits: Option<Arc<Semaphore>>,
) {
    let local = Arc::new(listener.local_addr().clone());
    loop {
        let (accepted, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(e) if is_exhausted(&e) => {
                tracing::warn!("cannot accept connections for now: {e}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            Err(e) if is_transient(&e) => continue,
            Err(e) => {
                tracing::error!(address = %local, "cannot accept connections any more: {e}");
                return;
            }
        };
        // Before the accept, a listener without clients would sit on a permit that another one needs.
        let permit = match &permits {
            // The semaphore is never closed.
            Some(permits) => permits.clone().acquire_owned().await.ok(),
            None => None,
        };
        let mut conn = Conn::new(peer, local.clone(), shared.sweep.clock.clone());
        conn.metrics = shared.notes.metrics.clone();
        let counted = conn.metrics.as_ref().map(Metrics::connection_opened);
        let conn = Arc::new(conn);
        let entered = shared.sweep.enter(conn.clone());
        let (shared, tls) = (shared.clone(), tls.clone());
        tokio::spawn(async move {
            let _ended = Ended(Some(entered), shared.clone());
            connection::serve(shared, accepted, conn, tls).await;
            drop((permit, counted));
        });
    }
}

/// Takes a connection off the books, also when its task panics.
struct Ended(Option<crate::conn::Entered>, Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.take());
        self.1.connection_ended();
    }
}

/// Looks for connections that are out of time; sleeps longer while there are none.
pub(super) async fn sweep(shared: Arc<Shared>) {
    let tick = shared.limits.tick();
    loop {
        tokio::time::sleep(tick).await;
        if shared.sweep.pass(&shared.limits) >= CROWD {
            // The resting connections gave their buffers back in the next moments; to the system too.
            tokio::time::sleep(Duration::from_millis(5)).await;
            memory::trim();
        }
    }
}

/// So many connections that go to rest at once make it worth a pass over the heap.
const CROWD: usize = 256;
