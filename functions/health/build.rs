//! Stamps the build into the binary: commit, whether the tree differed from it, and the time.

use std::{process::Command, time::SystemTime};

fn main() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    // A change of the commit, the index or any tracked top-level entry makes the stamp anew.
    for name in ["HEAD", "index", "packed-refs", "refs/heads"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]) {
            println!("cargo::rerun-if-changed={root}/{path}");
        }
    }
    let tracked = git(&["-C", root, "ls-tree", "--name-only", "HEAD"]).unwrap_or_default();
    for entry in tracked.lines().filter(|entry| !entry.is_empty()) {
        println!("cargo::rerun-if-changed={root}/{entry}");
    }

    let commit = git(&["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let commit_time =
        git(&["show", "-s", "--format=%ct", "HEAD"]).unwrap_or_else(|| "0".to_owned());
    let dirty =
        git(&["-C", root, "status", "--porcelain"]).is_none_or(|changes| !changes.is_empty());
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
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
