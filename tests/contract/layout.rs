//! The rules of the house as code: who may depend on whom, where the environment and the clock are
//! read, who writes HTTP errors, what every file opens with.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use regex_lite::Regex;
use tests::{
    findings::{Findings, Outcome},
    project,
};

use crate::{
    cargo::{metadata, relative},
    functions::{built, folders, route_keys},
};

/// The layers from the bottom up. A crate depends on layers below its own, never on its neighbours.
const LAYERS: [&[&str]; 9] = [
    &["shared/domain"],
    &["shared/jose"],
    &["shared/kit", "bench/peers"],
    &["shared/aws"],
    &["shared/store", "shared/upstream"],
    &["shared/sessions", "shared/liveops"],
    &["functions"],
    &["local"],
    &["tests", "demo", "bench"],
];

/// What the crate of rules must not even have in its tree.
const NOT_IN_DOMAIN: [&str; 5] = [
    "tokio",
    "hyper",
    "lambda_runtime",
    "aws-smithy-runtime-api",
    "reqwest",
];

#[test]
fn dependencies_point_one_way() -> Outcome {
    let metadata = metadata()?;
    let mut findings = Findings::default();
    for package in metadata.ours() {
        let from = package.folder();
        let Some(layer) = layer(&from) else {
            findings.note(
                format!("{from} is in no layer"),
                "give it a place in LAYERS of tests/contract/layout.rs",
            );
            continue;
        };
        for id in metadata.linked(&package.id) {
            let Some(below) = metadata
                .package(id)
                .filter(|package| package.source.is_none())
            else {
                continue;
            };
            let to = below.folder();
            findings.expect(
                self::layer(&to).is_some_and(|below| below < layer),
                format!("{from} depends on {to}"),
                format!(
                    "dependencies point down the layers only; move what is needed below {from}"
                ),
            );
        }
    }
    findings.done()
}

#[test]
fn the_domain_is_free_of_input_and_output() -> Outcome {
    let metadata = metadata()?;
    let domain = metadata
        .ours()
        .into_iter()
        .find(|package| package.name == "domain");
    let domain = domain.context("there is no package domain")?;
    let mut findings = Findings::default();
    for id in metadata.tree(&domain.id) {
        let name = metadata
            .package(id)
            .map_or("", |package| package.name.as_str());
        findings.expect(
            !NOT_IN_DOMAIN.contains(&name) && !name.starts_with("aws-sdk"),
            format!("domain links {name}"),
            format!(
                "cargo tree -p domain -i {name} says why; do that part in store, upstream or kit"
            ),
        );
    }
    findings.done()
}

#[test]
fn the_environment_the_clock_and_chance_are_handed_in() -> Outcome {
    let environment = Regex::new(r"\benv::(var|vars|var_os|vars_os|args|set_var|current_dir)\b")?;
    let clock = Regex::new(
        r"\b(SystemTime|Instant|Timestamp|Zoned)::now\(|\brand::(rng|random)\b|\bthread_rng\b",
    )?;
    let mut findings = Findings::default();
    for (path, text) in sources(&["shared", "functions"])? {
        // A build script and a command-line tool have nobody who could hand them anything.
        let tool = path.ends_with("build.rs") || path.contains("/examples/");
        if path != "shared/kit/src/run.rs" && !tool {
            note_matches(
                &mut findings,
                &path,
                &text,
                &environment,
                "take a typed setting (kit::settings!); only kit::run reads the environment",
            );
        }
        if path.starts_with("shared/domain/") {
            note_matches(
                &mut findings,
                &path,
                &text,
                &clock,
                "take the instant or the generator as an argument",
            );
        }
    }
    findings.done()
}

#[test]
fn only_kit_writes_http_errors() -> Outcome {
    let status = Regex::new(r"StatusCode::([A-Z_]+)")?;
    let number = Regex::new(r"StatusCode::from_u16\(\s*[45]\d\d\b")?;
    let good = [
        "OK",
        "CREATED",
        "ACCEPTED",
        "NO_CONTENT",
        "PARTIAL_CONTENT",
        "FOUND",
        "SEE_OTHER",
        "NOT_MODIFIED",
        "MOVED_PERMANENTLY",
        "TEMPORARY_REDIRECT",
    ];
    let mend = "return Err(Problem::new(Code::…)); kit writes the answer";
    let mut findings = Findings::default();
    for (path, text) in sources(&["functions", "shared/store", "shared/domain"])? {
        // Readiness answers 503 with its own document, as the platform's rules say.
        let allowed = |name: &str| {
            good.contains(&name)
                || (path.starts_with("functions/readiness/") && name == "SERVICE_UNAVAILABLE")
        };
        for found in status.captures_iter(&text) {
            let name = found.get(1).map_or("", |name| name.as_str());
            findings.expect(
                allowed(name),
                format!("{path} writes the status {name}"),
                mend,
            );
        }
        note_matches(&mut findings, &path, &text, &number, mend);
    }
    findings.done()
}

