//! Runs the lookup tables, `data/lookup/*.toml`.

mod rows;

use std::collections::BTreeMap;

use oxbridge_mux::{Lookup, Mux};
use rows::{Row, Table};

#[test]
fn every_row() {
    let tables = rows::tables();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (file, table) in &tables {
        let mux = build(file, table);
        for row in &table.rows {
            count += 1;
            if let Err(difference) = check(&mux, row) {
                wrong.push(format!(
                    "{file}: {}: {}: {difference}",
                    table.about, row.ask
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} rows:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count > 400, "only {count} rows were found");
    let differences = tables
        .iter()
        .flat_map(|(_, table)| &table.rows)
        .filter(|row| row.go.is_some())
        .count();
    assert!(
        differences < count / 15,
        "{differences} of {count} rows say that Go differs"
    );
}

/// What a pattern's place in the order of registration must not change.
#[test]
fn every_row_with_the_patterns_in_reverse() {
    for (file, mut table) in rows::tables() {
        if table.refused.is_empty() {
            table.patterns.reverse();
            let mux = build(&file, &table);
            for row in &table.rows {
                let checked = check(&mux, row);
                assert_eq!(checked, Ok(()), "{file}: {}: {}", table.about, row.ask);
            }
        }
    }
}

/// Registers each pattern with itself as its value.
fn build(file: &str, table: &Table) -> Mux<String> {
    let mut mux = Mux::new();
    for pattern in &table.patterns {
        let registered = mux.register(pattern, pattern.clone());
        let refused = table.refused.contains(pattern);
        assert_eq!(
            registered.is_err(),
            refused,
            "{file}: {}: {registered:?}",
            table.about
        );
    }
    mux
}

fn check(mux: &Mux<String>, row: &Row) -> Result<(), String> {
    let ask = row.ask();
    let lookup = match ask.authority {
        Some(authority) if ask.method == "CONNECT" => {
            mux.lookup_connect(authority, ask.host, ask.path, ask.query)
        }
        _ => mux.lookup(ask.method, ask.host, ask.path, ask.query),
    };
    let ours = match lookup {
        Lookup::Found(found) => {
            let values: BTreeMap<String, String> = found
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect();
            assert_eq!(found.value, found.pattern.as_str());
            for (name, value) in &values {
                assert_eq!(found.get(name), Some(&**value));
            }
            format!("found {} {values:?}", found.value)
        }
        Lookup::Redirect {
            location,
            status,
            pattern,
        } => {
            format!(
                "{status} {location:?} to {:?}",
                pattern.map(|pattern| pattern.as_str())
            )
        }
        Lookup::MethodNotAllowed { allow } => format!("405 {allow:?}"),
        Lookup::NotFound => "404".into(),
        Lookup::BadRequest(_) => "400".into(),
    };
    let wanted = match row {
        Row {
            found: Some(pattern),
            values,
            ..
        } => format!("found {pattern} {values:?}"),
        Row {
            redirect: Some(location),
            to,
            ..
        } => format!("307 {location:?} to {to:?}"),
        Row {
            allow: Some(allow), ..
        } => format!("405 {allow:?}"),
        Row { status, .. } => status.expect("a row has an answer").to_string(),
    };
    if ours == wanted {
        Ok(())
    } else {
        Err(format!("wanted {wanted}, came {ours}"))
    }
}
