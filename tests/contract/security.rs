//! `docs/security.md` says which test shows what: each is there.

use std::{collections::BTreeSet, fs};

use regex_lite::Regex;
use tests::{
    findings::{Findings, Outcome},
    project,
};

/// Names of tests have at least so many words; nothing else in the page has.
const WORDS: usize = 5;

#[test]
fn the_tests_that_the_threat_model_names_are_there() -> Outcome {
    let mut known = BTreeSet::new();
    let function = Regex::new(r"\bfn ([a-z0-9_]+)\(")?;
    for folder in ["functions", "shared", "local", "tests"] {
        for path in project::files(folder, "rs")? {
            let text = fs::read_to_string(&path)?;
            known.extend(
                function
                    .captures_iter(&text)
                    .map(|found| found[1].to_owned()),
            );
        }
    }
    let mut findings = Findings::default();
    let page = project::read("docs/security.md")?;
    for found in Regex::new("`([a-z0-9_]+)`")?.captures_iter(&page) {
        let name = &found[1];
        findings.expect(
            name.split('_').count() < WORDS || known.contains(name),
            format!("docs/security.md names `{name}`, and no test is called that"),
            "name the test that shows it now, or write it",
        );
    }
    findings.done()
}
