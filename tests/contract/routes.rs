//! Every route of the template has exactly one endpoint, in the function that the template names,
//! and the other way round.

use std::collections::{BTreeMap, BTreeSet};

use local::template::{Route, Template};
use tests::{
    findings::{Findings, Outcome},
    project,
};

use crate::functions::{built, route_keys};

#[test]
fn the_template_routes_what_the_code_answers_and_nothing_else() -> Outcome {
    let template = project::template()?;
    let built = built()?;
    let mut findings = Findings::default();
    for function in &template.functions {
        let Some(code) = built.get(&function.folder) else {
            continue;
        };
        let folder = &function.folder;
        let answered = route_keys(code);
        let routed: BTreeSet<_> = function.routes.iter().map(|route| route.key()).collect();
        for key in routed.difference(&answered) {
            findings.note(
                format!("template.yaml routes `{key}` to functions/{folder}, which does not answer it"),
                format!("add the endpoint in functions/{folder}/src/lib.rs, or delete the event from {}", function.logical_id),
            );
        }
        for key in answered.difference(&routed) {
            findings.note(
                format!(
                    "functions/{folder} answers `{key}`, which template.yaml does not route to it"
                ),
                format!(
                    "in template.yaml, Events of {}:\n{}",
                    function.logical_id,
                    event_block(key)
                ),
            );
        }
        findings.expect(
            function.routes.is_empty() || function.schedules.is_empty(),
            format!("{} has both routes and schedules", function.logical_id),
            "make the worker a function of its own",
        );
    }
    findings.done()
}

#[test]
fn a_route_belongs_to_one_function() -> Outcome {
    let template = project::template()?;
    let mut owners: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for function in &template.functions {
        for route in &function.routes {
            owners
                .entry(route.key())
                .or_default()
                .push(&function.logical_id);
        }
    }
    let mut findings = Findings::default();
    for (key, owners) in &owners {
        findings.expect(
            owners.len() == 1,
            format!("`{key}` is routed to {}", owners.join(" and ")),
            "leave it with one of them",
        );
    }
    findings.expect(
        owners.get("$default").map(Vec::as_slice) == Some(&["FallbackFunction"]),
        "`$default` is not FallbackFunction's",
        "in template.yaml, Events of FallbackFunction:\nDefault:\n  Type: HttpApi\n  Properties: {ApiId: !Ref Api}",
    );
    findings.expect(
        template.proxies.is_empty(),
        "requests leave for another server although there is no legacy origin",
        "in template.yaml, DefinitionBody of Api: !If [HasLegacyOrigin, …] around its integration",
    );
    findings.done()
}

#[test]
fn a_legacy_origin_takes_what_the_fallback_took_and_nothing_else() -> Outcome {
    let keys = |template: &Template| -> BTreeSet<String> {
        let routes = template
            .functions
            .iter()
            .flat_map(|function| &function.routes);
        routes.map(Route::key).collect()
    };
    let alone = keys(&project::template()?);
    let template = project::template_before("https://legacy.example")?;
    let before_origin = keys(&template);
    let lost: Vec<_> = alone.difference(&before_origin).collect();
    let mut findings = Findings::default();
    findings.expect(
        lost == ["$default"] && before_origin.is_subset(&alone),
        format!("with a legacy origin these routes go: {lost:?}"),
        "in template.yaml, only FallbackFunction has Condition: HasNoLegacyOrigin",
    );
    let proxied: Vec<_> = template
        .proxies
        .iter()
        .map(|proxy| (proxy.route.key(), proxy.origin.as_str()))
        .collect();
    findings.expect(
        proxied == [("$default".to_owned(), "https://legacy.example")],
        format!("with a legacy origin these routes go there: {proxied:?}"),
        "in template.yaml, DefinitionBody of Api: $default and nothing else, with uri: !Ref LegacyOrigin",
    );
    findings.done()
}

/// The event that would route `key`.
fn event_block(key: &str) -> String {
    match key.split_once(' ') {
        Some((method, path)) => format!(
            "Name:\n  Type: HttpApi\n  Properties: {{ApiId: !Ref Api, Method: {method}, Path: \"{path}\"}}"
        ),
        None => "Default:\n  Type: HttpApi\n  Properties: {ApiId: !Ref Api}".to_owned(),
    }
}