#[test]
fn libraries_forbid_unsafe_code_and_every_file_says_what_it_is_for() -> Outcome {
    let mut findings = Findings::default();
    for package in metadata()?.ours() {
        for library in package.targets_of("lib") {
            let path = relative(&library.src_path);
            let text = project::read(&path)?;
            findings.expect(
                text.contains("#![forbid(unsafe_code)]"),
                format!("{path} does not forbid unsafe code"),
                "add #![forbid(unsafe_code)] below its documentation",
            );
        }
    }
    for folder in ["shared", "functions", "local", "tests", "demo", "bench"] {
        for path in project::files(folder, "rs")? {
            let text = fs::read_to_string(&path)?;
            findings.expect(
                text.starts_with("//!"),
                format!("{} does not say what it is for", relative(&path)),
                "open it with `//! …`",
            );
        }
    }
    findings.done()
}

#[test]
fn a_main_is_one_call_and_a_library_opens_with_its_route() -> Outcome {
    let built = built()?;
    let mut findings = Findings::default();
    for folder in folders()? {
        let library = folder.replace('-', "_");
        let main = format!(
            "fn main() -> std::process::ExitCode {{\n    kit::run({library}::function)\n}}\n"
        );
        let wanted = format!("//! The `{folder}` Lambda.\n\n{main}");
        let path = format!("functions/{folder}/src/main.rs");
        findings.expect(
            project::read(&path)? == wanted,
            format!("{path} is not one call"),
            &wanted,
        );

        let path = format!("functions/{folder}/src/lib.rs");
        let text = project::read(&path)?;
        let opening: String = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        let keys = built.get(&folder).map(route_keys).unwrap_or_default();
        findings.expect(
            keys.is_empty() || keys.iter().any(|key| names_route(&opening, key)),
            format!("{path} does not open with one of its routes"),
            format!("//! `{}`: …", keys.first().map_or("", String::as_str)),
        );
    }
    findings.done()
}

/// Whether documentation names a route's path, or the part of it that a family shares (`/…`).
fn names_route(opening: &str, key: &str) -> bool {
    let path = key.split_once(' ').map_or(key, |(_, path)| path);
    let shared = opening
        .split('`')
        .filter_map(|quoted| quoted.strip_suffix("/…"))
        .any(|prefix| path.starts_with(prefix));
    shared || opening.contains(&format!("{path}`")) || opening.contains(&format!("{path},"))
}

fn layer(folder: &str) -> Option<usize> {
    LAYERS
        .iter()
        .position(|layer| layer.iter().any(|name| Path::new(folder).starts_with(name)))
}

/// The code of these folders without its tests: path in the project, and text.
fn sources(below: &[&str]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut sources = BTreeMap::new();
    for folder in below {
        for path in project::files(folder, "rs")? {
            let name = relative(&path);
            let is_test = name
                .split('/')
                .any(|part| part == "tests" || part == "tests.rs");
            if is_test {
                continue;
            }
            let text = fs::read_to_string(&path)?;
            let code = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default();
            sources.insert(name, without_comments(code));
        }
    }
    Ok(sources)
}

fn without_comments(code: &str) -> String {
    let lines = code
        .lines()
        .map(|line| match line.trim_start().starts_with("//") {
            true => "",
            false => line,
        });
    lines.collect::<Vec<_>>().join("\n")
}

fn note_matches(findings: &mut Findings, path: &str, text: &str, pattern: &Regex, mend: &str) {
    for (number, line) in text.lines().enumerate() {
        findings.expect(
            !pattern.is_match(line),
            format!("{path}:{}: {}", number + 1, line.trim()),
            mend,
        );
    }
}

#[test]
fn no_command_expects_cargos_target_directory_in_the_project() -> Outcome {
    let mut findings = Findings::default();
    let mut commands = vec!["Makefile".to_owned()];
    for script in fs::read_dir(project::root().join("scripts"))? {
        let name = script?.file_name();
        commands.push(format!("scripts/{}", name.to_string_lossy()));
    }
    for path in commands {
        let text = project::read(&path)?;
        for profile in ["debug", "release"] {
            findings.expect(
                !text.contains(&format!("target/{profile}")),
                format!("{path} names target/{profile}"),
                "scripts/target-dir prints the directory, which CARGO_TARGET_DIR may move",
            );
        }
    }
    findings.done()
}
