//! liboxbridge: the Oxbridge HTTP server for C, C++ and every language that speaks C.
//!
//! The functions here are the C ABI; `include/oxbridge.h` is made from them, and its comments are theirs.
//! A Rust program uses the crate `oxbridge` instead.
//!
//! This crate translates and adds no rule of HTTP. Its own business is the boundary: handles instead of
//! pointers (`exchange.rs`), panics that stop (`entry.rs`), who owns what, and the three ways in which a
//! host drives a server: the library's threads, turns, and a queue (`server.rs`).

#![expect(
    non_camel_case_types,
    reason = "types and constants have the names that they have in C"
)]
#![expect(
    unreachable_pub,
    reason = "what is public here is so for C: the linker's symbols and the header's types"
)]

mod config;
mod entry;
mod exchange;
mod fail;
mod fork;
mod log;
mod queue;
mod request;
mod response;
mod server;
mod site;
mod status;
mod text;
mod user;
mod version;
