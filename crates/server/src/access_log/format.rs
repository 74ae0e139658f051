//! What a line says: the known formats, and format strings with gunicorn's atoms.

use std::fmt;

use http::HeaderName;
use http::header::{AUTHORIZATION, HOST, REFERER, USER_AGENT};

/// What a line of an [`AccessLog`](super::AccessLog) says.
///
/// A format string holds text and these atoms, which are gunicorn's:
///
/// | atom | value |
/// |---|---|
/// | `%(h)s` | address of the client |
/// | `%(l)s` | `-` |
/// | `%(u)s` | user name of Basic authentication; nobody has checked it unless the application did |
/// | `%(t)s` | when the request came, `[10/Oct/2000:13:55:36 -0700]`, local time |
/// | `%(r)s` | request line: `GET /a?b HTTP/1.1` |
/// | `%(m)s` | method |
/// | `%(U)s` | path, as it was sent |
/// | `%(q)s` | query, without the `?`; nothing if there is none |
/// | `%(H)s` | protocol |
/// | `%(s)s` | status; 499 if the client left before there was one |
/// | `%(B)s` | bytes of the response's body |
/// | `%(b)s` | the same, `-` for none |
/// | `%(f)s` | Referer |
/// | `%(a)s` | User-Agent |
/// | `%(T)s`, `%(M)s`, `%(D)s` | duration in whole seconds, milliseconds, microseconds |
/// | `%(L)s` | duration in seconds with six decimals |
/// | `%(p)s` | process number, `<1234>` |
/// | `%({name}i)s` | that field of the request |
/// | `%({name}o)s` | that field of the response |
/// | `%%` | a percent sign |
///
/// What is not there is `-`. In what a client sent, quotes and backslashes have a backslash before them,
/// and control characters, bytes that are not UTF-8 and, in a user name, spaces are written `\x1b`, so
/// that no client can forge a line or a field in quotes.
///
/// ```
/// use oxbridge::access_log::Format;
///
/// let format = Format::parse(r#"%(h)s "%(r)s" %(s)s %(D)s "%({X-Request-Id}i)s""#)?;
/// assert_eq!(
///     Format::parse("%(h)s %(z)s").unwrap_err().to_string().lines().next(),
///     Some(r#"access log format: "%(z)s" at byte 6 is no atom"#),
/// );
/// # Ok::<(), oxbridge::access_log::FormatError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Format {
    pub(super) kind: Kind,
    pub(super) request_fields: Vec<HeaderName>,
    pub(super) response_fields: Vec<HeaderName>,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Text(Vec<Part>),
    Json,
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Client,
    Nothing,
    /// The number of the request field that tells it.
    User(usize),
    Time,
    RequestLine,
    Method,
    Path,
    Query,
    Protocol,
    Status,
    Bytes,
    BytesOrDash,
    Seconds,
    Millis,
    Micros,
    Decimal,
    Process,
    /// By number.
    RequestField(usize),
    /// By number.
    ResponseField(usize),
}

const COMMON: &str = r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s"#;
const COMBINED: &str = r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#;

impl Format {
    /// The common log format of NCSA and Apache.
    pub fn common() -> Self {
        Self::known(COMMON)
    }

    /// The common format with Referer and User-Agent: Apache's and nginx's `combined`.
    pub fn combined() -> Self {
        Self::known(COMBINED)
    }

    /// A JSON object (RFC 8259) on each line, with the members `time` (RFC 3339), `client`, `user`,
    /// `method`, `host`, `path`, `query`, `protocol`, `status`, `bytes`, `duration_us`, `referer`,
    /// `user_agent`, `complete` (false: the client did not get all of it) and `pid`. What is not there is
    /// null. Bytes that are not UTF-8 become U+FFFD.
    pub fn json() -> Self {
        Format {
            kind: Kind::Json,
            // `json` relies on this order.
            request_fields: vec![AUTHORIZATION, HOST, REFERER, USER_AGENT],
            response_fields: Vec::new(),
        }
    }

