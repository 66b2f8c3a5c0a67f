//! An operator's calls: which items there are, an import, a publication.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::Description;

/// How long a publication may take.
const LIVE_WITHIN: Duration = Duration::from_secs(10);

/// Between two looks at a publication.
const LOOK: Duration = Duration::from_millis(20);

/// Why a call did not do what it was to do.
#[derive(Debug, thiserror::Error)]
#[error("{call}: {problem}")]
pub struct AdminError {
    call: String,
    problem: String,
}

/// Speaks to a stack as its development key.
pub(super) struct Admin<'a> {
    stack: &'a Description,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl<'a> Admin<'a> {
    pub(super) fn new(stack: &'a Description) -> Self {
        Self {
            stack,
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
        }
    }

    /// The ids of a kind's items, each with its state.
    pub(super) async fn states(&self, kind: &str) -> Result<BTreeMap<String, String>, AdminError> {
        #[derive(Deserialize)]
        struct Page {
            items: Vec<Listed>,
            next_cursor: Option<String>,
        }
        #[derive(Deserialize)]
        struct Listed {
            id: String,
            state: String,
        }
        let mut states = BTreeMap::new();
        let mut after = String::new();
        loop {
            let target = format!("{kind}/items?limit=200{after}");
            let page: Page = self.call(Method::GET, &target, "", String::new()).await?;
            states.extend(page.items.into_iter().map(|item| (item.id, item.state)));
            match page.next_cursor {
                Some(cursor) => after = format!("&cursor={cursor}"),
                None => return Ok(states),
            }
        }
    }

    /// Writes items as drafts.
    pub(super) async fn import(&self, kind: &str, items: &[&Value]) -> Result<(), AdminError> {
        #[derive(Deserialize)]
        struct Imported {
            results: Vec<Value>,
        }
        let target = format!("{kind}/import");
        let body: String = items.iter().map(|item| format!("{item}\n")).collect();
        let Imported { results } = self
            .call(Method::POST, &target, "application/x-ndjson", body)
            .await?;
        match results.iter().find(|result| result.get("code").is_some()) {
            None => Ok(()),
            Some(refused) => Err(failed(&target, refused)),
        }
    }

    /// Publishes all drafts of a kind, and waits until they are live.
    pub(super) async fn publish(&self, kind: &str, note: &str) -> Result<(), AdminError> {
        #[derive(Deserialize)]
        struct Accepted {
            publication_id: String,
        }
        let target = format!("{kind}/publish");
        let body = json!({ "note": note }).to_string();
        let Accepted { publication_id } = self
            .call(Method::POST, &target, "application/json", body)
            .await?;
        let target = format!("{kind}/publications/{publication_id}");
        let deadline = Instant::now() + LIVE_WITHIN;
        loop {
            let publication: Value = self.call(Method::GET, &target, "", String::new()).await?;
            match publication.get("state").and_then(Value::as_str) {
                Some("live") => return Ok(()),
                Some("running") if Instant::now() < deadline => sleep(LOOK).await,
                _ => return Err(failed(&target, publication)),
            }
        }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        media_type: &str,
        body: String,
    ) -> Result<T, AdminError> {
        let url = format!("{}/admin/v1/content/{target}", self.stack.base_url);
        let mut request = Request::builder().method(method).uri(url).header(
            header::AUTHORIZATION,
            format!("Bearer {}", self.stack.service_key),
        );
        if !media_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        let request = request
            .body(Full::from(body))
            .map_err(|error| failed(target, error))?;
        let answer = self.client.request(request).await;
        let (head, body) = answer
            .map(Response::into_parts)
            .map_err(|error| failed(target, error))?;
        let body = body
            .collect()
            .await
            .map_err(|error| failed(target, error))?;
        let body = body.to_bytes();
        if !head.status.is_success() {
            let text = String::from_utf8_lossy(&body);
            return Err(failed(target, format_args!("{} {text}", head.status)));
        }
        serde_json::from_slice(&body).map_err(|error| failed(target, error))
    }
}

fn failed(call: &str, problem: impl std::fmt::Display) -> AdminError {
    AdminError {
        call: call.to_owned(),
        problem: problem.to_string(),
    }
}
