//! A line as a JSON object.

use crate::access_log::record::{Outcome, Record, display};
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
    let (status, sent, micros) = (outcome.status, outcome.sent, outcome.took.as_micros());
    display(
        out,
        format_args!(",\"status\":{status},\"bytes\":{sent},\"duration_us\":{micros}"),
    );
    member(out, "referer", record.field(REFERER));
    member(out, "user_agent", record.field(USER_AGENT));
    let (complete, pid) = (outcome.complete, std::process::id());
    display(
        out,
        format_args!(",\"complete\":{complete},\"pid\":{pid}}}"),
    );
}

fn member(out: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    display(out, format_args!(",\"{name}\":"));
    match value {
        Some(value) => escape::json(out, value),
        None => out.extend_from_slice(b"null"),
    }
}
