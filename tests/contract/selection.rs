//! What is selected together is compiled once: the workspace's tests, its tools and `make run` must
//! resolve to the same features of every dependency, or cargo builds the AWS clients anew for each.

use std::{collections::BTreeSet, fs};

use tests::{
    findings::{Findings, Outcome},
    project,
};

use crate::cargo::cargo;

#[test]
fn binaries_of_the_workspace_are_built_on_what_its_tests_are_built_on() -> Outcome {
    let tested = resolved("normal,build,dev")?;
    let mut findings = Findings::default();
    for dependency in resolved("normal,build")?.difference(&tested) {
        let (package, features) = dependency.split_once('\t').unwrap_or_default();
        findings.note(
            format!("{package} has other features in tests than in binaries, where it has {features}"),
            "a [dev-dependencies] of the workspace switches more on; list it in tests/Cargo.toml too",
        );
    }
    findings.done()
}

#[test]
fn everyday_commands_select_the_whole_workspace() -> Outcome {
    let root = project::root();
    let mut files = vec![root.join("Makefile"), root.join(".ci/run")];
    for script in fs::read_dir(root.join("scripts"))? {
        files.push(script?.path());
    }
    let mut findings = Findings::default();
    for file in files {
        let text = fs::read_to_string(&file)?;
        for line in text.lines().filter(|line| is_everyday(line)) {
            findings.expect(
                line.contains("--workspace"),
                format!("{}: {}", file.display(), line.trim()),
                "cargo build --workspace --bin NAME, and then the binary",
            );
        }
    }
    findings.done()
}

/// Whether a line of a script builds with the profile of every day. An example is built for itself.
fn is_everyday(line: &str) -> bool {
    let builds = ["build", "run", "test", "clippy"];
    let builds = |line: &str| {
        builds
            .iter()
            .any(|command| line.contains(&format!("cargo {command} ")))
    };
    let other = ["--release", "--profile", "--example"];
    let is_comment = line.trim_start().starts_with('#');
    builds(line) && !is_comment && !other.iter().any(|other| line.contains(other))
}

/// Every dependency with its features, where edges of these kinds are followed.
fn resolved(edges: &str) -> anyhow::Result<BTreeSet<String>> {
    let text = cargo(&[
        "tree",
        "--locked",
        "--workspace",
        "--prefix",
        "none",
        "-f",
        "{p}\t{f}",
        "-e",
        edges,
    ])?;
    Ok(text
        .lines()
        .map(|line| line.trim_end_matches(" (*)").trim_end().to_owned())
        .collect())
}
