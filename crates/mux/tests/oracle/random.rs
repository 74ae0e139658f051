//! Random patterns, and requests that nearly match them.
//!
//! The alphabet is small, so that patterns meet, conflict and nest, and made of what is awkward.

use super::{Request, Set};

/// A generator of numbers: splitmix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// Patterns, some of which conflict or are none, and requests.
    pub(crate) fn set(&mut self) -> Set {
        let patterns: Vec<String> = (0..1 + self.below(12)).map(|_| self.pattern()).collect();
        let requests = (0..24).map(|_| self.request(&patterns)).collect();
        Set { patterns, requests }
    }

    fn pattern(&mut self) -> String {
        let mut text = String::new();
        if self.one_in(2) {
            text.push_str(self.pick(METHODS));
            text.push_str(self.pick(&[" ", " ", " ", "\t", "  "]));
        }
        if self.one_in(4) {
            text.push_str(self.pick(HOSTS));
        }
        let depth = self.below(4);
        for _ in 0..depth {
            text.push('/');
            text.push_str(match self.below(3) {
                0 => self.pick(WILDCARDS),
                1 => self.pick(PLAIN),
                _ => self.pick(LITERALS),
            });
        }
        text.push_str(match depth {
            0 => self.pick(&["/", "/", "/{$}", "/{rest...}"]),
            _ => self.pick(&["", "", "", "/", "/", "/{$}", "/{rest...}"]),
        });
        if self.one_in(25) {
            // Most of these are no patterns any more.
            let chars: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let at = chars[self.below(chars.len())];
            text.insert_str(
                at,
                self.pick(&[
                    "{", "}", "$", ".", "/", " ", "%", "{x}", "...", "é", "\t", "(",
                ]),
            );
        }
        text
    }

    fn request(&mut self, patterns: &[String]) -> Request {
        let pattern = &patterns[self.below(patterns.len())];
        let (method, rest) = pattern.split_once([' ', '\t']).unwrap_or(("", pattern));
        let (host, path) = rest
            .trim_start()
            .split_at(rest.trim_start().find('/').unwrap_or(0));

        let method = match self.below(4) {
            _ if !is_token(method) => self.pick(METHODS),
            0 => self.pick(METHODS),
            _ => method,
        };
        let host = match self.below(4) {
            0 => self.pick(HOSTS),
            1 => self.pick(PORTS),
            _ if host.bytes().all(|byte| byte.is_ascii_graphic())
                && !host.contains(['{', '"', '%']) =>
            {
                host
            }
            _ => "",
        };
        let mut path = self.instantiate(path);
        if self.one_in(3) {
            path = self.disturb(path);
        }
        let path: String = path.chars().filter(|c| !c.is_whitespace()).collect();
        let mut target = match self.below(40) {
            0 => format!("http://{}{path}", self.pick(PORTS)),
            1 if method == "CONNECT" => format!("{}{path}", self.pick(PORTS)),
            2..=6 if method == "CONNECT" => self.pick(PORTS).to_owned(),
            7 => self.pick(&["*", "a", "/"]).to_owned(),
            _ => path,
        };
        if target != "*" && self.one_in(3) {
            target.push_str(self.pick(&["?", "?q=1", "?a=%zz", "?x=é", "??", "?a=/../b//c"]));
        }
        Request {
            method: method.into(),
            target,
            host: host.into(),
        }
    }

    /// A path that the pattern's path matches, if it is one.
    fn instantiate(&mut self, pattern: &str) -> String {
        let mut path = String::new();
        for segment in pattern.split('/').skip(1) {
            path.push('/');
            if segment == "{$}" {
            } else if segment.ends_with("...}") {
                let len = self.below(3);
                let rest: Vec<&str> = (0..len).map(|_| self.pick(LITERALS)).collect();
                path.push_str(&rest.join("/"));
            } else if segment.starts_with('{') || self.one_in(8) {
                path.push_str(self.pick(LITERALS));
            } else {
                path.push_str(segment);
            }
        }
        if pattern.ends_with('/') && self.one_in(2) {
            path.push_str(self.pick(LITERALS));
        }
        if path.is_empty() { "/".into() } else { path }
    }

    fn disturb(&mut self, mut path: String) -> String {
        let places: Vec<usize> = path
            .char_indices()
            .map(|(at, _)| at)
            .chain([path.len()])
            .collect();
        let at = places[1 + self.below(places.len() - 1)];
        match self.below(5) {
            0 => path.insert_str(at, self.pick(&["/", "//", "/.", "/..", "/./", "/../", "."])),
            1 => path.insert_str(
                at,
                self.pick(&["%2F", "%2f", "%25", "%61", "%ff", "%C3%A9", "%2e", "%00"]),
            ),
            2 => path.insert_str(
                at,
                self.pick(&["\"", "{", "é", "|", "!", "(", "[", "#", "%", "%z", "\u{7f}"]),
            ),
            3 if path.len() > 1 => drop(path.pop()),
            _ => path.push('/'),
        }
        path
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

const METHODS: &[&str] = &[
    "GET", "GET", "HEAD", "POST", "POST", "PUT", "CONNECT", "OPTIONS", "get",
];
const HOSTS: &[&str] = &["a.com", "b.com", "A.com", "a.com:80", "::1", "[::1]"];
const PORTS: &[&str] = &[
    "a.com:80",
    "b.com:",
    "a.com",
    "[::1]:8080",
    "[::1]",
    "c.com",
];
const WILDCARDS: &[&str] = &["{x}", "{x}", "{y}", "{z}", "{é}"];
const PLAIN: &[&str] = &["a", "b"];
const LITERALS: &[&str] = &[
    "a", "b", "c", "ab", "%61", "a%2Fb", "a%2fb", "%2F", "%7Bx%7D", "*", "é", "%C3%A9", "%e9",
    "a%20b", "$", "a+b", "!", "(a)", "a:b", "..", ".", "%2e", "%2E%2e", "...",
];
