//! What one version of Go does differently from another.
//!
//! The rules are those of Go 1.26 and 1.27. Older ones serve as an oracle too, but for the answers
//! named here.

/// A version of Go.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    /// Such as `go1.26.8`.
    pub(crate) text: String,
    /// The 26 of it.
    minor: u32,
}

impl Version {
    pub(crate) fn new(text: String) -> Self {
        let minor = text
            .strip_prefix("go1.")
            .and_then(|rest| rest.split(['.', 'r', 'b', ' ']).next());
        let minor = minor.and_then(|minor| minor.parse().ok());
        let minor = minor.unwrap_or_else(|| panic!("{text:?} is not a Go release"));
        assert!(minor >= 24, "{text} is too old; Go 1.24 or newer is needed");
        Version { text, minor }
    }

    pub(crate) fn redirect_status(&self) -> u16 {
        if self.minor < 26 { 301 } else { 307 }
    }

    /// Whether it says which pattern a redirect leads to. For a CONNECT, it never does.
    pub(crate) fn names_redirect_pattern(&self, method: &str) -> bool {
        self.minor >= 26 && method != "CONNECT"
    }

    /// golang/go#74422: before 1.26, a CONNECT with an empty path could be redirected to `/`.
    pub(crate) fn misjudges(&self, method: &str, path: &str) -> bool {
        self.minor < 26 && method == "CONNECT" && path.is_empty()
    }

    /// golang/go#79897: before 1.27, a Location was escaped twice, or too little.
    pub(crate) fn misescapes_locations(&self) -> bool {
        self.minor < 27
    }
}

/// What Go before 1.27 makes of a request's path and of the `Location` that new Go and we answer.
///
/// There are two, one for each kind of redirect: to the clean path, which was escaped twice, and to
/// the path with a slash, which was decoded before it was cleaned.
pub(crate) fn misescaped(request_path: &str, location: &str) -> [String; 2] {
    let (path, query) = location.split_at(location.find('?').unwrap_or(location.len()));
    let slashed = [clean(&decode(request_path.as_bytes())), b"/".to_vec()].concat();
    [
        escape(path.as_bytes()) + query,
        escape(&clean(&slashed)) + query,
    ]
}

fn decode(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                out.push(decoded);
                rest = &after[2..];
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

fn clean(path: &[u8]) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in path.split(|&byte| byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut out: Vec<u8> = segments
        .iter()
        .flat_map(|segment| [b"/", *segment].concat())
        .collect();
    if out.is_empty() || path.ends_with(b"/") {
        out.push(b'/');
    }
    out
}

fn escape(path: &[u8]) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte);
    let one = |&byte: &u8| {
        if bare(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    path.iter().map(one).collect()
}
