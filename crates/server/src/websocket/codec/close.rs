//! Close frames: which codes and reasons they may carry.

use super::Fault;

/// Whether an endpoint may put `code` into a close frame: those of RFC 6455 §7.4.1 that are not reserved,
/// 1012 to 1014 of the IANA registry, and those of applications.
pub(crate) fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// What a close frame says; none if it is empty.
pub(super) fn parse(payload: &[u8]) -> Result<Option<(u16, String)>, Fault> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(Fault::protocol("a close frame with half a code"))
        };
    };
    let code = u16::from_be_bytes(*code);
    if !is_sendable(code) {
        return Err(Fault::protocol("a close code that no endpoint may send"));
    }
    match std::str::from_utf8(reason) {
        Ok(reason) => Ok(Some((code, reason.to_owned()))),
        Err(_) => Err(Fault::payload("a close reason that is not UTF-8")),
    }
}

/// As much of a reason as fits a close frame beside the code (RFC 6455 §5.5), in whole characters.
pub(crate) fn clip(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(123)]
}
