//! Compares the mux with Go's own `ServeMux`: on random patterns and requests, and on the tables.
//!
//! Needs Go 1.24 or newer, as `go` on `PATH` or in `OXBRIDGE_GO`; `OXBRIDGE_SKIP_GO=1` goes without.
//! `OXBRIDGE_ORACLE_SETS` says how many random sets there are, and `OXBRIDGE_ORACLE_SEED` which.
//!
//! Every difference from Go that is let pass counts as `excused`, or is an old
//! version's (`oracle/version.rs`).

#![expect(
    clippy::print_stderr,
    reason = "says which seed gives the same run again"
)]

mod oracle;
mod rows;

use std::collections::BTreeMap;
use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use oracle::random::Random;
use oracle::version::{self, Version};
use oracle::{Answer, Answers, Request, Set};
use oxbridge_mux::{Lookup, Mux, RegisterError};

#[test]
fn random_patterns_and_requests_get_go_s_answers() {
    let number = |name: &str| {
        env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().expect("a number"))
    };
    let seed = number("OXBRIDGE_ORACLE_SEED").unwrap_or_else(|| {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock after 1970");
        now.as_secs()
    });
    let count = number("OXBRIDGE_ORACLE_SETS").unwrap_or(4000);
    eprintln!("OXBRIDGE_ORACLE_SEED={seed} OXBRIDGE_ORACLE_SETS={count}");

    let mut random = Random::new(seed);
    let sets: Vec<Set> = (0..count).map(|_| random.set()).collect();
    let Some(answers) = oracle::ask("random", &sets) else {
        return;
    };
    let tally = compare(&sets, &answers);
    eprintln!("{} agrees: {tally:?}", answers.version.text);

    // A generator that has gone astray proves nothing.
    if count >= 1000 {
        let sets = usize::try_from(count).expect("it fits");
        for (what, least) in [
            ("registered", 3 * sets),
            ("refused: conflict", sets / 2),
            ("refused: parse", sets / 20),
            ("found", 5 * sets),
            ("found with values", 2 * sets),
            ("redirect to clean", sets),
            ("redirect to slash", sets / 10),
            ("405", sets),
            ("404", sets),
            ("400", sets / 10),
        ] {
            let came = tally.get(what).copied().unwrap_or(0);
            assert!(came >= least, "{what}: {came} of at least {least}");
        }
        let excused = tally.get("excused").copied().unwrap_or(0);
        assert!(
            excused <= sets,
            "too many answers were not compared in full: {excused}"
        );
    }
}

/// Panics at the first answer that differs, and counts the kinds of answers.
fn compare(sets: &[Set], answers: &Answers) -> BTreeMap<&'static str, usize> {
    let mut tally = BTreeMap::new();
    for (set, outcome) in sets.iter().zip(&answers.outcomes) {
        let mut mux = Mux::new();
        let mut sound = true;
        for (pattern, refusal) in set.patterns.iter().zip(&outcome.registered) {
            let ours = mux.register_at(pattern, pattern.clone(), "here");
            let kind = match &ours {
                Ok(_) => "registered",
                Err(RegisterError::Conflict(_)) => "refused: conflict",
                Err(_) => "refused: parse",
            };
            // An empty segment of a pattern is a wildcard to Go's tree, though not to its rules.
            if ours.is_ok() && pattern.contains("//") {
                sound = false;
                break;
            }
            let theirs = match &**refusal {
                "" => "registered",
                text if text.contains(" conflicts with ") => "refused: conflict",
                _ => "refused: parse",
            };
            assert_eq!(
                kind, theirs,
                "{pattern:?}\nin {:#?}\nours: {ours:?}\nGo's: {refusal}",
                set.patterns
            );
            *tally.entry(kind).or_default() += 1;
        }
        if !sound {
            *tally.entry("sets with an empty segment").or_default() += 1;
            continue;
        }
        for (request, theirs) in set.requests.iter().zip(&outcome.answers) {
            let comparison = Comparison {
                mux: &mux,
                version: &answers.version,
                request,
            };
            let kinds = comparison.compare(theirs).unwrap_or_else(|difference| {
                panic!(
                    "{request:?}\nof {:#?}\n{difference}\nGo's: {theirs:?}",
                    set.patterns
                )
            });
            for kind in kinds {
                *tally.entry(kind).or_default() += 1;
            }
        }
    }
    tally
}

