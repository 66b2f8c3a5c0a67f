//! `SEED=1`: a small app to try things on. Its content lies in `local/demo-app`, a file per kind, and is
//! written and published as an operator would do it, through the HTTP API.

mod admin;
mod times;

use std::{collections::BTreeMap, fmt};

use domain::Instant;
use serde_json::Value;

use crate::Description;
use admin::Admin;
pub use admin::AdminError;

/// The kinds, and their items as lines of JSON with relative times (see [`times`]).
const CONTENT: [(&str, &str); 7] = [
    (
        "app_versions",
        include_str!("../../demo-app/app_versions.ndjson"),
    ),
    (
        "maintenance",
        include_str!("../../demo-app/maintenance.ndjson"),
    ),
    ("testers", include_str!("../../demo-app/testers.ndjson")),
    ("banners", include_str!("../../demo-app/banners.ndjson")),
    ("notices", include_str!("../../demo-app/notices.ndjson")),
    ("config", include_str!("../../demo-app/config.ndjson")),
    ("campaigns", include_str!("../../demo-app/campaigns.ndjson")),
];

/// What to ask the seeded stack: what for, and how.
const TOUR: [(&str, &str); 5] = [
    (
        "what an app asks for at its start",
        "'BASE/v1/launch?platform=ios&store=app_store&version=2.1.0&locale=ko-KR&country=KR'",
    ),
    (
        "banners of one place",
        "'BASE/v1/banners?placement=home_top&platform=android&version=2.4.1&locale=en'",
    ),
    (
        "notices, for who still has version 1",
        "'BASE/v1/notices?platform=android&version=1.9.0&locale=ko-KR&limit=5'",
    ),
    (
        "the app's settings, for one device",
        "'BASE/v1/config?platform=ios&version=2.4.0&country=KR' -H 'x-device-id: my-phone-example-01'",
    ),
    (
        "what to show on a lock screen",
        r#"BASE/v1/allocations -H 'content-type: application/json' -d '{"placements":[{"id":"lock_screen","count":2}],"device":{"id":"my-phone-example-01","platform":"android","locale":"ko-KR","country":"KR"},"consent":true}'"#,
    ),
];

/// Why the app could not be written.
#[derive(Debug, thiserror::Error)]
pub enum DemoAppError {
    /// A line is no item.
    #[error("demo-app/{kind}.ndjson: {problem}")]
    Line {
        /// The kind.
        kind: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The stack refused it.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

/// The calls to try on the seeded stack: what for, and what follows `curl -s`.
pub(crate) fn tour(base_url: &str) -> impl Iterator<Item = (&'static str, String)> {
    TOUR.into_iter()
        .map(move |(question, call)| (question, call.replace("BASE", base_url)))
}

/// What was written at this start.
#[derive(Debug)]
pub struct Seeded {
    base_url: String,
    /// How many items of each kind are new.
    pub added: Vec<(&'static str, usize)>,
}

/// Writes the items that are not there and publishes their kinds. Items that are there stay as they
/// are, whoever wrote them.
///
/// # Errors
/// The stack does not answer, or refuses an item.
pub async fn seed(stack: &Description, now: Instant) -> Result<Seeded, DemoAppError> {
    let admin = Admin::new(stack);
    let mut added = Vec::new();
    for (kind, lines) in CONTENT {
        let items = items(kind, lines, now)?;
        let there = admin.states(kind).await?;
        let missing: Vec<&Value> = items
            .iter()
            .filter(|(id, _)| !there.contains_key::<str>(id))
            .map(|(_, item)| item)
            .collect();
        if !missing.is_empty() {
            admin.import(kind, &missing).await?;
        }
        // A start that was stopped in the middle may have left drafts.
        let is_draft = |id: &&str| there.get(*id).is_some_and(|state| state == "draft");
        if !missing.is_empty() || items.keys().any(is_draft) {
            admin.publish(kind, "the demo app").await?;
        }
        added.push((kind, missing.len()));
    }
    Ok(Seeded {
        base_url: stack.base_url.clone(),
        added,
    })
}

/// The items of a kind by their ids, with their times.
fn items<'a>(
    kind: &'static str,
    lines: &'a str,
    now: Instant,
) -> Result<BTreeMap<&'a str, Value>, DemoAppError> {
    #[derive(serde::Deserialize)]
    struct Named<'a> {
        id: &'a str,
    }
    lines
        .lines()
        .map(|line| {
            let Named { id } = serde_json::from_str(line).map_err(|error| error.to_string())?;
            let mut item = serde_json::from_str(line).map_err(|error| error.to_string())?;
            times::resolve(&mut item, now)?;
            Ok((id, item))
        })
        .collect::<Result<_, String>>()
        .map_err(|problem| DemoAppError::Line { kind, problem })
}

impl fmt::Display for Seeded {
    /// What is new, and what to ask now.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let added: Vec<String> = self
            .added
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        match added.as_slice() {
            [] => write!(f, "the demo app was there already")?,
            added => write!(f, "the demo app is live: {}", added.join(", "))?,
        }
        for (question, call) in tour(&self.base_url) {
            write!(f, "\n  {question}\n    curl -s {call}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_an_item_of_its_own() {
        for (kind, lines) in CONTENT {
            let items = items(kind, lines, Instant::from_seconds(1_800_000_000)).unwrap();
            assert_eq!(items.len(), lines.lines().count(), "{kind}");
            let kind = kind.parse().unwrap();
            for (id, item) in items {
                let mut body = item.clone();
                body.as_object_mut().unwrap().remove("id");
                let checked = domain::content::check_item(kind, body.to_string().as_bytes());
                assert!(checked.is_ok(), "{id}: {checked:?}");
            }
        }
    }
}
