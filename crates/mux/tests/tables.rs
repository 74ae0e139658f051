//! Runs the tables about patterns themselves: `data/*.toml`.

use std::fs;
use std::path::Path;

use oxbridge_mux::{Lookup, Mux, ParseError, Pattern, RegisterError};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
struct Rows<T> {
    rows: Vec<T>,
}

fn read<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    let text = fs::read_to_string(path).expect("the table is there");
    let table: Rows<T> = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(!table.rows.is_empty());
    table.rows
}

#[test]
fn texts_that_are_patterns() {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        pattern: String,
        method: Option<String>,
        host: Option<String>,
        #[serde(default)]
        wildcards: Vec<String>,
    }
    for row in read::<Row>("parse_ok.toml") {
        let text = &row.pattern;
        let pattern: Pattern = text
            .parse()
            .unwrap_or_else(|error: ParseError| panic!("{error}"));
        assert_eq!(pattern.to_string(), *text);
        assert_eq!(pattern.method(), row.method.as_deref(), "{text:?}");
        assert_eq!(pattern.host(), row.host.as_deref(), "{text:?}");
        assert_eq!(
            pattern.wildcards().collect::<Vec<_>>(),
            row.wildcards,
            "{text:?}"
        );
        for (index, name) in row.wildcards.iter().enumerate() {
            assert_eq!(pattern.wildcard_index(name), Some(index), "{text:?}");
        }
        assert!(Mux::new().register(text, ()).is_ok());
    }
}

#[test]
fn texts_that_are_no_patterns() {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        pattern: String,
        at: usize,
        says: String,
    }
    for row in read::<Row>("parse_err.toml") {
        let error = row.pattern.parse::<Pattern>().expect_err(&row.pattern);
        let message = error.to_string();
        assert_eq!(error.pattern(), row.pattern);
        assert_eq!(error.offset(), row.at, "{message}");
        assert!(
            message.contains(&row.says),
            "{message:?} does not say {:?}",
            row.says
        );
        assert!(
            message.starts_with(&format!("pattern {:?}, at byte {}: ", row.pattern, row.at)),
            "{message}"
        );

        let mut mux = Mux::new();
        assert_eq!(
            mux.register(&row.pattern, ()),
            Err(RegisterError::Parse(error))
        );
        assert!(mux.is_empty());
    }
}

#[test]
fn how_patterns_relate() {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        a: String,
        b: String,
        both: Option<String>,
        winner: Option<char>,
        conflict: Option<String>,
    }
    for Row {
        a,
        b,
        both,
        winner,
        conflict,
    } in read::<Row>("relations.toml")
    {
        for (first, second) in [(&a, &b), (&b, &a)] {
            let mut mux = Mux::new();
            mux.register(first, first.clone())
                .unwrap_or_else(|error| panic!("{error}"));
            let second = mux.register(second, second.clone()).map(|_| ());
            match (&conflict, second) {
                (Some(kind), Err(RegisterError::Conflict(error))) => {
                    let same = error.to_string().ends_with("they match the same requests");
                    assert_eq!(same, kind == "same", "{error}");
                    // The example is true.
                    for pattern in [&a, &b] {
                        assert!(matches(pattern, &error.example()), "{error}");
                    }
                }
                (None, Ok(())) => {}
                (conflict, second) => {
                    panic!("{a:?} and {b:?}: wanted {conflict:?}, came {second:?}")
                }
            }
            if let (Some(both), Some(winner)) = (&both, winner) {
                assert_eq!(
                    find(&mux, both).as_ref(),
                    Some(if winner == 'a' { &a } else { &b }),
                    "{both}"
                );
            }
        }
        assert_eq!(
            both.is_some(),
            winner.is_some() || conflict.is_some(),
            "the row of {a:?} and {b:?}"
        );
        if let Some(both) = both {
            assert!(
                matches(&a, &both) && matches(&b, &both),
                "{both:?} is not for both {a:?} and {b:?}"
            );
        }
    }
}

#[test]
fn what_a_conflict_says() {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        a: String,
        b: String,
        /// Empty if there is no conflict.
        message: String,
    }
    for Row { a, b, message } in read::<Row>("conflicts.toml") {
        let mut mux = Mux::new();
        mux.register_at(&a, (), "a:1")
            .unwrap_or_else(|error| panic!("{error}"));
        let said = mux
            .register_at(&b, (), "b:2")
            .map_or_else(|error| error.to_string(), |_| String::new());
        assert_eq!(said, message);
    }
}

#[test]
fn what_paths_are_cleaned_to() {
    let mut mux = Mux::new();
    mux.register("/", ()).expect("it is a pattern");
    for (path, clean) in read::<(String, String)>("clean.toml") {
        let came = match mux.lookup("GET", "", &path, None) {
            Lookup::Found(_) => path.clone(),
            Lookup::Redirect { location, .. } => location,
            other => panic!("{path:?}: {other:?}"),
        };
        assert_eq!(came, clean, "{path:?}");
        assert!(
            matches!(mux.lookup("GET", "", &clean, None), Lookup::Found(_)),
            "{clean:?} is not clean"
        );
    }
}

/// Where a pattern was registered is where the call stands, also through `#[track_caller]`.
#[test]
fn a_pattern_knows_where_it_was_registered() {
    let mut mux = Mux::new();
    let (line, registered) = (line!(), mux.register("/", ()));
    let pattern = registered.expect("it is a pattern");
    assert_eq!(pattern.location(), format!("{}:{line}", file!()));
}

#[test]
fn a_refused_pattern_leaves_the_mux_as_it_was() {
    let mut mux = Mux::new();
    mux.register("/a/{x}", 1).expect("it is a pattern");
    mux.register("/{y}/b", 2).expect_err("it conflicts");
    assert_eq!(mux.len(), 1);
    assert!(matches!(
        mux.lookup("GET", "", "/c/b", None),
        Lookup::NotFound
    ));
    mux.register("/{y}/c/d", 3)
        .expect("nothing is left of what was refused");
    let all: Vec<_> = mux
        .iter()
        .map(|(pattern, value)| (pattern.as_str(), *value))
        .collect();
    assert_eq!(all, [("/a/{x}", 1), ("/{y}/c/d", 3)]);
}

#[test]
fn a_conflict_names_the_earliest_of_several() {
    let mut mux = Mux::new();
    for (line, pattern) in ["/a/z", "/a/{x}", "/b/{x}", "/c/{x}"].iter().enumerate() {
        mux.register_at(pattern, (), format!("f:{line}"))
            .expect("it is a pattern");
    }
    let error = mux
        .register("/{x}/z", ())
        .map(|_| ())
        .expect_err("it conflicts");
    let RegisterError::Conflict(error) = error else {
        panic!("{error}")
    };
    assert_eq!(error.existing_pattern().as_str(), "/a/{x}");
    assert_eq!(error.existing_pattern().location(), "f:1");
    assert_eq!(error.new_pattern().as_str(), "/{x}/z");
}

/// Whether `pattern` alone matches the request `METHOD [HOST]/PATH`.
fn matches(pattern: &str, request: &str) -> bool {
    let mut mux = Mux::new();
    mux.register(pattern, pattern.to_owned())
        .expect("it is a pattern");
    find(&mux, request).is_some()
}

fn find(mux: &Mux<String>, request: &str) -> Option<String> {
    let (method, target) = request
        .split_once(' ')
        .expect("a method, a space, a target");
    let (host, path) = target.split_at(target.find('/').expect("a path"));
    match mux.lookup(method, host, path, None) {
        Lookup::Found(found) => Some(found.value.clone()),
        _ => None,
    }
}
