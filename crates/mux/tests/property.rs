//! Checks the index against the definition: a pattern is the set of requests that it matches.
//!
//! The patterns here use the literals `a` and `b` and at most three segments, so requests made of
//! `a`, `b` and `c` with at most four segments tell any two of them apart. There are few enough to
//! try them all. What conflicts and what wins then follows from subsets alone, with no notion of
//! segments being more or less specific.

use std::collections::BTreeSet;

use oxbridge_mux::{Lookup, Mux};
use proptest::prelude::*;

const METHODS: [&str; 4] = ["GET", "HEAD", "POST", "PUT"];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn the_index_is_as_good_as_trying_every_pattern(texts in prop::collection::vec(pattern(), 1..16)) {
        let space = requests();
        let mut mux = Mux::new();
        let mut accepted: Vec<Model> = Vec::new();
        for text in &texts {
            let model = Model::new(text, &space);
            let conflicts = accepted.iter().any(|other| model.conflicts(other));
            let registered = mux.register(text, accepted.len()).map(|_| ());
            prop_assert_eq!(registered.is_err(), conflicts, "{:?}: {:?}", text, registered);
            if !conflicts {
                accepted.push(model);
            }
        }
        for (i, request) in space.iter().enumerate() {
            for (host, known) in [("", ""), ("h", "h"), ("h:80", "h"), ("i", "i")] {
                let wanted = answer(&accepted, &space, i, known);
                let came = match mux.lookup(request.method, host, &request.path, None) {
                    Lookup::Found(found) => {
                        let values = found.iter().map(|(name, value)| format!("{name}={value}"));
                        format!("found {} {:?}", found.pattern, values.collect::<Vec<_>>())
                    }
                    Lookup::Redirect { location, pattern, .. } => {
                        format!("redirect {location} {}", pattern.expect("a clean path is redirected to one"))
                    }
                    Lookup::MethodNotAllowed { allow } => format!("allow {allow}"),
                    Lookup::NotFound => "not found".to_owned(),
                    Lookup::BadRequest(reason) => format!("bad: {reason}"),
                };
                prop_assert_eq!(came, wanted, "{:?} at {:?} of {:?}", request, host, texts);
            }
        }
    }
}

fn pattern() -> impl Strategy<Value = String> {
    let method = prop::sample::select(&["", "", "", "GET ", "GET ", "HEAD ", "POST "][..]);
    let host = prop::sample::select(&["", "", "h"][..]);
    let segments = prop::collection::vec(prop::sample::select(&["a", "b", "{}"][..]), 0..=3);
    let end = prop::sample::select(&["", "", "/", "/{$}", "/{rest...}"][..]);
    (method, host, segments, end).prop_map(|(method, host, segments, end)| {
        let path: String = (segments.iter().enumerate())
            .map(|(i, segment)| {
                if *segment == "{}" {
                    format!("/{{x{i}}}")
                } else {
                    format!("/{segment}")
                }
            })
            .collect();
        let end = if path.is_empty() && end.is_empty() {
            "/"
        } else {
            end
        };
        format!("{method}{host}{path}{end}")
    })
}

#[derive(Debug)]
struct Request {
    method: &'static str,
    path: String,
    /// Where the request with one more slash stands, unless the path ends in one.
    slashed: Option<usize>,
}

/// Every request: each method with each path.
fn requests() -> Vec<Request> {
    let mut paths = vec![String::new()];
    let mut longest = paths.clone();
    for _ in 0..4 {
        longest = longest
            .iter()
            .flat_map(|path| ["a", "b", "c"].map(|s| format!("{path}/{s}")))
            .collect();
        paths.extend(longest.iter().cloned());
    }
    let mut all = Vec::new();
    for method in METHODS {
        for path in &paths {
            all.push(Request {
                method,
                path: format!("{path}/"),
                slashed: None,
            });
            let slashed = Some(all.len() - 1);
            if !path.is_empty() {
                all.push(Request {
                    method,
                    path: path.clone(),
                    slashed,
                });
            }
        }
    }
    all
}

/// A set of requests, by their indices.
#[derive(Default, PartialEq)]
struct Requests(Vec<bool>);

impl Requests {
    fn contains(&self, request: usize) -> bool {
        self.0[request]
    }

    fn is_subset(&self, other: &Requests) -> bool {
        self.0
            .iter()
            .zip(&other.0)
            .all(|(ours, theirs)| !ours || *theirs)
    }

    fn is_disjoint(&self, other: &Requests) -> bool {
        !self
            .0
            .iter()
            .zip(&other.0)
            .any(|(ours, theirs)| *ours && *theirs)
    }
}

