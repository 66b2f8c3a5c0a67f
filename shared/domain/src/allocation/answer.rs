//! What `POST /v1/allocations` answers.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Explanation;
use crate::{Id, Instant, Label, RandomId};

/// The body of the answer.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Allocation")]
pub struct Answer<'a> {
    /// This allocation, for whoever asks about it later.
    pub request_id: RandomId,
    /// How long the items may be shown, in seconds.
    pub ttl_s: u32,
    /// What goes where; a slot for which nothing was left is not there.
    pub items: Vec<Item<'a>>,
    /// Whether only house items, or nothing, could be given.
    pub fallback: bool,
    /// Why it came out so; for operators who asked with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explanation>,
}

/// A creative in a slot.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AllocationItem")]
pub struct Item<'a> {
    /// The placement.
    pub placement: &'a Id,
    /// The slot within the placement, counted from 0.
    pub slot: u8,
    /// The creative's type.
    pub r#type: &'a Label,
    /// The campaign.
    #[schemars(with = "Id")]
    pub campaign_id: &'a str,
    /// The creative.
    #[schemars(with = "Id")]
    pub creative_id: &'a str,
    /// What the app needs to show it, as its author wrote it.
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")]
    pub assets: &'a RawValue,
    /// To be called when it was seen.
    pub impression_url: String,
    /// Where a click goes: it is counted and led on.
    pub click_url: String,
    /// When the two URLs stop counting.
    pub expires_at: Instant,
}
