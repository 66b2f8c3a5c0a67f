//! What an operator does: writes campaigns and publishes them.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Method, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::client::Client;

/// What one import may carry.
const IMPORT_BYTES: usize = 256 * 1024;

/// How long a publication may take.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(30);

/// How many faults are repeated before the rest is only counted.
const MOST_FAULTS: usize = 5;

impl Client {
    /// The ids of all campaigns that were written here, published or not.
    pub(crate) async fn campaign_ids(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            items: Vec<Named>,
            next_cursor: Option<String>,
        }
        #[derive(Deserialize)]
        struct Named {
            id: String,
        }
        let mut ids = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let after = cursor
                .map(|cursor| format!("&cursor={cursor}"))
                .unwrap_or_default();
            let path = format!("/admin/v1/content/campaigns/items?limit=100{after}");
            let page: Page = self.json(self.admin(Method::GET, &path)).await?;
            ids.extend(page.items.into_iter().map(|item| item.id));
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(ids),
            }
        }
    }

    /// Writes campaigns, each with its `id`, in as many calls as their size asks for.
    pub(crate) async fn import(&self, campaigns: &[Value]) -> Result<()> {
        for body in batches(campaigns, IMPORT_BYTES) {
            let request = self
                .admin(Method::POST, "/admin/v1/content/campaigns/import")
                .header(header::CONTENT_TYPE, "application/x-ndjson")
                .body(body);
            let Imported { results } = self.json(request).await?;
            let faults: Vec<_> = results.iter().filter_map(ImportedLine::fault).collect();
            ensure!(faults.is_empty(), "{}", faults.join("; "));
        }
        Ok(())
    }

    /// Publishes all campaigns and waits until they are live; the version's number.
    pub(crate) async fn publish(&self, note: &str) -> Result<u64> {
        #[derive(Deserialize)]
        struct Accepted {
            publication_id: String,
        }
        #[derive(Deserialize)]
        struct Publication {
            state: String,
            version: Option<u64>,
            #[serde(default)]
            faults: Vec<Value>,
        }
        let request = self
            .admin(Method::POST, "/admin/v1/content/campaigns/publish")
            .json(&json!({ "note": note }));
        let Accepted { publication_id } = self.json(request).await?;
        let path = format!("/admin/v1/content/campaigns/publications/{publication_id}");
        let deadline = Instant::now() + PUBLISHED_WITHIN;
        loop {
            let publication: Publication = self.json(self.admin(Method::GET, &path)).await?;
            match publication.state.as_str() {
                "live" => {
                    return publication
                        .version
                        .context("the live publication has no version");
                }
                "failed" => bail!("the publication failed: {}", listed(&publication.faults)),
                state => ensure!(
                    Instant::now() < deadline,
                    "the publication is still {state} after {PUBLISHED_WITHIN:?}"
                ),
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

#[derive(Deserialize)]
struct Imported {
    results: Vec<ImportedLine>,
}

#[derive(Deserialize)]
struct ImportedLine {
    line: u64,
    id: Option<String>,
    code: Option<String>,
    #[serde(default)]
    errors: Vec<Value>,
}

impl ImportedLine {
    /// Why the line was not written; `None` where it was.
    fn fault(&self) -> Option<String> {
        let code = self.code.as_deref()?;
        let name = self
            .id
            .clone()
            .unwrap_or_else(|| format!("line {}", self.line));
        Some(format!("{name}: {code} {}", listed(&self.errors)))
    }
}

/// The documents as NDJSON bodies of at most `limit` bytes each.
fn batches(documents: &[Value], limit: usize) -> Vec<String> {
    let mut bodies: Vec<String> = Vec::new();
    for document in documents {
        let line = format!("{document}\n");
        match bodies.last_mut() {
            Some(body) if body.len() + line.len() <= limit => body.push_str(&line),
            _ => bodies.push(line),
        }
    }
    bodies
}

fn listed(faults: &[Value]) -> String {
    let shown: Vec<_> = faults
        .iter()
        .take(MOST_FAULTS)
        .map(Value::to_string)
        .collect();
    let more = match faults.len().saturating_sub(MOST_FAULTS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_packed_up_to_the_limit_and_none_is_lost() {
        let documents: Vec<Value> = (0..5).map(|number| json!({ "id": number })).collect();
        // A line is nine bytes.
        let bodies = batches(&documents, 20);
        assert_eq!(
            bodies.iter().map(String::len).collect::<Vec<_>>(),
            [18, 18, 9]
        );
        assert_eq!(bodies.concat().lines().count(), 5);
    }

    #[test]
    fn long_lists_of_faults_are_cut() {
        let faults = vec![json!(1); 7];
        assert_eq!(listed(&faults), "1, 1, 1, 1, 1 and 2 more");
    }
}
