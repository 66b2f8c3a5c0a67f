//! `stack.json`: where everything is, for tools.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// A running stack, as `stack.json` in its data folder describes it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Where the HTTP API is served.
    pub base_url: String,
    /// Where DynamoDB is served; any credentials do.
    pub dynamodb_endpoint: String,
    /// Where Secrets Manager is served.
    pub secrets_endpoint: String,
    /// Where Lambda's `Invoke` is served.
    pub lambda_endpoint: String,
    /// Where the sandboxes of sign-in providers are.
    pub providers_url: String,
    /// Where requests go that no route takes, if anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy_origin: Option<String>,
    /// The folder of published artefacts.
    pub blobs: PathBuf,
    /// A service key with every scope, made for this data folder.
    pub service_key: String,
    /// The process.
    pub pid: u32,
    /// Names of tables by their names in the template.
    pub tables: BTreeMap<String, String>,
    /// Names of functions by their folders.
    pub functions: BTreeMap<String, String>,
}

impl Description {
    /// What `make run` prints: a few lines that say where everything is.
    pub fn print(&self, data: &Path) -> impl fmt::Display {
        let data = data.display();
        let origin = self.legacy_origin.as_ref();
        let legacy = origin.map_or_else(String::new, |origin| {
            format!("\n  everything else  {origin}")
        });
        format!(
            "Madang on {}{legacy}\n  DynamoDB         {}\n  Secrets Manager  {}\n  Lambda           {}\n  sign-in sandbox  {}\n  data             {data}\n  service key      in {data}/stack.json",
            self.base_url,
            self.dynamodb_endpoint,
            self.secrets_endpoint,
            self.lambda_endpoint,
            self.providers_url,
        )
    }
}

impl fmt::Debug for Description {
    /// Without the service key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Description")
            .field("base_url", &self.base_url)
            .field("dynamodb_endpoint", &self.dynamodb_endpoint)
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}
