//! The options of `Core` about what stands between a client and the server: proxies in front of it, and
//! what every answer carries.

use http::{HeaderMap, HeaderName, HeaderValue};
use oxbridge::Builder;
use oxbridge::forwarded::Trust;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::convert::type_name;

/// What the options say, once read.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    proxy_protocol: bool,
    proxy_protocol_from: Trust,
    trust: Trust,
    server: Option<HeaderValue>,
    date: bool,
    headers: HeaderMap,
}

impl Default for Edge {
    fn default() -> Self {
        Edge {
            proxy_protocol: false,
            proxy_protocol_from: Trust::everyone(),
            trust: Trust::default(),
            server: None,
            date: true,
            headers: HeaderMap::new(),
        }
    }
}

impl Edge {
    /// The names of the options that are read here.
    pub(crate) const KNOWN: &str = "proxy_protocol, proxy_protocol_from, forwarded_allow_ips, server_header, date_header, headers";

    /// Reads an option if it is one of these; says whether it is.
    pub(crate) fn read(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        match name {
            "proxy_protocol" => self.proxy_protocol = typed(name, value, "True or False")?,
            "proxy_protocol_from" => {
                self.proxy_protocol_from = trust(name, value)?.unwrap_or_else(Trust::everyone);
            }
            "forwarded_allow_ips" => self.trust = trust(name, value)?.unwrap_or_default(),
            "server_header" => {
                let text: Option<String> = typed(name, value, "a string or None")?;
                self.server = text.map(|text| field_value(name, &text)).transpose()?;
            }
            "date_header" => self.date = typed(name, value, "True or False")?,
            "headers" => self.headers = headers(name, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Tells the server.
    pub(crate) fn apply(self, builder: Builder) -> Builder {
        builder
            .proxy_protocol(self.proxy_protocol)
            .proxy_protocol_from(self.proxy_protocol_from)
            .trust_forwarded(self.trust)
            .server_header(self.server)
            .date_header(self.date)
            .default_headers(self.headers)
    }
}

fn trust(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<Trust>> {
    let text: Option<String> = typed(name, value, "a string or None")?;
    let trust = text.map(|text| Trust::parse(&text)).transpose();
    trust.map_err(|e| PyValueError::new_err(format!("{name}: {e}")))
}

fn headers(name: &str, value: &Bound<'_, PyAny>) -> PyResult<HeaderMap> {
    let pairs: Vec<(String, String)> = typed(name, value, "a list of pairs of strings")?;
    let mut headers = HeaderMap::new();
    for (field, text) in pairs {
        let field = HeaderName::try_from(&field).map_err(|_| {
            PyValueError::new_err(format!("{name}: {field:?} is no name of a header field"))
        })?;
        let text = field_value(name, &text)?;
        headers.append(field, text);
    }
    Ok(headers)
}

/// A value in Latin-1, as the values of a response are.
fn field_value(name: &str, text: &str) -> PyResult<HeaderValue> {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    bytes
        .and_then(|bytes| HeaderValue::from_bytes(&bytes).ok())
        .ok_or_else(|| {
            PyValueError::new_err(format!("{name}: {text:?} is no value of a header field"))
        })
}

fn typed<'a, 'py, T>(name: &str, value: &'a Bound<'py, PyAny>, wanted: &str) -> PyResult<T>
where
    T: FromPyObject<'a, 'py>,
{
    value.extract().map_err(|_| {
        let shown = value
            .repr()
            .map_or_else(|_| "?".to_owned(), |shown| shown.to_string());
        PyTypeError::new_err(format!(
            "{name} is {shown} ({}); wanted {wanted}",
            type_name(value)
        ))
    })
}
