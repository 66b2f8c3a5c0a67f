//! What the figures were measured on, and of what.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::binaries::WORKSPACE;

/// The libraries whose versions matter to the figures.
const LIBRARIES: [&str; 5] = [
    "lambda_http",
    "lambda_runtime",
    "aws-sdk-dynamodb",
    "tokio",
    "aws-lc-rs",
];

/// The machine in one line.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = field(&processors, "model name");
    let cores = processors
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
    format!(
        "{model}, {cores} cores, Linux {kernel}, {}",
        std::env::consts::ARCH
    )
}

/// The commit, the compiler and the libraries, in one line each.
pub(crate) fn versions() -> Result<Vec<String>> {
    let libraries = locked()?
        .into_iter()
        .filter(|library| LIBRARIES.contains(&&*library.name));
    let libraries: Vec<_> = libraries
        .map(|library| format!("{} {}", library.name, library.version))
        .collect();
    let commit = said("git", &["describe", "--always", "--dirty", "--abbrev=12"]);
    Ok(vec![
        format!("commit {}", commit.unwrap_or_else(|| "unknown".to_owned())),
        said("rustc", &["--version"]).unwrap_or_else(|| "rustc of an unknown version".to_owned()),
        libraries.join(", "),
    ])
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
}

fn locked() -> Result<Vec<Locked>> {
    let path = Path::new(WORKSPACE).join("Cargo.lock");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(toml::from_str::<Lock>(&text)?.package)
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(WORKSPACE)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success()).then(|| text.trim().to_owned())
}

/// The first value of a field of `/proc/cpuinfo`.
fn field(text: &str, name: &str) -> String {
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    });
    value.unwrap_or_else(|| "unknown processor".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "model\t\t: 85\nmodel name\t: Some CPU @ 2GHz\nmodel name\t: Other\n";
        assert_eq!(field(text, "model name"), "Some CPU @ 2GHz");
        assert_eq!(field(text, "vendor"), "unknown processor");
    }

    #[test]
    fn the_libraries_of_the_figures_are_in_the_lock_file() {
        let locked = locked().unwrap();
        for library in LIBRARIES {
            assert!(
                locked.iter().any(|package| package.name == library),
                "{library}"
            );
        }
    }
}
