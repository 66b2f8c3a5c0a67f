//! The local stack as tests run it: in this process, on free ports, with an empty folder of its own
//! and a recorder in front of every service that its functions call.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use local::{Description, Options, Stack};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    http1::{self, Request, Response},
    logs,
    project::{self, Services},
    recorder::Recorder,
};

/// A publication is live within ten seconds, or something is wrong.
const LIVE_WITHIN: Duration = Duration::from_secs(10);

/// A running stack. It stops, and its folder goes, when this is dropped.
pub struct Courtyard {
    /// In front of DynamoDB.
    pub database: Recorder,
    /// In front of Secrets Manager.
    pub secrets: Recorder,
    /// In front of Lambda's `Invoke`.
    pub lambda: Recorder,
    description: Description,
    stack: Option<Stack>,
    runtime: Runtime,
    _folder: TempDir,
}

impl Courtyard {
    /// Starts an empty stack.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(|_| {})
    }

    /// Starts an empty stack with its options changed.
    ///
    /// # Errors
    /// As [`Stack::start`].
    pub fn start_with(change: impl FnOnce(&mut Options)) -> anyhow::Result<Self> {
        logs::capture();
        let (database, secrets, lambda) =
            (Recorder::start()?, Recorder::start()?, Recorder::start()?);
        let folder = tempfile::tempdir()?;
        let mut options =
            Options::new(project::root().join("template.yaml"), folder.path()).unthrottled();
        options.environment.extend(
            [
                ("AWS_ENDPOINT_URL_DYNAMODB", &database),
                ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &secrets),
                ("AWS_ENDPOINT_URL_LAMBDA", &lambda),
            ]
            .map(|(name, recorder)| (name.to_owned(), recorder.url())),
        );
        change(&mut options);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let stack = runtime
            .block_on(Stack::start(options))
            .context("the local stack did not start")?;
        let description = stack.description().clone();
        database.forward_to(&description.dynamodb_endpoint);
        secrets.forward_to(&description.secrets_endpoint);
        lambda.forward_to(&description.lambda_endpoint);
        Ok(Self {
            database,
            secrets,
            lambda,
            description,
            stack: Some(stack),
            runtime,
            _folder: folder,
        })
    }

    /// Where everything is, the development service key included.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The services of this stack as its functions reach them: through the recorders.
    #[must_use]
    pub fn services(&self) -> Services {
        Services {
            dynamodb: self.database.url(),
            lambda: self.lambda.url(),
            secrets: self.secrets.url(),
            blobs: format!("file://{}", self.description.blobs.display()),
        }
    }

    /// Writes items of a kind as drafts, publishes them, and waits until they are live.
    ///
    /// # Errors
    /// A draft or the publication was refused, or was not live within 10 s.
    pub fn publish(&self, kind: &str, items: &[(&str, Value)]) -> anyhow::Result<()> {
        let admin = format!("/admin/v1/content/{kind}");
        let key = &self.description.service_key;
        for (id, item) in items {
            let put = Request::new("PUT", &format!("{admin}/items/{id}"))
                .bearer(key)
                .header("if-none-match", "*")
                .json(item);
            let answer = self.send(&put)?;
            anyhow::ensure!(
                answer.status == 201,
                "{id}: {} {}",
                answer.status,
                answer.text()
            );
        }
        let asked = self.send(
            &Request::new("POST", &format!("{admin}/publish"))
                .bearer(key)
                .json(&json!({"note": "tests"})),
        )?;
        anyhow::ensure!(
            asked.status == 202,
            "publish: {} {}",
            asked.status,
            asked.text()
        );
        let asked = asked.json();
        let id = text(&asked, "publication_id").context("no publication_id")?;
        let look = Request::get(&format!("{admin}/publications/{id}")).bearer(key);
        let until = Instant::now() + LIVE_WITHIN;
        loop {
            let publication = self.send(&look)?.json();
            match text(&publication, "state") {
                Some("live") => return Ok(()),
                Some("running") if Instant::now() < until => {
                    thread::sleep(Duration::from_millis(20))
                }
                _ => anyhow::bail!("{kind} did not go live: {publication}"),
            }
        }
    }

    /// Sends a request to the HTTP API, on a connection of its own.
    ///
    /// # Errors
    /// The gateway closed the connection without an answer.
    pub fn send(&self, request: &Request) -> anyhow::Result<Response> {
        http1::send(&self.description.base_url, request)
            .with_context(|| format!("{} {}", request.method, request.target))
    }

    /// Invokes a function by its folder and waits for its answer, as `aws lambda invoke` does.
    ///
    /// # Errors
    /// There is no such function, or it failed as a function.
    pub fn invoke(&self, folder: &str, event: &[u8]) -> anyhow::Result<Response> {
        let name = self
            .description
            .functions
            .get(folder)
            .with_context(|| format!("the template has no function {folder}"))?;
        let request = Request::new("POST", &format!("/2015-03-31/functions/{name}/invocations"))
            .header("content-type", "application/json")
            .body(event);
        let answer = http1::send(&self.description.lambda_endpoint, &request)?;
        let failed = answer.status != 200 || answer.header("x-amz-function-error").is_some();
        anyhow::ensure!(
            !failed,
            "{folder} failed: {} {}",
            answer.status,
            answer.text()
        );
        Ok(answer)
    }
}

impl Drop for Courtyard {
    fn drop(&mut self) {
        if let Some(stack) = self.stack.take() {
            self.runtime.block_on(stack.stop());
        }
        if !thread::panicking() {
            logs::check();
        }
    }
}

fn text<'a>(document: &'a Value, name: &str) -> Option<&'a str> {
    document.get(name).and_then(Value::as_str)
}
