//! Least privilege, by evidence: every AWS call that a function was seen to make is allowed by its
//! own policy in `template.yaml`, and its policy allows nothing that it was never seen to need.
//!
//! The evidence is what the recorder wrote while the API and fault tests ran. Cargo runs test
//! binaries in alphabetical order, so `cargo test -p tests` runs them before this one; observations
//! of other sources than the present ones do not count, so a stale or empty record fails here.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use tests::{
    findings::{Findings, Outcome},
    observed::{self, Call},
    project,
    source::Source,
};

const GATHER: &str = "cargo test -p tests     (the api and faults tests make the calls)";

/// `unobserved.toml`: what is allowed and cannot be seen in a test, with the reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unobserved {
    allowed: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    function: String,
    actions: Vec<String>,
    resource: String,
    reason: String,
}

#[test]
fn policies_name_single_actions_on_single_resources() -> Outcome {
    let source = Source::read()?;
    let mut findings = Findings::default();
    for function in &project::template()?.functions {
        for statement in source.statements(&function.logical_id)? {
            let plain = statement.effect == "Allow"
                && !statement.resources.is_empty()
                && statement
                    .actions
                    .iter()
                    .all(|action| action.contains(':') && !action.contains('*'));
            findings.expect(
                plain,
                format!("{}: {statement:?}", function.logical_id),
                "write `Effect: Allow`, whole action names without `*`, and the resources",
            );
        }
    }
    findings.done()
}

#[test]
fn functions_may_do_what_they_were_seen_to_do_and_nothing_else() -> Outcome {
    let allowed = allowed()?;
    let excepted = excepted()?;
    let seen = observed::calls()?;
    assert!(
        !seen.is_empty(),
        "no calls were observed of these sources\n  mend: {GATHER}"
    );
    let mut findings = Findings::default();
    for call in seen.difference(&allowed.keys().cloned().collect()) {
        findings.note(
            format!("{} was seen to call {} on {}, which its policy does not allow", call.function, call.action, call.resource),
            format!(
                "in template.yaml, Policies of functions/{}:\n- Effect: Allow\n  Action: {}\n  Resource: {}",
                call.function, call.action, written(&call.resource)?
            ),
        );
    }
    for (call, logical_id) in &allowed {
        if seen.contains(call) || excepted.contains_key(call) {
            continue;
        }
        findings.note(
            format!("{} may call {} on {}, but was never seen to", call.function, call.action, call.resource),
            format!(
                "delete it from the Policies of {logical_id} in template.yaml, test what needs it, or \
                 give the reason in tests/policy/unobserved.toml:\n[[allowed]]\nfunction = \"{}\"\nactions = [\"{}\"]\nresource = \"{}\"\nreason = \"…\"",
                call.function, call.action, call.resource
            ),
        );
    }
    for (call, reason) in &excepted {
        findings.expect(
            !seen.contains(call),
            format!(
                "{} was seen to call {} on {} after all",
                call.function, call.action, call.resource
            ),
            "delete its entry in tests/policy/unobserved.toml",
        );
        findings.expect(
            allowed.contains_key(call),
            format!(
                "unobserved.toml excepts {} of {} on {}, which no policy allows",
                call.action, call.function, call.resource
            ),
            "delete its entry in tests/policy/unobserved.toml",
        );
        findings.expect(
            !reason.trim().is_empty(),
            format!("{call:?} has no reason"),
            "give one",
        );
    }
    findings.done()
}

/// Every allowed call, and the function's logical id.
fn allowed() -> anyhow::Result<BTreeMap<Call, String>> {
    let source = Source::read()?;
    let mut allowed = BTreeMap::new();
    for function in &project::template()?.functions {
        for statement in source.statements(&function.logical_id)? {
            for action in &statement.actions {
                for resource in &statement.resources {
                    let call = Call {
                        function: function.folder.clone(),
                        action: action.clone(),
                        resource: resource.clone(),
                    };
                    allowed.insert(call, function.logical_id.clone());
                }
            }
        }
    }
    Ok(allowed)
}

fn excepted() -> anyhow::Result<BTreeMap<Call, String>> {
    let file: Unobserved = toml::from_str(&project::read("tests/policy/unobserved.toml")?)?;
    let mut excepted = BTreeMap::new();
    for exception in file.allowed {
        for action in exception.actions {
            let call = Call {
                function: exception.function.clone(),
                action,
                resource: exception.resource.clone(),
            };
            excepted.insert(call, exception.reason.clone());
        }
    }
    Ok(excepted)
}

/// How a policy in the template names a resource.
fn written(name: &str) -> anyhow::Result<String> {
    let template = project::template()?;
    let tables = template
        .tables
        .iter()
        .map(|table| (&table.name, &table.logical_id));
    let functions = template
        .functions
        .iter()
        .map(|function| (&function.name, &function.logical_id));
    let named: BTreeSet<_> = tables.chain(functions).collect();
    let found = named.iter().find(|(known, _)| *known == name);
    Ok(match found {
        Some((_, logical_id)) => format!("!GetAtt {logical_id}.Arn"),
        None => format!("(the resource named {name})"),
    })
}
