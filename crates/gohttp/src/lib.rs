//! libgohttp: the C functions of shazow's gohttplib, served by Oxbridge.
//!
//! A program that was built for the original, its `gohttp` Python package too, runs on this library
//! without a recompile: the symbols, the structs and their order are the original's
//! (`include/libgohttp.h`), and so is what they do, namely what Go's `net/http` does.
//! What is better is listed in `docs/c/gohttp.md`.
//!
//! | file | what |
//! |---|---|
//! | `exports` | the six functions as C sees them: nothing in them panics, and no argument is trusted |
//! | `library` | the patterns, and the servers that run |
//! | `call` | one call of a C handler, from the request to the end of its answer |
//! | `writers` | the numbers that stand for response writers |
//! | `url`, `headers`, `address`, `log` | Go's text forms |

mod address;
mod call;
mod exports;
mod headers;
mod library;
mod log;
mod url;
mod writers;

pub use exports::{
    Call_HandleFunc, FuncPtr, HandleFunc, ListenAndServe, Request, ResponseWriter_Write,
    ResponseWriter_WriteHeader, ResponseWriterPtr, Shutdown,
};
