//! The stack to talk to: the one that runs on the data folder, or one of our own for as long as
//! the demo takes.

use std::{fs, io, path::Path, time::Duration};

use anyhow::{Context, Result};
use local::Description;

use crate::{client, options::Options};

/// Where the workspace says what a stack consists of.
pub(crate) const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");

/// How long a running stack may take to say that it runs.
const HEALTH_PATIENCE: Duration = Duration::from_secs(2);

pub(crate) enum Stack {
    /// It ran before, and goes on.
    Running(Box<Description>),
    /// It was started here, and ends here.
    Own(Box<local::Stack>),
}

impl Stack {
    /// The running stack that the data folder describes, or a new one on that folder whose
    /// randomness depends on the seed.
    pub(crate) async fn find_or_start(options: &Options) -> Result<Self> {
        if let Some(description) = running(&options.data).await? {
            return Ok(Self::Running(Box::new(description)));
        }
        let mut start = local::Options::new(TEMPLATE, &options.data).unthrottled();
        start
            .environment
            .insert("RANDOM_SEED".to_owned(), options.seed.to_string());
        let stack = local::Stack::start(start)
            .await
            .context("no stack runs, and none starts")?;
        Ok(Self::Own(Box::new(stack)))
    }

    pub(crate) fn description(&self) -> &Description {
        match self {
            Self::Running(description) => description,
            Self::Own(stack) => stack.description(),
        }
    }

    /// Stops it if it was started here.
    pub(crate) async fn stop(self) {
        if let Self::Own(stack) = self {
            stack.stop().await;
        }
    }
}

async fn running(data: &Path) -> Result<Option<Description>> {
    let path = data.join("stack.json");
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| path.display().to_string())?,
    };
    let description: Description =
        serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
    let health = format!("{}/health", description.base_url);
    let answer = client::http()?
        .get(health)
        .timeout(HEALTH_PATIENCE)
        .send()
        .await;
    // A description that nobody took away is of a stack that was killed.
    Ok(answer
        .is_ok_and(|answer| answer.status().is_success())
        .then_some(description))
}
