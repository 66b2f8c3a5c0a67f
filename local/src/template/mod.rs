//! What `template.yaml` says exists, read as CloudFormation and SAM would read it: functions with
//! their routes, schedules and environment, routes to other servers, tables, secrets, buckets.
//! Nothing else tells the local stack what to run.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

mod function;
mod intrinsics;
mod parameters;
mod proxy;
mod resource;
mod secret;
mod throttling;
mod value;

pub use function::{Function, Route, Schedule};
pub(crate) use intrinsics::secret_arn;
pub use proxy::Proxy;
pub use resource::{Cors, Index, Table, TableSchema};
pub use secret::{RandomString, Secret, SecretValue};
pub use throttling::Throttling;

/// The region that the local stack claims to be in.
pub const REGION: &str = "ap-northeast-2";
/// The account that the local stack claims to be.
pub const ACCOUNT: &str = "000000000000";
/// The name of the stack, which prefixes the names that the template leaves to CloudFormation.
pub const STACK: &str = "madang-dev";
/// The identifier of the only HTTP API.
pub const API_ID: &str = "local";
const PARTITION: &str = "aws";
const URL_SUFFIX: &str = "amazonaws.com";

/// A template, resolved for one stage.
#[derive(Debug, Clone, Default)]
pub struct Template {
    /// Every `AWS::Serverless::Function`.
    pub functions: Vec<Function>,
    /// Every `AWS::DynamoDB::Table`.
    pub tables: Vec<Table>,
    /// Every `AWS::SecretsManager::Secret`.
    pub secrets: Vec<Secret>,
    /// Every `AWS::S3::Bucket`: logical id and name.
    pub buckets: BTreeMap<String, String>,
    /// Routes that the HTTP API sends on to another server.
    pub proxies: Vec<Proxy>,
    /// Cross-origin rules of the HTTP API, if it has any.
    pub cors: Option<Cors>,
    /// How many requests the HTTP API lets through, if it says so.
    pub throttling: Option<Throttling>,
}

/// Why a template could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file is missing or unreadable.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text is not YAML.
    #[error("not YAML: {0}")]
    Yaml(#[from] serde_norway::Error),
    /// `samconfig.toml` is not TOML of the expected shape.
    #[error("samconfig.toml: {0}")]
    Samconfig(#[from] toml::de::Error),
    /// One property cannot be understood or resolved.
    #[error("{place}: {problem}")]
    Property {
        /// `Resource.Property`.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl TemplateError {
    fn at(place: &str, problem: impl Into<String>) -> Self {
        Self::Property {
            place: place.to_owned(),
            problem: problem.into(),
        }
    }
}

impl Template {
    /// Reads the template at `path`, with its parameters taken from `overrides`, then from the
    /// `dev` table of a `samconfig.toml` beside it, then from their defaults. An override of a
    /// parameter that the template does not declare is ignored.
    ///
    /// # Errors
    /// A file cannot be read, or a property of a resource that the local stack runs cannot be
    /// resolved; the error names it.
    pub fn read(path: &Path, overrides: &BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let text = read(path)?;
        let samconfig = path.with_file_name("samconfig.toml");
        let stage = match samconfig.exists() {
            true => parameters::of_stage(&read(&samconfig)?, "dev")?,
            false => BTreeMap::new(),
        };
        Self::parse(&text, &stage, overrides)
    }

    fn parse(
        text: &str,
        stage: &BTreeMap<String, String>,
        overrides: &BTreeMap<String, String>,
    ) -> Result<Self, TemplateError> {
        let root = value::parse(text)?;
        let section = |name: &str| match root.get(name) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(map)) => Ok(map.clone()),
            Some(_) => Err(TemplateError::at(name, "expects a map")),
        };
        let resolver = intrinsics::Resolver::new(
            parameters::values(&section("Parameters")?, stage, overrides)?,
            section("Conditions")?,
            section("Mappings")?,
            section("Resources")?,
        );
        let globals = root.pointer("/Globals/Function").unwrap_or(&Value::Null);
        Ok(Self {
            functions: function::all(&resolver, globals)?,
            tables: resource::tables(&resolver)?,
            secrets: secret::all(&resolver)?,
            buckets: resource::buckets(&resolver)?,
            proxies: proxy::all(&resolver)?,
            cors: resource::cors(&resolver, &root)?,
            throttling: throttling::of_stage(&resolver)?,
        })
    }
}

fn read(path: &Path) -> Result<String, TemplateError> {
    fs::read_to_string(path).map_err(|source| TemplateError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
