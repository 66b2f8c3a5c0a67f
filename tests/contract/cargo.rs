//! What cargo says of the workspace: its packages, their targets, and what each links.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::Context as _;
use serde::Deserialize;
use tests::project;

/// What `cargo metadata` says of the workspace and everything below it.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    name: String,
    kind: Vec<String>,
    pub(crate) src_path: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Metadata {
    /// The packages of this workspace.
    pub(crate) fn ours(&self) -> Vec<&Package> {
        let ours = |package: &&Package| self.workspace_members.contains(&package.id);
        self.packages.iter().filter(ours).collect()
    }

    /// What a package is linked with: its dependencies, not those of its tests and build script.
    pub(crate) fn linked(&self, id: &str) -> BTreeSet<&str> {
        let node = self.resolve.nodes.iter().find(|node| node.id == id);
        let dependencies = node.into_iter().flat_map(|node| &node.deps);
        dependencies
            .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none()))
            .map(|dependency| dependency.pkg.as_str())
            .collect()
    }

    /// Everything that ends up in a binary of the package.
    pub(crate) fn tree<'a>(&'a self, id: &'a str) -> BTreeSet<&'a str> {
        let mut tree = BTreeSet::from([id]);
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            next.extend(self.linked(id).into_iter().filter(|id| tree.insert(id)));
        }
        tree
    }

    pub(crate) fn package(&self, id: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.id == id)
    }
}

impl Package {
    /// Its folder in the project, such as `shared/kit`.
    pub(crate) fn folder(&self) -> String {
        let folder = self.manifest_path.parent().unwrap_or(&self.manifest_path);
        relative(folder)
    }

    /// The names of its binaries.
    pub(crate) fn binaries(&self) -> Vec<&str> {
        self.targets_of("bin")
            .map(|target| target.name.as_str())
            .collect()
    }

    pub(crate) fn targets_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Target> {
        self.targets
            .iter()
            .filter(move |target| target.kind.iter().any(|is| is == kind))
    }
}

/// `cargo metadata`, for the platform that functions are deployed on.
pub(crate) fn metadata() -> anyhow::Result<&'static Metadata> {
    static METADATA: OnceLock<Metadata> = OnceLock::new();
    if let Some(metadata) = METADATA.get() {
        return Ok(metadata);
    }
    let platform = ["--filter-platform", "aarch64-unknown-linux-gnu"];
    let text = cargo(
        &[
            &["metadata", "--locked", "--format-version", "1"][..],
            &platform,
        ]
        .concat(),
    )?;
    let metadata = serde_json::from_str(&text)?;
    Ok(METADATA.get_or_init(|| metadata))
}

/// What a cargo command prints.
pub(crate) fn cargo(arguments: &[&str]) -> anyhow::Result<String> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(arguments)
        .current_dir(project::root())
        .output()
        .context("cargo")?;
    anyhow::ensure!(
        output.status.success(),
        "cargo {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// A path inside the project.
pub(crate) fn relative(path: &Path) -> String {
    let root = project::root();
    path.strip_prefix(&root)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned()
}
