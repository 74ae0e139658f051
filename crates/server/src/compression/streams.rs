//! How many responses are compressed as they stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::Compression;

/// A server's compression: the settings, and the streams that are under way.
#[derive(Debug)]
pub(crate) struct Compressor {
    pub(super) settings: Compression,
    streams: AtomicUsize,
}

impl Compressor {
    pub(crate) fn new(settings: Compression) -> Arc<Self> {
        Arc::new(Compressor {
            settings,
            streams: AtomicUsize::new(0),
        })
    }

    /// A place among the streams that are compressed at the same time, if there is one.
    pub(super) fn stream(self: &Arc<Self>) -> Option<Stream> {
        // Each counts itself first, so that never more than the bound are let through.
        let stream = Stream(self.clone());
        let before = self.streams.fetch_add(1, Relaxed);
        (before < self.settings.max_streams).then_some(stream)
    }
}

/// A stream's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Stream(Arc<Compressor>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
    }
}
