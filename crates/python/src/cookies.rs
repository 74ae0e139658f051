//! Cookies, both ways (RFC 6265).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// What a cookie says of itself.
pub(crate) struct Attributes<'a> {
    pub(crate) path: Option<&'a str>,
    pub(crate) domain: Option<&'a str>,
    pub(crate) max_age: Option<i64>,
    pub(crate) expires: Option<f64>,
    pub(crate) secure: bool,
    pub(crate) http_only: bool,
    pub(crate) same_site: Option<&'a str>,
}

/// Seconds since 1970 of a number or a `datetime`.
pub(crate) fn timestamp(value: &Bound<'_, PyAny>) -> PyResult<f64> {
    if let Ok(seconds) = value.extract::<f64>() {
        return Ok(seconds);
    }
    value
        .call_method0("timestamp")
        .and_then(|t| t.extract())
        .map_err(|_| {
            PyTypeError::new_err(format!(
                "expires is {}; wanted seconds since 1970 or a datetime",
                crate::convert::type_name(value)
            ))
        })
}

/// The value of `Set-Cookie` (RFC 6265, section 4.1.1).
pub(crate) fn format(
    name: &str,
    value: &str,
    attributes: &Attributes<'_>,
) -> Result<String, String> {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(format!("{name:?} is no cookie name: a token is wanted"));
    }
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | ',' | ';' | '\\');
    if !value.chars().all(plain) {
        return Err(format!(
            "the value of cookie {name} has a space, comma, semicolon, quote, backslash or character beyond ASCII: {value:?}; encode it"
        ));
    }
    let mut cookie = format!("{name}={value}");
    for (key, text) in [("Path", attributes.path), ("Domain", attributes.domain)] {
        if let Some(text) = text {
            if text.chars().any(|c| c == ';' || c.is_control()) || !text.is_ascii() {
                return Err(format!(
                    "the {key} of cookie {name} has a semicolon, control or character beyond ASCII: {text:?}"
                ));
            }
            cookie.push_str(&format!("; {key}={text}"));
        }
    }
    if let Some(age) = attributes.max_age {
        cookie.push_str(&format!("; Max-Age={age}"));
    }
    if let Some(expires) = attributes.expires {
        // HTTP dates are between 1970 and 9999.
        let seconds = expires.clamp(0.0, 253_402_300_799.0);
        let date: SystemTime =
            UNIX_EPOCH + Duration::try_from_secs_f64(seconds).unwrap_or_default();
        cookie.push_str(&format!("; Expires={}", httpdate::fmt_http_date(date)));
    }
    if attributes.secure {
        cookie.push_str("; Secure");
    }
    if attributes.http_only {
        cookie.push_str("; HttpOnly");
    }
    if let Some(policy) = attributes.same_site {
        let policy = match policy.to_ascii_lowercase().as_str() {
            "lax" => "Lax",
            "strict" => "Strict",
            "none" => "None",
            _ => {
                return Err(format!(
                    "same_site is {policy:?}; wanted \"lax\", \"strict\" or \"none\""
                ));
            }
        };
        cookie.push_str(&format!("; SameSite={policy}"));
    }
    Ok(cookie)
}

/// The pairs of a `Cookie` field (RFC 6265, section 4.2.1); what is no pair is left out.
pub(crate) fn parse(field: &str) -> impl Iterator<Item = (&str, &str)> {
    field.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        let bare = value
            .strip_prefix('"')
            .and_then(|v| v.strip_suffix('"'))
            .unwrap_or(value);
        Some((name.trim(), bare)).filter(|(name, _)| !name.is_empty())
    })
}
