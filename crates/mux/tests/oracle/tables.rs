//! Replays the lookup tables, `data/lookup/*.toml`, through Go.

use std::collections::BTreeMap;

use super::{Request, Set, ask};
use crate::rows::{self, Row};

/// The rows of the tables are ours; this shows that they are also Go's.
#[test]
fn the_tables_say_what_go_does() {
    let tables = rows::tables();
    let target = |row: &Row| {
        let ask = row.ask();
        let authority = match (ask.authority, ask.method) {
            (Some(authority), "CONNECT") if ask.path != "*" => authority.to_owned(),
            (Some(authority), _) => format!("http://{authority}"),
            (None, _) => String::new(),
        };
        let query = ask.query.map_or(String::new(), |query| format!("?{query}"));
        let target = format!("{authority}{}{query}", ask.path);
        Request {
            method: ask.method.into(),
            target,
            host: ask.host.into(),
        }
    };
    let sets: Vec<Set> = tables
        .iter()
        .map(|(_, table)| Set {
            patterns: table.patterns.clone(),
            requests: table.rows.iter().map(target).collect(),
        })
        .collect();
    let Some(answers) = ask("tables", &sets) else {
        return;
    };

    let mut wrong = Vec::new();
    for ((file, table), outcome) in tables.iter().zip(&answers.outcomes) {
        for (pattern, refusal) in table.patterns.iter().zip(&outcome.registered) {
            if refusal.is_empty() == table.refused.contains(pattern) {
                wrong.push(format!(
                    "{file}: {}: {pattern}: Go says {refusal:?}",
                    table.about
                ));
            }
        }
        for (row, theirs) in table.rows.iter().zip(&outcome.answers) {
            let wanted = match row {
                Row {
                    found: Some(pattern),
                    values,
                    ..
                } => format!("200 {pattern} {values:?}"),
                Row {
                    redirect: Some(location),
                    to,
                    ..
                } => {
                    let status = answers.version.redirect_status();
                    format!(
                        "{status} {location} to {:?}",
                        to.as_deref().unwrap_or_default()
                    )
                }
                Row {
                    allow: Some(allow), ..
                } => format!("405 {allow}"),
                Row { status, .. } => status.expect("a row has an answer").to_string(),
            };
            let text = |hex: &String| String::from_utf8_lossy(&unhex(hex)).into_owned();
            let values: BTreeMap<_, _> = theirs
                .values
                .iter()
                .map(|(name, hex)| (name, text(hex)))
                .collect();
            let came = match theirs.status {
                200 => format!("200 {} {values:?}", theirs.pattern),
                300..400 if !answers.version.names_redirect_pattern(row.ask().method) => {
                    let to = row.to.as_deref().unwrap_or_default();
                    format!("{} {} to {to:?}", theirs.status, theirs.location)
                }
                300..400 => format!(
                    "{} {} to {:?}",
                    theirs.status, theirs.location, theirs.pattern
                ),
                405 => format!("405 {}", theirs.allow),
                status => status.to_string(),
            };
            let excused = match row.go.as_deref() {
                Some("Location before 1.27") => answers.version.misescapes_locations(),
                Some(_) => true,
                None => answers.version.misjudges(row.ask().method, row.ask().path),
            };
            if !excused && came != wanted {
                wrong.push(format!(
                    "{file}: {}: {}: we say {wanted}, Go {came}",
                    table.about, row.ask
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{}:\n{}",
        answers.version.text,
        wrong.join("\n")
    );
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at: usize| &text[at..at + 2];
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits(at), 16).expect("hexadecimal"))
        .collect()
}