/// A pattern by what it matches.
struct Model {
    text: String,
    method: String,
    host: String,
    /// The requests that it matches, whatever their host.
    matches: Requests,
}

impl Model {
    fn new(text: &str, space: &[Request]) -> Self {
        let (method, rest) = text.split_once(' ').unwrap_or(("", text));
        let (host, path) = rest.split_at(rest.find('/').expect("it has a path"));
        let method_matches = |asked: &str| match method {
            "" => true,
            "GET" => asked == "GET" || asked == "HEAD",
            method => asked == method,
        };
        let matches = |request: &Request| {
            method_matches(request.method) && values(path, &request.path).is_some()
        };
        Model {
            text: text.into(),
            method: method.into(),
            host: host.into(),
            matches: Requests(space.iter().map(matches).collect()),
        }
    }

    fn conflicts(&self, other: &Model) -> bool {
        let (ours, theirs) = (&self.matches, &other.matches);
        let comparable = ours.is_subset(theirs) != theirs.is_subset(ours);
        self.host == other.host && !ours.is_disjoint(theirs) && !comparable
    }

    fn path(&self) -> &str {
        &self.text[self.text.find('/').expect("it has a path")..]
    }
}

/// What the wildcards of a pattern's path match in a path, as `name=value`; `None` if it does not.
fn values(pattern: &str, path: &str) -> Option<Vec<String>> {
    let pattern = pattern.strip_prefix('/')?;
    let path = path.strip_prefix('/')?;
    match pattern {
        "" => return Some(Vec::new()),
        "{$}" => return path.is_empty().then(Vec::new),
        "{rest...}" => return Some(vec![format!("rest={path}")]),
        _ => {}
    }
    let (first, rest) = pattern.split_at(pattern.find('/').unwrap_or(pattern.len()));
    let (segment, remainder) = path.split_at(path.find('/').unwrap_or(path.len()));
    let mut found = match first
        .strip_prefix('{')
        .and_then(|first| first.strip_suffix('}'))
    {
        Some(name) if !segment.is_empty() => vec![format!("{name}={segment}")],
        None if first == segment => Vec::new(),
        _ => return None,
    };
    match (rest, remainder) {
        ("", "") => {}
        ("", _) | (_, "") => return None,
        (rest, remainder) => found.extend(values(rest, remainder)?),
    }
    Some(found)
}

/// The pattern that gets the request: of those with its host or else of those with none, the one
/// whose set lies within all others'.
fn winner<'a>(accepted: &'a [Model], request: usize, host: &str) -> Option<&'a Model> {
    let best = |host: &str| {
        let matching = || {
            accepted
                .iter()
                .filter(|model| model.host == host && model.matches.contains(request))
        };
        let within_all =
            |least: &&Model| matching().all(|model| least.matches.is_subset(&model.matches));
        let best = matching().find(within_all);
        assert_eq!(
            best.is_some(),
            matching().next().is_some(),
            "no pattern is the most specific one"
        );
        best
    };
    Some(host)
        .filter(|host| !host.is_empty())
        .and_then(best)
        .or_else(|| best(""))
}

/// A pattern matches exactly unless its end matches more than nothing.
fn exact(model: &Model, path: &str) -> bool {
    let pattern = model.path();
    let multi = pattern.ends_with('/') || pattern.ends_with("...}");
    !multi || (path.ends_with('/') && path.matches('/').count() == pattern.matches('/').count())
}

fn answer(accepted: &[Model], space: &[Request], index: usize, host: &str) -> String {
    let request = &space[index];
    let slashed = request.slashed.map(|index| (index, &space[index].path));

    let found = winner(accepted, index, host);
    if !found.is_some_and(|model| exact(model, &request.path))
        && let Some((index, path)) = slashed
        && let Some(model) = winner(accepted, index, host)
        && exact(model, path)
    {
        return format!("redirect {path} {}", model.text);
    }
    if let Some(model) = found {
        let values = values(model.path(), &request.path).expect("it matches");
        return format!("found {} {values:?}", model.text);
    }
    let matches_path = |model: &Model| {
        values(model.path(), &request.path).is_some()
            || slashed.is_some_and(|(_, path)| values(model.path(), path).is_some())
    };
    let mut allow: BTreeSet<&str> = accepted
        .iter()
        .filter(|model| !model.method.is_empty() && (model.host.is_empty() || model.host == host))
        .filter(|model| matches_path(model))
        .map(|model| &*model.method)
        .collect();
    if allow.contains("GET") {
        allow.insert("HEAD");
    }
    if allow.is_empty() {
        return "not found".to_owned();
    }
    format!("allow {}", allow.into_iter().collect::<Vec<_>>().join(", "))
}