struct Comparison<'a> {
    mux: &'a Mux<String>,
    version: &'a Version,
    request: &'a Request,
}

/// A request target as the server sees it.
struct Target<'a> {
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

impl Comparison<'_> {
    /// Says what kind of answer both gave, or how they differ.
    fn compare(&self, theirs: &Answer) -> Result<Vec<&'static str>, String> {
        let Request { method, host, .. } = self.request;
        let target = self.target();
        if self.version.misjudges(method, target.path) {
            return Ok(vec!["excused"]);
        }
        let host = if target.authority.is_empty() {
            host
        } else {
            target.authority
        };
        let lookup = if method == "CONNECT" {
            self.mux
                .lookup_connect(target.authority, host, target.path, target.query)
        } else {
            self.mux.lookup(method, host, target.path, target.query)
        };
        let want = |what: &str, ours: &str, theirs: &str| {
            (ours == theirs)
                .then_some(())
                .ok_or_else(|| format!("{what}: ours {ours:?}, Go's {theirs:?}"))
        };
        let status = |ours: u16| want("status", &ours.to_string(), &theirs.status.to_string());
        match lookup {
            Lookup::Found(found) => {
                status(200)?;
                want("pattern", found.pattern.as_str(), &theirs.pattern)?;
                if self.excuse_values(target.path) {
                    return Ok(vec!["found", "excused"]);
                }
                want("panic", "", &theirs.panic)?;
                let ours: BTreeMap<String, String> = found
                    .iter()
                    .map(|(name, _)| {
                        (
                            name.to_owned(),
                            hex(found.get_bytes(name).expect("it has a value")),
                        )
                    })
                    .collect();
                want(
                    "values",
                    &format!("{ours:?}"),
                    &format!("{:?}", theirs.values),
                )?;
                Ok(if ours.is_empty() {
                    vec!["found"]
                } else {
                    vec!["found", "found with values"]
                })
            }
            Lookup::Redirect {
                location,
                status: code,
                pattern,
            } => {
                assert_eq!(code, 307);
                status(self.version.redirect_status())?;
                let path = location.split('?').next().unwrap_or_default();
                let kind = if path.trim_end_matches('/') == target.path {
                    "redirect to slash"
                } else {
                    "redirect to clean"
                };
                if self.version.names_redirect_pattern(method) {
                    want(
                        "pattern",
                        pattern.map_or("", |pattern| pattern.as_str()),
                        &theirs.pattern,
                    )?;
                }
                // Go answers a CONNECT //host with a path that names a host, and does not clean it.
                if method == "CONNECT" && theirs.location.starts_with("//") {
                    return Ok(vec![kind, "excused"]);
                }
                if self.version.misescapes_locations()
                    && version::misescaped(target.path, &location).contains(&theirs.location)
                {
                    return Ok(vec![kind]);
                }
                want("location", &location, &theirs.location)?;
                Ok(vec![kind])
            }
            Lookup::MethodNotAllowed { allow } => {
                status(405)?;
                want("allow", &allow, &theirs.allow)?;
                Ok(vec!["405"])
            }
            Lookup::NotFound => status(404).map(|()| vec!["404"]),
            Lookup::BadRequest(_) => status(400).map(|()| vec!["400"]),
        }
    }

    /// golang/go#81222: under CONNECT, a wildcard matches an empty segment and has no value.
    fn excuse_values(&self, path: &str) -> bool {
        // A path with a byte that should have been escaped is decoded as a whole.
        let decoded = path.replace("%2F", "/").replace("%2f", "/");
        self.request.method == "CONNECT" && decoded.contains("//")
    }

    /// Takes the request line's target apart, as RFC 9112, 3.2 has it.
    fn target(&self) -> Target<'_> {
        let Request { method, target, .. } = self.request;
        let (rest, query) = match target.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (&**target, None),
        };
        let (authority, path) =
            if let Some(rest) = rest.strip_prefix("http://").filter(|_| method != "CONNECT") {
                rest.split_at(rest.find('/').unwrap_or(rest.len()))
            } else if method == "CONNECT" && !rest.starts_with('/') && rest != "*" {
                rest.split_at(rest.find('/').unwrap_or(rest.len()))
            } else {
                ("", rest)
            };
        Target {
            authority,
            path,
            query,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
