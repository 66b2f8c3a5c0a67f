//! The binaries that are measured: built here, with the profile that is deployed.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use flate2::{Compression, write::DeflateEncoder};

/// The folder of the workspace.
pub(crate) const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The binaries of one profile.
pub(crate) struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Builds the binaries of `packages`, with the features of their dependencies that they ask for.
    pub(crate) fn build(profile: &str, packages: &[&str]) -> Result<Self> {
        let packages = packages.iter().flat_map(|package| ["-p", package]);
        Self::of(profile, packages)
    }

    /// Builds a tool as every tool of the workspace is built.
    pub(crate) fn tool(profile: &str, name: &str) -> Result<Self> {
        Self::of(profile, ["--workspace", "--bin", name])
    }

    fn of<'a>(profile: &str, selection: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .current_dir(WORKSPACE)
            .args(["build", "--profile", profile]);
        command.args(selection);
        ensure!(
            command.status().context("cargo")?.success(),
            "the build failed"
        );
        let folder = match profile {
            "dev" => "debug",
            other => other,
        };
        Ok(Self {
            folder: target().join(folder),
        })
    }

    /// The path of one.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Cargo's target directory, in which this executable lies in the folder of its profile.
pub(crate) fn target() -> PathBuf {
    let executable = env::current_exe().ok();
    let folder = executable
        .as_deref()
        .and_then(|path| path.ancestors().nth(2));
    folder.map_or_else(|| Path::new(WORKSPACE).join("target"), Path::to_path_buf)
}

/// How many bytes the binary has in the archive that is deployed. The archive's own headers, some
/// hundred bytes, are left out.
pub(crate) fn zipped(binary: &Path) -> Result<u64> {
    let content = fs::read(binary).with_context(|| binary.display().to_string())?;
    let mut zip = DeflateEncoder::new(Vec::new(), Compression::default());
    zip.write_all(&content)?;
    Ok(zip.finish()?.len() as u64)
}
