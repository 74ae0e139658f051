//! An HTTP/1.1 and HTTP/2 server whose handlers may block.
//!
//! One thread both drives the sockets and runs the handlers, so that a handler that does not block costs
//! no hand-off; as soon as one does block, another thread takes over (Leader/Followers).
//! Patterns, and what a [`ResponseWriter`] does, are those of Go's `net/http`.
//!
//! Start with [`Server::builder`].

#![deny(missing_docs)]

pub mod access_log;
pub mod admin;
pub mod compression;
pub mod files;
pub mod forwarded;
pub mod listen;
pub mod log;
pub mod metrics;
pub mod tls;
pub mod websocket;

mod app;
mod body;
mod builder;
mod conn;
mod connection;
mod crew;
mod driver;
mod edge;
mod error;
mod exchange;
mod guard;
mod in_process;
mod incoming;
mod limits;
mod memory;
mod observe;
mod pace;
mod proxy_protocol;
mod reactor;
mod reply;
mod request;
mod respond;
mod response;
mod server;
mod service;
mod sniff;
mod stream;
mod sync;
mod work;

pub use body::{Body, BoxError};
pub use builder::Builder;
pub use compression::Compression;
pub use crew::{Host, Native, wake};
pub use driver::{AtTheWheel, TurnError, Turned};
pub use error::{BodyError, StartError, WriteError};
pub use exchange::Exchange;
pub use files::{FileError, serve_dir, serve_file};
pub use in_process::{Answering, InProcess, Via};
pub use incoming::{RequestBody, block_on};
pub use limits::Limits;
pub use request::{Connection, Matched, Request};
pub use respond::IntoResponse;
pub use response::ResponseWriter;
pub use server::{Runner, Server};
pub use work::Work;

pub use oxbridge_mux as mux;
