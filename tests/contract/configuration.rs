//! The variables that functions declare are the ones that the template gives, and
//! `docs/configuration.md` lists them all.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use kit::config::Variable;
use local::{functions::Registry, template::Function};
use tests::{
    findings::{Findings, Outcome},
    project,
};

use crate::{
    functions::{folders, variables_of},
    generated, listed,
};

const OPENING: &str = "\
# Configuration

A function is configured by environment variables and by nothing else. They are read once, at its
start; whatever is wrong is told at once, all of it, by name. `template.yaml` gives each function its
own; what differs between stages are the template's parameters, in `samconfig.toml`. An empty value
counts as absent. Secrets never stand here: a variable holds the name of a Secrets Manager entry.

This page is written by `UPDATE=1 cargo test -p tests --test contract` from the functions' settings.

";

/// A row of the page: what is declared, who reads it, and who cannot start without it.
struct Row {
    variable: Variable,
    readers: BTreeSet<String>,
    required: bool,
}

#[test]
fn functions_are_given_what_they_declare_and_nothing_else() -> Outcome {
    let mut findings = Findings::default();
    for function in &project::template()?.functions {
        let (folder, id) = (&function.folder, &function.logical_id);
        let Some(declared) = declared(folder) else {
            continue;
        };
        let names: BTreeSet<&str> = declared.iter().map(|variable| variable.name).collect();
        for given in function.environment.keys() {
            findings.expect(
                names.contains(given.as_str()),
                format!("template.yaml gives {given} to functions/{folder}, which does not read it"),
                format!("delete it from Environment of {id}, or declare it in functions/{folder}/src/lib.rs"),
            );
        }
        for missing in missing(function, &variables_of(function)) {
            findings.note(
                format!("functions/{folder} cannot start without {missing}"),
                format!("in template.yaml, Environment of {id}:\n{missing}: …"),
            );
        }
    }
    findings.done()
}

#[test]
fn every_function_says_what_it_reads() -> Outcome {
    let mut findings = Findings::default();
    for folder in folders()? {
        findings.expect(
            local::functions::variables_of(&folder).is_some(),
            format!("the variables of functions/{folder} are not held against the template"),
            format!(
                "in local/src/functions.rs: \"{folder}\" => {},",
                folder.replace('-', "_")
            ),
        );
    }
    findings.done()
}

#[test]
fn a_variable_means_the_same_wherever_it_is_read() -> Outcome {
    let mut first: BTreeMap<&str, (Variable, String)> = BTreeMap::new();
    let mut findings = Findings::default();
    for function in &project::template()?.functions {
        for variable in declared(&function.folder).unwrap_or_default() {
            let (known, reader) = first
                .entry(variable.name)
                .or_insert_with(|| (variable.clone(), function.folder.clone()));
            findings.expect(
                known.default == variable.default && known.expected == variable.expected,
                format!(
                    "{} is declared differently in functions/{reader} and functions/{}",
                    variable.name, function.folder
                ),
                "give it one type and one default; share the settings if they are the same",
            );
        }
    }
    findings.done()
}

#[test]
fn the_page_lists_every_variable() -> Outcome {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let functions = project::template()?.functions;
    for function in &functions {
        let required = required(function);
        for variable in declared(&function.folder).unwrap_or_default() {
            let row = rows.entry(variable.name).or_insert_with(|| Row {
                variable: variable.clone(),
                readers: BTreeSet::new(),
                required: false,
            });
            row.readers.insert(function.folder.clone());
            // Each function says what the variable is to it; the page keeps what is said most fully.
            if variable.about.len() > row.variable.about.len() {
                row.variable.about = variable.about;
            }
            row.required |= required.contains(variable.name);
        }
    }
    let mut page = OPENING.to_owned();
    let all: BTreeSet<_> = functions
        .iter()
        .map(|function| function.folder.clone())
        .collect();
    let (aws, ours): (Vec<_>, Vec<_>) = rows
        .into_values()
        .partition(|row| row.variable.name.starts_with("AWS_"));
    page.push_str("## Ours\n\n");
    table(&mut page, &ours, &all)?;
    page.push_str("\n## Lambda's and the SDKs' own\n\nLambda sets these itself; the endpoints are for the local stack and tests.\n\n");
    table(&mut page, &aws, &all)?;
    generated("docs/configuration.md", &page)
}

fn table(page: &mut String, rows: &[Row], all: &BTreeSet<String>) -> anyhow::Result<()> {
    page.push_str("| Variable | What it is for | Expects | Default | Example | Read by |\n");
    page.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for Row {
        variable,
        readers,
        required,
    } in rows
    {
        let default = match variable.default {
            Some(default) => format!("`{default}`"),
            None if *required => "**required**".to_owned(),
            None => "none".to_owned(),
        };
        let readers = listed(readers, all);
        writeln!(
            page,
            "| `{}` | {} | {} | {default} | `{}` | {readers} |",
            variable.name,
            variable.about.trim(),
            variable.expected,
            variable.example,
        )?;
    }
    Ok(())
}

/// What a function says that it reads.
fn declared(folder: &str) -> Option<Vec<Variable>> {
    Some(
        local::functions::variables_of(folder)?
            .iter()
            .flat_map(|group| group.iter().cloned())
            .collect(),
    )
}

/// The variables without which a function refuses to start.
fn required(function: &Function) -> BTreeSet<&'static str> {
    missing(function, &kit::Vars::default())
}

/// The variables that a function, started with `vars`, says are absent or wrong.
fn missing(function: &Function, vars: &kit::Vars) -> BTreeSet<&'static str> {
    match Registry::workspace()
        .get(&function.folder)
        .map(|build| build(vars))
    {
        Some(Err(faults)) => faults.0.iter().map(|fault| fault.name).collect(),
        _ => BTreeSet::new(),
    }
}
