//! `docs/errors.md`: every code, its status, and the routes that answer with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use kit::Code;
use schemars::SchemaGenerator;
use tests::findings::{Findings, Outcome};

use crate::{functions::built, generated, listed};

const OPENING: &str = "\
# Errors

Every refusal is `application/problem+json` (RFC 9457) with these members:

| Member | What it holds |
| --- | --- |
| `type` | `urn:madang:problem:<code>` |
| `title` | what the code means, the same for every occurrence |
| `status` | the HTTP status |
| `detail` | what happened this time, in words |
| `instance` | `urn:madang:request:<request id>` |
| `code` | the stable name below: what a client decides by |
| `trace_id` | finds the request in logs and traces |
| `errors` | every fault of a body, a query or a path: `{pointer, code, message}`, `pointer` a JSON pointer (RFC 6901) |

401 carries `WWW-Authenticate`, 405 `Allow`, 429 and 503 `Retry-After`. What API Gateway itself
refuses is not a problem document but `{\"message\": …}`: more than 10,240 bytes of headers (431), more
than 10 MB of body (413), a function that took too long (503) or failed as a function (500).

`openapi.json` says which route answers with which code.

This page is written by `UPDATE=1 cargo test -p tests --test contract` from `kit::problem::Code`.

";

#[test]
fn the_page_lists_every_code_and_who_answers_with_it() -> Outcome {
    let mut answered_by: BTreeMap<Code, BTreeSet<String>> = BTreeMap::new();
    let mut answering = BTreeSet::new();
    for (folder, function) in built()? {
        for operation in function.operations(&mut SchemaGenerator::default()) {
            answering.insert(folder.clone());
            for code in kit::openapi::refusals_of(&operation) {
                answered_by.entry(code).or_default().insert(folder.clone());
            }
        }
    }
    for code in [Code::NotFound, Code::MethodNotAllowed] {
        answered_by
            .entry(code)
            .or_default()
            .insert("fallback".to_owned());
    }
    let mut page = OPENING.to_owned();
    page.push_str("| Status | Code | Meaning | Functions |\n| --- | --- | --- | --- |\n");
    for code in Code::ALL {
        let functions = match answered_by.get(code) {
            Some(functions) => listed(functions, &answering),
            None if *code == Code::Overloaded => "the local stack's gateway".to_owned(),
            None => "no function".to_owned(),
        };
        writeln!(
            page,
            "| {} | `{}` | {} | {functions} |",
            code.status(),
            code.as_str(),
            code.title(),
        )?;
    }
    generated("docs/errors.md", &page)
}

/// A route whose bad news is a document of its own, not a problem.
const OWN_DOCUMENT: (&str, u16) = ("GET /health/ready", 503);

#[test]
fn answers_are_good_ones_and_refusals_are_problems() -> Outcome {
    let mut findings = Findings::default();
    for function in built()?.values() {
        for operation in function.operations(&mut SchemaGenerator::default()) {
            let endpoint = operation.endpoint;
            findings.expect(
                endpoint.answers.iter().all(|status| {
                    (200..400).contains(status)
                        || (endpoint.route_key().as_str(), *status) == OWN_DOCUMENT
                }),
                format!("{endpoint} declares {:?} as answers", endpoint.answers),
                "declare refusals with .problems(&[Code::…])",
            );
        }
    }
    findings.done()
}
