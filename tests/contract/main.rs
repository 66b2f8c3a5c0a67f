//! Holds `template.yaml`, the code, `openapi.json`, `events/` and `docs/` against each other, in
//! every direction. What does not agree is told with its mend.
//!
//! `UPDATE=1 cargo test -p tests --test contract` writes the generated files anew.

mod cargo;
mod configuration;
mod errors;
mod events;
mod functions;
mod layout;
mod maintenance;
mod openapi;
mod routes;
mod security;
mod selection;
mod supply;
mod template;

use std::{collections::BTreeSet, env, fs};

use tests::{findings::Outcome, project};

/// The command that writes generated files anew.
const UPDATE: &str = "UPDATE=1 cargo test -p tests --test contract";

/// Holds a generated file against what the code says, or writes it with `UPDATE=1`.
fn generated(path: &str, text: &str) -> Outcome {
    if env::var_os("UPDATE").is_some_and(|value| !value.is_empty() && value != "0") {
        fs::write(project::root().join(path), text)?;
        return Ok(());
    }
    let kept = project::read(path).unwrap_or_default();
    if kept == text {
        return Ok(());
    }
    let differs = kept
        .lines()
        .zip(text.lines())
        .position(|(kept, made)| kept != made);
    let line = differs.unwrap_or_else(|| kept.lines().count().min(text.lines().count()));
    Err(anyhow::anyhow!(
        "{path} is not what the code says, from line {} on:\n  kept: {}\n  made: {}\n  mend: {UPDATE}",
        line + 1,
        kept.lines().nth(line).unwrap_or("(the end)"),
        text.lines().nth(line).unwrap_or("(the end)"),
    )
    .into())
}

/// Functions as a cell of a table: by name, or all but a few.
fn listed(some: &BTreeSet<String>, all: &BTreeSet<String>) -> String {
    let names = |names: Vec<&String>| {
        names
            .into_iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let others: Vec<_> = all.difference(some).collect();
    match others.len() {
        0 => "every function".to_owned(),
        few if few < some.len() => format!("all but {}", names(others)),
        _ => names(some.iter().collect()),
    }
}
