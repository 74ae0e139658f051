//! A line as a JSON object.

use crate::access_log::record::{Outcome, Record, number};
use crate::access_log::{clock, escape};

// The numbers of the request fields, as `Format::json` names them.
const AUTHORIZATION: usize = 0;
const HOST: usize = 1;
const REFERER: usize = 2;
const USER_AGENT: usize = 3;

/// Writes the object, without an end of line.
pub(super) fn write(out: &mut Vec<u8>, record: &Record, outcome: &Outcome) {
    let head = record.head.as_ref();
    out.extend_from_slice(b"{\"time\":\"");
    clock::rfc3339(out, record.came);
    out.extend_from_slice(b"\",\"client\":\"");
    record.write_client(out);
    out.push(b'"');
    member(out, "user", record.user(AUTHORIZATION).as_deref());
    member(out, "method", head.map(|h| h.method.as_str().as_bytes()));
    let authority = head.and_then(|h| h.uri.authority());
    let host = authority.map(|authority| authority.as_str().as_bytes());
    member(out, "host", host.or_else(|| record.field(HOST)));
    member(out, "path", head.map(|h| h.uri.path().as_bytes()));
    let query = head.and_then(|h| h.uri.query());
    member(out, "query", query.map(str::as_bytes));
    member(out, "protocol", head.map(|h| h.protocol().as_bytes()));
    out.extend_from_slice(b",\"status\":");
    number(out, outcome.status.into());
    out.extend_from_slice(b",\"bytes\":");
    number(out, outcome.sent);
    out.extend_from_slice(b",\"duration_us\":");
    number(
        out,
        u64::try_from(outcome.took.as_micros()).unwrap_or(u64::MAX),
    );
    member(out, "referer", record.field(REFERER));
    member(out, "user_agent", record.field(USER_AGENT));
    out.extend_from_slice(b",\"complete\":");
    out.extend_from_slice(if outcome.complete {
        b"true"
    } else {
        b"false".as_slice()
    });
    out.extend_from_slice(b",\"pid\":");
    number(out, std::process::id().into());
    out.push(b'}');
}

fn member(out: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    for piece in [",\"", name, "\":"] {
        out.extend_from_slice(piece.as_bytes());
    }
    match value {
        Some(value) => escape::json(out, value),
        None => out.extend_from_slice(b"null"),
    }
}
