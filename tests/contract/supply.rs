//! What the binaries are made of: licences, banned crates and sources, by the lists of `deny.toml`.
//!
//! The lists are cargo-deny's own, so `cargo deny check` reads them too; this needs nothing
//! installed. Licences and sources are looked at of everything, bans of what functions link.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use tests::{
    findings::{Findings, Outcome},
    project,
};

use crate::cargo::{cargo, metadata};

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: BTreeSet<String>,
}

fn lists() -> anyhow::Result<Deny> {
    Ok(toml::from_str(&project::read("deny.toml")?)?)
}

#[test]
fn every_licence_is_allowed() -> Outcome {
    let allowed = lists()?.licenses.allow;
    let mut findings = Findings::default();
    for package in &metadata()?.packages {
        let licence = package.license.as_deref().unwrap_or("(none)");
        findings.expect(
            is_allowed(licence, &allowed),
            format!("{} {} is under {licence}", package.name, package.version),
            "use another crate, or allow the licence in deny.toml",
        );
    }
    findings.done()
}

#[test]
fn every_crate_comes_from_an_allowed_place() -> Outcome {
    let allowed = lists()?.sources.allow_registry;
    let mut findings = Findings::default();
    for package in &metadata()?.packages {
        let Some(source) = &package.source else {
            continue;
        };
        findings.expect(
            source
                .strip_prefix("registry+")
                .is_some_and(|registry| allowed.contains(registry)),
            format!("{} comes from {source}", package.name),
            "take it from crates.io, or allow the place in deny.toml",
        );
    }
    findings.done()
}

/// Libraries that a binary must hold once: two would be two stacks.
const ONCE: [&str; 5] = ["aws-lc-rs", "http", "hyper", "rustls", "tokio"];

#[test]
fn functions_link_no_banned_crate_and_one_stack() -> Outcome {
    let linked = linked_by_functions()?;
    let mut findings = Findings::default();
    for ban in lists()?.bans.deny {
        findings.expect(
            !linked.contains_key(&ban.name),
            format!("functions link {}: {}", ban.name, ban.reason),
            format!("cargo tree -e normal -i {} says why", ban.name),
        );
    }
    for name in ONCE {
        let versions = linked.get(name).cloned().unwrap_or_default();
        findings.expect(
            versions.len() <= 1,
            format!("functions link {name} {versions:?}"),
            format!("cargo tree -e normal -i {name}@<version> says why"),
        );
    }
    findings.done()
}

/// Names and versions of everything that is in the functions' binaries. `cargo metadata` would
/// also count what only tests and tools switch on.
fn linked_by_functions() -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let tree = [
        "tree", "--locked", "-e", "normal", "--prefix", "none", "-f", "{p}",
    ];
    let target = ["--target", "aarch64-unknown-linux-gnu"];
    let text = cargo(&[&tree[..], &target].concat())?;
    let mut linked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines() {
        if let [name, version, ..] = line.split(' ').collect::<Vec<_>>().as_slice() {
            linked
                .entry((*name).to_owned())
                .or_default()
                .insert((*version).to_owned());
        }
    }
    anyhow::ensure!(
        linked.contains_key("kit"),
        "cargo tree names no crate of ours"
    );
    Ok(linked)
}

/// An SPDX expression of `AND`, `OR` and parentheses holds when enough of its parts are allowed;
/// the old spelling of `OR` is `/`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (holds, read) = either(&words, 0, allowed);
    holds && read == words.len()
}

fn either(words: &[&str], at: usize, allowed: &BTreeSet<String>) -> (bool, usize) {
    let (mut holds, mut at) = both(words, at, allowed);
    while words.get(at) == Some(&"OR") {
        let (other, next) = both(words, at + 1, allowed);
        (holds, at) = (holds || other, next);
    }
    (holds, at)
}

fn both(words: &[&str], at: usize, allowed: &BTreeSet<String>) -> (bool, usize) {
    let (mut holds, mut at) = single(words, at, allowed);
    while words.get(at) == Some(&"AND") {
        let (other, next) = single(words, at + 1, allowed);
        (holds, at) = (holds && other, next);
    }
    (holds, at)
}

fn single(words: &[&str], at: usize, allowed: &BTreeSet<String>) -> (bool, usize) {
    if words.get(at) == Some(&"(") {
        let (holds, at) = either(words, at + 1, allowed);
        return (holds, at + 1);
    }
    let mut name = words.get(at).copied().unwrap_or_default().to_owned();
    let mut next = at + 1;
    if words.get(next) == Some(&"WITH") {
        name = format!(
            "{name} WITH {}",
            words.get(next + 1).copied().unwrap_or_default()
        );
        next += 2;
    }
    (allowed.contains(&name), next)
}

#[test]
fn a_licence_expression_is_read_as_spdx_means_it() {
    let allowed = ["MIT", "ISC", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
        .map(str::to_owned)
        .into();
    for good in [
        "MIT",
        "GPL-3.0 OR MIT",
        "MIT/Apache-2.0",
        "(MIT OR GPL-3.0) AND ISC",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in [
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "ISC AND (GPL-3.0 OR LGPL-3.0)",
        "",
        "(none)",
        "MIT WITH GPL-exception",
    ] {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}
