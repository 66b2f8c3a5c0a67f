//! What `POST /v1/allocations` is asked.

use std::collections::HashSet;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Fault, FaultCode, Gender, Id, Label, ReportedDevice, validation::rule};

/// At most this many placements in one request.
pub const MOST_PLACEMENTS: usize = 20;
/// At most this many slots in one placement.
pub const MOST_SLOTS: u8 = 20;

/// The body of `POST /v1/allocations`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[garde(custom(each_placement_once))]
#[schemars(rename = "AllocationRequest")]
pub struct Request {
    /// Where something is to be shown, each place once.
    #[garde(length(min = 1, max = MOST_PLACEMENTS), dive)]
    pub placements: Vec<PlacementRequest>,
    /// The device.
    #[garde(dive)]
    pub device: ReportedDevice,
    /// What the app knows of its user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub user: Option<User>,
    /// The user's interests, besides those of the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 100))]
    pub interests: Option<Vec<Label>>,
    /// What the screen is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 100))]
    pub keywords: Option<Vec<Label>>,
    /// What not to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub exclude: Option<Exclude>,
    /// Whether the user consented to be shown what depends on who they are; absent is no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<bool>,
}

/// A place on a screen and how much it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct PlacementRequest {
    /// The placement.
    pub id: Id,
    /// How many slots it has, 1 to 20.
    #[garde(range(min = 1, max = MOST_SLOTS))]
    pub count: u8,
    /// The types of creatives it can show; absent is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(min = 1, max = 20))]
    pub types: Option<Vec<Label>>,
}

/// A user, as the app describes them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[schemars(rename = "AllocationUser")]
pub struct User {
    /// The year of birth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1900, max = 2100))]
    pub birth_year: Option<u16>,
    /// The gender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<Gender>,
}

/// What not to show.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[schemars(rename = "AllocationExclude")]
pub struct Exclude {
    /// None of these campaigns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 200))]
    pub campaigns: Option<Vec<Id>>,
    /// Nothing from these advertisers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 200))]
    pub advertisers: Option<Vec<Label>>,
    /// Nothing about these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 200))]
    pub categories: Option<Vec<Label>>,
}

fn each_placement_once(request: &Request, _: &()) -> garde::Result {
    let mut seen = HashSet::new();
    let mut faults = Vec::new();
    for (at, placement) in request.placements.iter().enumerate() {
        if !seen.insert(&placement.id) {
            let at = format!("/placements/{at}/id");
            faults.push(Fault::new(
                at,
                FaultCode::Duplicate,
                "is there more than once",
            ));
        }
    }
    rule(faults)
}