    /// A format string; see the type.
    ///
    /// # Errors
    /// [`FormatError`]: something after a percent sign is no atom, or there is a control character.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let mut format = Format {
            kind: Kind::Json,
            request_fields: Vec::new(),
            response_fields: Vec::new(),
        };
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let at = text.len() - rest.len();
            let wrong = |what: &str, why| FormatError {
                what: what.to_owned(),
                at,
                why,
            };
            if c.is_control() {
                return Err(wrong(&rest[..c.len_utf8()], "is a control character"));
            }
            if c != '%' {
                plain.push(c);
                rest = &rest[c.len_utf8()..];
            } else if let Some(after) = rest.strip_prefix("%%") {
                plain.push('%');
                rest = after;
            } else {
                let (name, after) = rest
                    .strip_prefix("%(")
                    .and_then(|inner| inner.split_once(")s"))
                    .ok_or_else(|| wrong(rest, "does not begin with an atom"))?;
                let whole = &rest[..rest.len() - after.len()];
                let part = format.atom(name).map_err(|why| wrong(whole, why))?;
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(part);
                rest = after;
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        format.kind = Kind::Text(parts);
        Ok(format)
    }

    fn known(text: &str) -> Self {
        match Self::parse(text) {
            Ok(format) => format,
            Err(e) => unreachable!("a format of our own: {e}"),
        }
    }

    fn atom(&mut self, name: &str) -> Result<Part, &'static str> {
        if let Some((field, kind)) = name.strip_prefix('{').and_then(|n| n.rsplit_once('}')) {
            let names = match kind {
                "i" => &mut self.request_fields,
                "o" => &mut self.response_fields,
                "e" => return Err("is of the application's environment, which is not seen here"),
                _ => return Err("is no atom"),
            };
            let field = HeaderName::from_bytes(field.as_bytes());
            let number = place(names, field.map_err(|_| "names no header field")?);
            return Ok(match kind {
                "i" => Part::RequestField(number),
                _ => Part::ResponseField(number),
            });
        }
        Ok(match name {
            "h" => Part::Client,
            "l" => Part::Nothing,
            "u" => Part::User(place(&mut self.request_fields, AUTHORIZATION)),
            "t" => Part::Time,
            "r" => Part::RequestLine,
            "m" => Part::Method,
            "U" => Part::Path,
            "q" => Part::Query,
            "H" => Part::Protocol,
            "s" => Part::Status,
            "B" => Part::Bytes,
            "b" => Part::BytesOrDash,
            "f" => Part::RequestField(place(&mut self.request_fields, REFERER)),
            "a" => Part::RequestField(place(&mut self.request_fields, USER_AGENT)),
            "T" => Part::Seconds,
            "M" => Part::Millis,
            "D" => Part::Micros,
            "L" => Part::Decimal,
            "p" => Part::Process,
            _ => return Err("is no atom"),
        })
    }
}

/// The number of a name in a list, which it joins if it is not there.
fn place(names: &mut Vec<HeaderName>, name: HeaderName) -> usize {
    names.iter().position(|n| *n == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}

/// Says what in a format string is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    what: String,
    at: usize,
    why: &'static str,
}

impl FormatError {
    /// Where in the format string, in bytes from its beginning.
    pub fn at(&self) -> usize {
        self.at
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FormatError { what, at, why } = self;
        write!(f, "access log format: {what:?} at byte {at} {why}")?;
        f.write_str(
            "\nknown are %(h)s %(l)s %(u)s %(t)s %(r)s %(m)s %(U)s %(q)s %(H)s %(s)s %(B)s %(b)s %(f)s %(a)s %(T)s %(M)s %(D)s %(L)s %(p)s, %({name}i)s and %({name}o)s for header fields, and %% for a percent sign",
        )
    }
}

impl std::error::Error for FormatError {}
