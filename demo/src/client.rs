//! The calls that an app, an operator and a schedule would make.

use std::{collections::BTreeMap, fmt::Display, ops::Sub, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use jiff::civil::Date;
use local::Description;
use reqwest::{Method, RequestBuilder, Response, StatusCode, redirect};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::sleep;

/// How long a request waits that the gateway had no room for.
const THROTTLED_PAUSE: Duration = Duration::from_millis(20);

/// Speaks to one stack.
pub(crate) struct Client {
    http: reqwest::Client,
    base_url: String,
    service_key: String,
    roll_up_url: String,
}

/// The answer to an allocation, as far as the demo needs it.
#[derive(Debug, Deserialize)]
pub(crate) struct Allocation {
    pub(crate) items: Vec<AllocatedItem>,
}

/// What was given for a slot.
#[derive(Debug, Deserialize)]
pub(crate) struct AllocatedItem {
    pub(crate) campaign_id: String,
    pub(crate) creative_id: String,
    pub(crate) assets: Assets,
    pub(crate) impression_url: String,
    pub(crate) click_url: String,
}

/// What the demo writes into its creatives; nothing of it in those of others.
#[derive(Debug, Deserialize)]
pub(crate) struct Assets {
    pub(crate) run: Option<String>,
}

/// What a report counts of a campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) impressions: u64,
    pub(crate) clicks: u64,
}

impl Sub for Counts {
    type Output = Self;

    /// Totals never shrink while a run goes on; if they did, the difference would show it as zero.
    fn sub(self, before: Self) -> Self {
        Self {
            impressions: self.impressions.saturating_sub(before.impressions),
            clicks: self.clicks.saturating_sub(before.clicks),
        }
    }
}

/// A campaign in a report, as far as the demo needs it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ReportRow {
    pub(crate) campaign: String,
    pub(crate) impressions: u64,
    pub(crate) clicks: u64,
    pub(crate) spend_micros: u64,
    pub(crate) over_cap: u64,
}

/// What came of an impression that was sent with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MarkStatus {
    Accepted,
    Repeated,
    OverCap,
    Flagged,
    Expired,
    Invalid,
    Failed,
}

/// A client for loopback: no proxy, and a redirect is an answer.
pub(crate) fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .build()?)
}

impl Client {
    pub(crate) fn new(stack: &Description) -> Result<Self> {
        let roll_up = stack
            .functions
            .get("roll-up")
            .context("the stack has no roll-up worker")?;
        Ok(Self {
            http: http()?,
            base_url: stack.base_url.clone(),
            service_key: stack.service_key.clone(),
            roll_up_url: format!(
                "{}/2015-03-31/functions/{roll_up}/invocations",
                stack.lambda_endpoint
            ),
        })
    }

    /// Stores what is known of a device's user.
    pub(crate) async fn put_profile(&self, device: &str, profile: &Value) -> Result<()> {
        let path = format!("/v1/devices/{device}/profile");
        self.send(self.admin(Method::PUT, &path).json(profile))
            .await?;
        Ok(())
    }

    /// Asks what to show.
    pub(crate) async fn allocate(&self, request: &Value) -> Result<Allocation> {
        let url = format!("{}/v1/allocations", self.base_url);
        self.json(self.http.post(url).json(request)).await
    }

    /// Says that something happened to what was shown, by the URL that came with it.
    pub(crate) async fn track(&self, url: &str) -> Result<()> {
        let answer = self.send(self.http.get(url)).await?;
        ensure!(
            answer.status() == StatusCode::NO_CONTENT,
            "{url} answered {}",
            answer.status()
        );
        Ok(())
    }

    /// Says that these tokens were seen; what came of each.
    pub(crate) async fn impressions(&self, tokens: &[&str]) -> Result<Vec<MarkStatus>> {
        #[derive(Deserialize)]
        struct Results {
            results: Vec<Mark>,
        }
        #[derive(Deserialize)]
        struct Mark {
            status: MarkStatus,
        }
        let url = format!("{}/v1/t/batch", self.base_url);
        let body = json!({ "kind": "impression", "tokens": tokens });
        let Results { results } = self.json(self.http.post(url).json(&body)).await?;
        Ok(results.into_iter().map(|mark| mark.status).collect())
    }

    /// Sets the totals from the marks, as the schedule does every minute.
    pub(crate) async fn roll_up(&self) -> Result<()> {
        let answer = self
            .send(self.http.post(&self.roll_up_url).body("{}"))
            .await?;
        let failed = answer.headers().contains_key("x-amz-function-error");
        let body = answer.text().await?;
        ensure!(!failed, "the roll-up failed: {body}");
        Ok(())
    }

    /// What is counted per campaign from the first day to the last, both included.
    pub(crate) async fn report(&self, from: Date, to: Date) -> Result<BTreeMap<String, Counts>> {
        let rows = self.campaign_rows(from, to).await?.into_iter();
        Ok(rows
            .map(|row| {
                let counts = Counts {
                    impressions: row.impressions,
                    clicks: row.clicks,
                };
                (row.campaign, counts)
            })
            .collect())
    }

    /// The rows of that report.
    pub(crate) async fn campaign_rows(
        &self,
        from: impl Display,
        to: impl Display,
    ) -> Result<Vec<ReportRow>> {
        #[derive(Deserialize)]
        struct Report {
            rows: Vec<ReportRow>,
        }
        let path = format!("/admin/v1/reports/campaigns?from={from}&to={to}&group=campaign");
        let Report { rows } = self.json(self.admin(Method::GET, &path)).await?;
        Ok(rows)
    }

    pub(crate) fn admin(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base_url);
        self.http
            .request(method, url)
            .bearer_auth(&self.service_key)
    }

    pub(crate) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let answer = self.send(request).await?;
        let url = answer.url().clone();
        answer
            .json()
            .await
            .with_context(|| format!("the answer of {url}"))
    }

    /// An answer that is no success is an error that says what was answered.
    async fn send(&self, mut request: RequestBuilder) -> Result<Response> {
        let answer = loop {
            let again = request.try_clone();
            let answer = request.send().await?;
            match again {
                // A stack that ran before has the gateway's limits: nothing of this request was done.
                Some(again) if answer.status() == StatusCode::TOO_MANY_REQUESTS => request = again,
                _ => break answer,
            }
            sleep(THROTTLED_PAUSE).await;
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let url = answer.url().clone();
        let body: String = answer.text().await?.chars().take(500).collect();
        bail!("{url} answered {status}: {body}")
    }
}
