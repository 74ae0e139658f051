//! Where to listen, in the words of Go's `ListenAndServe`.

use std::ffi::CString;
use std::ptr;

use oxbridge::listen::Bind;

/// Reads an address: `:8000`, `127.0.0.1:8000`, `[::1]:8000`, a host name or a service name in place of
/// the number (`:http`). Nothing at all is `:http`, no port after the colon is one that the system
/// chooses.
///
/// Also what [`Bind`] reads beyond that: `unix:/path`, `fd:3`, `systemd`.
///
/// # Errors
/// A sentence that names the address and says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Bind, String> {
    let text = if text.is_empty() { ":http" } else { text };
    let is_ours = text == "systemd" || text.starts_with("unix:") || text.starts_with("fd:");
    if let Some((host, port)) = text.rsplit_once(':')
        && !is_ours
        // A host in brackets may end in what looks like a port: `[::1]`.
        && !port.ends_with(']')
        && (port.is_empty() || port.bytes().any(|b| !b.is_ascii_digit()))
    {
        let number = match port {
            "" => 0,
            _ => service(port).ok_or_else(|| unknown(text, port))?,
        };
        return bind(&format!("{host}:{number}"));
    }
    bind(text)
}

fn bind(text: &str) -> Result<Bind, String> {
    text.parse::<Bind>().map_err(|e| e.to_string())
}

fn unknown(text: &str, port: &str) -> String {
    format!(
        "{text:?} is no address to listen on: {port:?} is neither a port nor the name of a service"
    )
}

/// The port of a service, as this machine's list has it (`/etc/services`). The two that matter to an
/// HTTP server are known where there is no list.
fn service(name: &str) -> Option<u16> {
    let lower = name.to_ascii_lowercase();
    look_up(&lower).or(match lower.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    })
}

fn look_up(name: &str) -> Option<u16> {
    // The system would read a number with a sign or with spaces as one.
    let is_name = name.bytes().any(|b| b.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let name = CString::new(name).ok().filter(|_| is_name)?;
    // SAFETY: all zeroes is a valid `addrinfo`: no flags, no lengths, null pointers.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = libc::AF_INET;
    hints.ai_socktype = libc::SOCK_STREAM;
    hints.ai_flags = libc::AI_PASSIVE;
    let mut found = ptr::null_mut();
    // SAFETY: the name ends in NUL, `hints` and `found` live until the call returns, and no host is
    // asked for, which AI_PASSIVE allows.
    let status =
        unsafe { libc::getaddrinfo(ptr::null(), name.as_ptr(), &raw const hints, &raw mut found) };
    if status != 0 || found.is_null() {
        return None;
    }
    // SAFETY: after success `found` is the head of a list that is ours until `freeaddrinfo`. With
    // AF_INET asked for, `ai_addr` points to a `sockaddr_in`.
    unsafe {
        let address = (*found).ai_addr.cast::<libc::sockaddr_in>();
        let port = u16::from_be((*address).sin_port);
        libc::freeaddrinfo(found);
        Some(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_gos() {
        let tcp = |host: &str, port| {
            Ok(Bind::Tcp {
                host: host.to_owned(),
                port,
            })
        };
        for (text, wanted) in [
            ("", tcp("", 80)),
            (":http", tcp("", 80)),
            (":HTTPS", tcp("", 443)),
            (":8000", tcp("", 8000)),
            (":", tcp("", 0)),
            ("localhost:", tcp("localhost", 0)),
            ("127.0.0.1:80", tcp("127.0.0.1", 80)),
            ("[::1]:http", tcp("::1", 80)),
            ("unix:/run/app.sock", Ok(Bind::Unix("/run/app.sock".into()))),
            ("fd:3", Ok(Bind::Fd(3))),
            ("systemd", Ok(Bind::Systemd)),
        ] {
            assert_eq!(parse(text), wanted, "{text}");
        }
    }

    #[test]
    fn an_error_names_the_address_and_what_is_wrong() {
        for (text, said) in [
            ("8000", "there is no port"),
            (":99999", "\"99999\" is not a port (0 to 65535)"),
            (
                ":no-such-service",
                "\"no-such-service\" is neither a port nor the name of a service",
            ),
            ("::1:80", "an IPv6 address needs brackets"),
            ("[::1]", "there is no \":port\" after \"]\""),
            ("http://localhost:80", "a URL's scheme is not part of it"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(&format!("{text:?}")), "{text}: {error}");
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
