//! The project as files: its root, its template, its functions' environments, and a fingerprint of
//! its sources.

use std::{
    collections::BTreeMap,
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use local::template::{Function, Template};

/// The folder of the workspace's `Cargo.toml`.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Cargo's target directory: the folder above this executable that Cargo has marked as a cache.
#[must_use]
pub fn target() -> PathBuf {
    let executable = env::current_exe().unwrap_or_default();
    let mut folders = executable.ancestors().skip(1);
    let marked = folders.find(|folder| folder.join("CACHEDIR.TAG").is_file());
    marked.map_or_else(|| root().join("target"), Path::to_path_buf)
}

/// A file of the project as text.
///
/// # Errors
/// It is missing or not UTF-8; the error names it.
pub fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("{path} cannot be read"))
}

/// The template, resolved for the stage `dev`, which answers everything itself.
///
/// # Errors
/// As [`Template::read`].
pub fn template() -> anyhow::Result<Template> {
    template_before("")
}

/// The template for the stage `dev` in front of a legacy origin; `""` is none.
///
/// # Errors
/// As [`Template::read`].
pub fn template_before(legacy_origin: &str) -> anyhow::Result<Template> {
    let parameters = [("Stage", "dev"), ("LegacyOrigin", legacy_origin)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let path = root().join("template.yaml");
    Ok(Template::read(&path, &parameters.into())?)
}

/// What a function finds in its environment: the template's variables, what Lambda sets itself, and
/// the addresses of `services`.
#[must_use]
pub fn environment(function: &Function, services: &Services) -> BTreeMap<String, String> {
    let lambda = [
        ("AWS_REGION", local::template::REGION),
        ("AWS_ACCESS_KEY_ID", "tests"),
        ("AWS_SECRET_ACCESS_KEY", "tests"),
        ("AWS_ENDPOINT_URL_DYNAMODB", &services.dynamodb),
        ("AWS_ENDPOINT_URL_LAMBDA", &services.lambda),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &services.secrets),
        ("AWS_ENDPOINT_URL_S3", &services.blobs),
        ("AWS_LAMBDA_FUNCTION_NAME", &function.name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            &function.memory_mb.to_string(),
        ),
    ];
    let mut variables = function.environment.clone();
    variables.extend(lambda.map(|(name, value)| (name.to_owned(), value.to_owned())));
    variables
}

/// Where a function finds the services it calls.
#[derive(Debug, Clone)]
pub struct Services {
    /// DynamoDB.
    pub dynamodb: String,
    /// Lambda's `Invoke`.
    pub lambda: String,
    /// Secrets Manager.
    pub secrets: String,
    /// The folder of blobs, as a URL.
    pub blobs: String,
}

impl Services {
    /// Nothing listens there: for functions that are built and not called.
    #[must_use]
    pub fn nowhere() -> Self {
        let nowhere = "http://127.0.0.1:9".to_owned();
        Self {
            dynamodb: nowhere.clone(),
            lambda: nowhere.clone(),
            secrets: nowhere,
            blobs: "file:///nowhere".to_owned(),
        }
    }
}

/// Every file below `folder` (a path in the project) whose name ends in `.<extension>`, in
/// alphabetical order.
///
/// # Errors
/// A folder cannot be read.
pub fn files(folder: &str, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A name for the state of everything that decides which AWS calls the tests make. Two runs of the
/// same sources have the same name, whoever built them.
///
/// # Errors
/// A file cannot be read.
pub fn fingerprint() -> io::Result<String> {
    let root = root();
    let mut hasher = DefaultHasher::new();
    for name in ["Cargo.lock", "samconfig.toml", "template.yaml"] {
        fs::read(root.join(name))?.hash(&mut hasher);
    }
    for folder in ["functions", "shared", "local", "tests"] {
        for path in files(folder, "rs")? {
            if path.starts_with(root.join("tests/contract"))
                || path.starts_with(root.join("tests/policy"))
            {
                continue;
            }
            path.strip_prefix(&root).unwrap_or(&path).hash(&mut hasher);
            fs::read(&path)?.hash(&mut hasher);
        }
    }
    Ok(format!("{:016x}", hasher.finish()))
}
