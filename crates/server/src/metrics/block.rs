//! The memory that the counters live in, own or shared with other processes.
//!
//! Words of 64 bits: a header of one cache line, the base slot, then a slot for each worker. All are
//! accessed as atomics only, by every process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed},
};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

use crate::metrics::layout::WIDTH;

/// "oxb metr", and the version of the layout.
const MAGIC: u64 = 0x6f78_626d_6574_7201;
/// Words of the header: magic, number of slots, words in a slot, generation.
const HEADER: usize = 8;
const GENERATION: usize = 3;
/// More workers than any machine runs; keeps sizes far from overflow.
const MOST: usize = 65_536;

/// A mapped block.
#[derive(Debug)]
pub(super) struct Block {
    words: NonNull<AtomicU64>,
    len: usize,
}

// SAFETY: all access is through `&[AtomicU64]`, which any thread may have; unmapping in `drop` needs
// no certain thread.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// A block of this process alone.
    pub(super) fn own(slots: usize) -> io::Result<Self> {
        let bytes = size(slots)?;
        // SAFETY: a fresh anonymous mapping at an address that the kernel chooses touches no memory that
        // anything else uses.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        let block = Self::mapped(start, bytes);
        block.inscribe(slots);
        Ok(block)
    }

    /// A block in memory that other processes can map by the descriptor. Its size is sealed.
    pub(super) fn shared(slots: usize) -> io::Result<(Self, OwnedFd)> {
        let bytes = size(slots)?;
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = rustix::fs::memfd_create("oxbridge-metrics", flags)?;
        rustix::fs::ftruncate(&fd, bytes as u64)?;
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let block = Self::map(&fd, bytes)?;
        block.inscribe(slots);
        Ok((block, fd))
    }

    /// The block that another process has made.
    pub(super) fn open(fd: impl AsFd) -> io::Result<Self> {
        let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let seals = rustix::fs::fcntl_get_seals(&fd)
            .map_err(|e| wrong(format!("the descriptor is not of shared memory: {e}")))?;
        if !seals.contains(SealFlags::SHRINK) {
            return Err(wrong("the shared memory may still shrink".into()));
        }
        let bytes = usize::try_from(rustix::fs::fstat(&fd)?.st_size).unwrap_or(0);
        let possible = (HEADER + WIDTH) * 8..=(HEADER + (MOST + 1) * WIDTH) * 8;
        if !possible.contains(&bytes) {
            return Err(wrong(format!("{bytes} bytes are no block of metrics")));
        }
        let block = Self::map(&fd, bytes)?;
        let header = block.words();
        let (slots, width) = (header[1].load(Relaxed), header[2].load(Relaxed));
        let found = header[0].load(Relaxed);
        if found != MAGIC {
            return Err(wrong(format!(
                "the memory begins with {found:#x}, not with {MAGIC:#x}: another program's, or another version's"
            )));
        }
        let fits = usize::try_from(slots).is_ok_and(|slots| size(slots).is_ok_and(|s| s == bytes));
        if width != WIDTH as u64 || !fits {
            return Err(wrong(format!(
                "{slots} slots of {width} words do not make {bytes} bytes"
            )));
        }
        Ok(block)
    }

    /// How many slots there are beside the base slot.
    pub(super) fn slots(&self) -> usize {
        (self.len - HEADER) / WIDTH - 1
    }

    /// The counters of a slot: 0 is the base slot, 1 the first worker's.
    ///
    /// Panics if there is no such slot.
    pub(super) fn slot(&self, slot: usize) -> &[AtomicU64] {
        &self.words()[HEADER + slot * WIDTH..][..WIDTH]
    }

    /// Odd while counts move from one slot to another.
    pub(super) fn generation(&self) -> &AtomicU64 {
        &self.words()[GENERATION]
    }

    /// Reads with `read` until no counts moved meanwhile.
    pub(super) fn steady<T>(&self, mut read: impl FnMut() -> T) -> T {
        // A supervisor that died while it moved counts leaves the number odd: then any reading has to do.
        for _ in 0..1000 {
            let before = self.generation().load(Acquire);
            let value = read();
            std::sync::atomic::fence(Acquire);
            if before.is_multiple_of(2) && self.generation().load(Relaxed) == before {
                return value;
            }
            std::thread::yield_now();
        }
        read()
    }

    fn map(fd: impl AsFd, bytes: usize) -> io::Result<Self> {
        // SAFETY: a fresh shared mapping at an address that the kernel chooses touches no memory that
        // anything else uses. The file is at least `bytes` long and sealed against shrinking, so no
        // access faults; what other processes write there is read through atomics only.
        let start = unsafe {
            rustix::mm::mmap(
                null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                fd,
                0,
            )
        }?;
        Ok(Self::mapped(start, bytes))
    }

    fn mapped(start: *mut std::ffi::c_void, bytes: usize) -> Self {
        let Some(words) = NonNull::new(start.cast::<AtomicU64>()) else {
            unreachable!("a mapping that the kernel places is not at 0");
        };
        Block {
            words,
            len: bytes / 8,
        }
    }

    fn inscribe(&self, slots: usize) {
        let header = self.words();
        header[1].store(slots as u64, Relaxed);
        header[2].store(WIDTH as u64, Relaxed);
        header[0].store(MAGIC, Relaxed);
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: `words` is the start of a mapping of `len * 8` bytes that lasts until `drop`, aligned to
        // a page, readable and writable; every bit pattern is a valid `AtomicU64`, and nobody, in this
        // process or another, accesses it other than atomically.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.len) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: exactly what `map` or `own` has mapped, and no reference into it outlives `self`.
        let unmapped = unsafe { rustix::mm::munmap(self.words.as_ptr().cast(), self.len * 8) };
        debug_assert!(unmapped.is_ok(), "the range is one that was mapped");
    }
}

/// Bytes of a block with so many slots.
fn size(slots: usize) -> io::Result<usize> {
    if slots > MOST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{slots} slots; wanted at most {MOST}"),
        ));
    }
    Ok((HEADER + (slots + 1) * WIDTH) * 8)
}
