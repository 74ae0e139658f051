//! Parts of files on their way through hyper, which the system copies from file to socket.
//!
//! hyper owns the framing and wants bytes. It gets a *stand-in*: a slice of the right length out of a
//! region that nobody reads, and that takes no memory since nobody writes it. It keeps the slice as it
//! is, since sockets here take vectored writes, and gives it to the [`Stream`](super::Stream), which knows
//! it by its address and sends the part of the file that it stands for.
//!
//! What could go wrong is that a stand-in reaches somebody who takes it for bytes. So a body gives them
//! only to hyper itself, only over HTTP/1 and without TLS (compression, TLS and HTTP/2 read the file),
//! and the stream sends a part only for the very slice that was made for it: one that comes out of turn,
//! or with another length, ends the connection.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::Poll;

use bytes::Bytes;

use crate::sync::lock;

/// The parts that one connection has promised and not sent. Used by the connection's task only.
#[derive(Debug)]
pub(crate) struct FileParts {
    /// The connection's stream looks for stand-ins.
    open: AtomicBool,
    /// Mirrors whether `state` has parts, so that other writes cost a load.
    any: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In the order in which hyper was given their stand-ins.
    parts: VecDeque<Part>,
    /// Where in the region the next stand-in begins.
    next: usize,
}

#[derive(Debug)]
struct Part {
    file: Arc<File>,
    offset: u64,
    /// What of the stand-in is still to come.
    stand_in: &'static [u8],
}

impl FileParts {
    pub(crate) const fn new() -> Self {
        FileParts {
            open: AtomicBool::new(false),
            any: AtomicBool::new(false),
            state: Mutex::new(State {
                parts: VecDeque::new(),
                next: 0,
            }),
        }
    }

    /// Says that the stream looks for stand-ins.
    pub(super) fn open(&self) {
        self.open.store(true, Relaxed);
    }

    /// Whether parts may be promised.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Relaxed)
    }

    /// The stand-in for `length` bytes of the file, at most [`LONGEST`].
    pub(crate) fn promise(&self, file: &Arc<File>, offset: u64, length: usize) -> Bytes {
        let mut state = lock(&self.state);
        let begin = state.next;
        // Each has another address than those shortly before it, and so is told from them.
        state.next = (begin + 1) % LONGEST;
        let stand_in = &REGION[begin..begin + length.min(LONGEST)];
        state.parts.push_back(Part {
            file: file.clone(),
            offset,
            stand_in,
        });
        self.any.store(true, Relaxed);
        Bytes::from_static(stand_in)
    }

    /// How many of these buffers, from the first on, are bytes to be sent as they are.
    pub(super) fn plain(&self, bufs: &[io::IoSlice<'_>]) -> usize {
        if !self.any.load(Relaxed) {
            return bufs.len();
        }
        let region = REGION.as_ptr_range();
        let stands_in = |buf: &io::IoSlice<'_>| region.contains(&buf.as_ptr());
        bufs.iter().position(stands_in).unwrap_or(bufs.len())
    }

    /// Has `send` send from file and offset what a stand-in stands for, or some of it, and says how much.
    ///
    /// # Errors
    /// What `send` says; `UnexpectedEof` where the file has become shorter; and one for a stand-in that is
    /// not the next.
    pub(super) fn poll_send(
        &self,
        stand_in: &[u8],
        send: impl FnOnce(&File, u64, usize) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        // Taken out, so that no lock is held while the disk is read.
        let next = lock(&self.state).parts.pop_front();
        let Some(mut part) = next.filter(|part| std::ptr::eq(part.stand_in, stand_in)) else {
            return Poll::Ready(Err(io::Error::other(
                "a part of a file came out of turn in its message",
            )));
        };
        let sent = send(&part.file, part.offset, part.stand_in.len());
        let n = match &sent {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(shorter())),
            Poll::Ready(Ok(n)) => *n,
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        part.offset += n as u64;
        part.stand_in = &part.stand_in[n..];
        let mut state = lock(&self.state);
        if !part.stand_in.is_empty() {
            state.parts.push_front(part);
        }
        self.any.store(!state.parts.is_empty(), Relaxed);
        sent
    }

    /// Lets go of what will not be sent any more.
    pub(crate) fn clear(&self) {
        if self.any.swap(false, Relaxed) {
            let parts = std::mem::take(&mut lock(&self.state).parts);
            drop(parts);
        }
    }
}

/// The error that says that there is less of a file than was promised.
pub(crate) fn shorter() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the file has become shorter while it was sent",
    )
}

/// The longest stand-in, in bytes.
pub(crate) const LONGEST: usize = 64 << 10;

/// What stand-ins are slices of. Zeroed memory of this size comes from the system, which has a page for
/// it only once it is touched.
static REGION: LazyLock<Vec<u8>> = LazyLock::new(|| vec![0; 2 * LONGEST]);
