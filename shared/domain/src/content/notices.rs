//! Notices: what there is to be told to users, for them to read when they like.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    artefact::Entry,
    limit::{Limit, size_bytes},
    schedule,
    set::Item,
};
use crate::{
    Fault, Id, Instant, Label, Link, Localized, TimeZoneName, targeting::Targeting,
    validation::rule,
};

/// The title of a notice.
pub type Title = Localized<300>;

/// What a notice says, in Markdown. It is data: whoever shows it takes care of what is in it.
pub type Body = Localized<20_000>;

/// A notice, there while `starts_at` ≤ now < `ends_at`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[garde(custom(coherent))]
#[schemars(rename = "NoticeItem")]
pub struct Notice {
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Label>,
    /// Whether it stands before all that are not.
    pub pinned: bool,
    /// Greater goes first.
    pub priority: i32,
    /// The first moment.
    pub starts_at: Instant,
    /// The first moment after; without it, it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Instant>,
    /// The zone the author thinks in: that of times written without an offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZoneName>,
    /// What lists show; at most 300 characters.
    pub title: Title,
    /// What it says, in Markdown; at most 20,000 characters.
    pub body: Body,
    /// Where there is more to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// Who should see it; without it, everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub targeting: Option<Targeting>,
}

/// How many notices there may be.
const MOST_NOTICES: usize = 1000;

/// How many bytes the artefact may have: every reader holds all of it.
const LARGEST: usize = 4 * 1024 * 1024;

fn coherent(notice: &Notice, _: &()) -> garde::Result {
    let fault = schedule::fault(notice.starts_at, notice.ends_at);
    rule(fault.into_iter().collect())
}

impl Item for Notice {
    const TIMES: &'static [&'static str] = &["starts_at", "ends_at"];
    const RESERVED_IDS: &'static [&'static str] = &["unread-count"];

    fn links(&self) -> Vec<(String, &str)> {
        let link = self.link.iter();
        link.map(|link| ("/link".to_owned(), link.as_str()))
            .collect()
    }

    fn faults_between(items: &[Entry<Self>]) -> Vec<(&Id, Fault)> {
        let mut faults = Vec::new();
        let mut notices = Limit::new(
            "",
            MOST_NOTICES,
            "is beyond the 1,000 notices that there may be",
        );
        let mut bytes = Limit::new(
            "",
            LARGEST,
            "goes beyond the 4,194,304 bytes that the compiled set may have",
        );
        for Entry { id, item } in items {
            let beyond = [notices.add(1), bytes.add(size_bytes(id, item))];
            faults.extend(beyond.into_iter().flatten().map(|fault| (id, fault)));
        }
        faults
    }
}
