//! liboxbridge_embed: Python inside programs in C, Go and every language that speaks C.
//!
//! The functions here are the C ABI; `include/oxbridge_embed.h` is made from them, and its comments are theirs.
//! A Rust program uses the crate `oxbridge-embed` instead.
//!
//! This crate translates. Its own business is the boundary: panics that stop (`entry.rs`), who owns what, and
//! the thread that calls callbacks (`callbacks.rs`), so that no code of the host runs inside Python.

#![expect(
    non_camel_case_types,
    reason = "types and constants have the names that they have in C"
)]
#![expect(
    unreachable_pub,
    reason = "what is public here is so for C: the linker's symbols and the header's types"
)]

mod call;
mod callbacks;
mod entry;
mod fail;
mod fork;
mod options;
mod python;
mod request;
mod response;
mod routes;
mod status;
mod text;
mod version;
