//! Stamps the build into the binary: commit, whether the tree differed from it, and the time.

use std::{path::Path, process::Command, time::SystemTime};

/// The folder of the workspace.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn main() {
    // A change of the commit, the index or any tracked top-level entry makes the stamp anew.
    for name in ["HEAD", "index", "packed-refs", "refs/heads"] {
        let path = git(&["rev-parse", "--path-format=absolute", "--git-path", name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let tracked = git(&["ls-tree", "--name-only", "HEAD"]).unwrap_or_default();
    for entry in tracked.lines().filter(|entry| !entry.is_empty()) {
        println!("cargo::rerun-if-changed={ROOT}/{entry}");
    }

    let commit = git(&["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let commit_time =
        git(&["show", "-s", "--format=%ct", "HEAD"]).unwrap_or_else(|| "0".to_owned());
    let dirty = git(&["status", "--porcelain"]).is_none_or(|changes| !changes.is_empty());
    let build_time = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    println!("cargo::rustc-env=BUILD_COMMIT={commit}");
    println!("cargo::rustc-env=BUILD_COMMIT_TIME_S={commit_time}");
    println!("cargo::rustc-env=BUILD_DIRTY={dirty}");
    println!("cargo::rustc-env=BUILD_TIME_S={build_time}");
}

/// What git answers; `None` outside a checkout or without git.
fn git(arguments: &[&str]) -> Option<String> {
    let git = Command::new("git")
        .arg("-C")
        .arg(ROOT)
        .args(arguments)
        .output();
    let output = git.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
