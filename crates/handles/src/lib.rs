//! Handles: integers that stand for objects across a language boundary.
//!
//! A program in C, Go or Python cannot be trusted with a pointer: it will use it after the end, use
//! it twice, or make one up. It gets a number instead. A [`Registry`] keeps the objects, and gives
//! one to whoever shows its number; a number that is stale, used by two threads at once, forged, or
//! another registry's is an error, never undefined behaviour.
//!
//! ```
//! use oxbridge_handles::{AccessError, Registry};
//!
//! static EXCHANGES: Registry<String, 24, 40> = Registry::new();
//! let server = 1;
//!
//! let handle = EXCHANGES.insert(server, "hello".to_owned()).expect("a free slot");
//! EXCHANGES.acquire(handle)?.push('!');
//! assert_eq!(EXCHANGES.remove(handle)?, "hello!");
//! assert_eq!(EXCHANGES.remove(handle), Err(AccessError::Stale));
//! # Ok::<(), AccessError>(())
//! ```
//!
//! # How a handle is made
//!
//! Its low `INDEX_BITS` say where the value is, the `GENERATION_BITS` above say which of all the
//! values that have been there. The generation of a place starts at a random number and goes up by
//! one with each value. A look-up is two loads and one atomic exchange, letting go is another
//! exchange; neither takes a lock or waits.

mod chunks;
mod guard;
mod registry;
mod shards;
mod slot;
mod sync;

pub use guard::Guard;
pub use registry::{AccessError, Registry};
pub use shards::Held;
