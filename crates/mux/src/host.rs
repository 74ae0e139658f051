//! The host of a request, without its port.

/// Removes a trailing `:port`, and the brackets of an IPv6 address that has a port.
///
/// | given | gives |
/// |---|---|
/// | `example.com:80` | `example.com` |
/// | `[::1]:80` | `::1` |
/// | `[::1]` | `[::1]`, for there is no port to remove |
/// | `::1`, `a]:80`, `[a:80` | unchanged: not a host with a port |
pub(crate) fn strip_port(host: &str) -> &str {
    let Some(colon) = memchr::memrchr(b':', host.as_bytes()) else {
        return host;
    };
    let (name, port) = (&host[..colon], &host[colon + 1..]);
    if port.contains(['[', ']']) {
        return host;
    }
    if let Some(inside) = name.strip_prefix('[') {
        return match inside.strip_suffix(']') {
            // A second bracket inside is not an address.
            Some(address) if !address.contains(['[', ']']) => address,
            _ => host,
        };
    }
    if name.contains([':', '[', ']']) {
        host
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::strip_port;

    #[test]
    fn only_a_well_formed_port_is_removed() {
        for (given, want) in [
            ("", ""),
            ("a", "a"),
            ("a:", "a"),
            ("a:80", "a"),
            ("a:b", "a"),
            (":80", ""),
            ("a:b:80", "a:b:80"),
            ("[::1]:80", "::1"),
            ("[::1]", "[::1]"),
            ("[::1]x:80", "[::1]x:80"),
            ("[::1:80", "[::1:80"),
            ("::1]:80", "::1]:80"),
            ("[[::1]]:80", "[[::1]]:80"),
            ("a:[80", "a:[80"),
            ("a:80]", "a:80]"),
            ("[]:80", ""),
        ] {
            assert_eq!(strip_port(given), want, "strip_port({given:?})");
        }
    }
}
