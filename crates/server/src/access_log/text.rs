//! A line by a format string.

use crate::access_log::format::Part;
use crate::access_log::record::{Outcome, Record, display, number as digits};
use crate::access_log::{clock, escape};

/// Writes the line, without its end.
pub(super) fn write(out: &mut Vec<u8>, parts: &[Part], record: &Record, outcome: &Outcome) {
    let head = record.head.as_ref();
    for part in parts {
        match part {
            Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            Part::Client => record.write_client(out),
            Part::Nothing => out.push(b'-'),
            Part::User(number) => match record.user(*number) {
                // It stands outside quotes: a space would begin the next field.
                Some(user) => escape::text(out, &user, Some(b' ')),
                None => out.push(b'-'),
            },
            Part::Time => clock::common(out, record.came),
            Part::RequestLine => match head {
                Some(head) => {
                    escape::text(out, head.method.as_str().as_bytes(), None);
                    out.push(b' ');
                    head.write_target(|piece| escape::text(out, piece, None));
                    out.push(b' ');
                    out.extend_from_slice(head.protocol().as_bytes());
                }
                None => out.push(b'-'),
            },
            Part::Method => value(out, head.map(|h| h.method.as_str().as_bytes())),
            Part::Path => value(out, head.map(|h| h.uri.path().as_bytes())),
            Part::Query => {
                let query = head.and_then(|h| h.uri.query()).unwrap_or("");
                escape::text(out, query.as_bytes(), None);
            }
            Part::Protocol => value(out, head.map(|h| h.protocol().as_bytes())),
            Part::Status => digits(out, outcome.status.into()),
            Part::BytesOrDash if outcome.sent == 0 => out.push(b'-'),
            Part::Bytes | Part::BytesOrDash => digits(out, outcome.sent),
            Part::Seconds => digits(out, outcome.took.as_secs()),
            Part::Millis => display(out, outcome.took.as_millis()),
            Part::Micros => display(out, outcome.took.as_micros()),
            Part::Decimal => {
                let (whole, micros) = (outcome.took.as_secs(), outcome.took.subsec_micros());
                display(out, format_args!("{whole}.{micros:06}"));
            }
            Part::Process => display(out, format_args!("<{}>", std::process::id())),
            Part::RequestField(number) => value(out, record.field(*number)),
            Part::ResponseField(number) => {
                let field = outcome.fields.get(*number).and_then(Option::as_ref);
                value(out, field.map(|v| v.as_bytes()));
            }
        }
    }
}

fn value(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) if !bytes.is_empty() => escape::text(out, bytes, None),
        _ => out.push(b'-'),
    }
}
