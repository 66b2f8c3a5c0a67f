//! What `POST /v1/allocations` is asked.

use std::collections::HashSet;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Country, DeviceId, Fault, FaultCode, Gender, Id, Label, Locale, Platform, reported,
    validation::rule,
};

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
    pub device: Device,
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

/// A device, as it describes itself. A value that cannot be read counts as absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[schemars(rename = "AllocationDevice")]
pub struct Device {
    /// The device's id, of at least 16 characters. One that many devices share (`unknown`, an id of
    /// zeros) counts as absent: nothing is then known of the device, and no cap counts.
    #[serde(
        default,
        deserialize_with = "reported::device_id",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(schema_with = "reported::device_id_schema")]
    pub id: Option<DeviceId>,
    /// The platform that the app runs on: `ios`, `android` or `web`, in any case. Where it is absent,
    /// that of `X-App-Platform` or of the store counts.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub platform: Option<Platform>,
    /// The operating system's version, which begins with a number.
    #[serde(
        default,
        deserialize_with = "reported::version_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// The app's version, which begins with a number: `1.10`, `v2.0.0-beta.1`, `5.1.0 (2041)`.
    #[serde(
        default,
        deserialize_with = "reported::version_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub app_version: Option<String>,
    /// The app's build number, a whole number from 0.
    #[serde(
        default,
        deserialize_with = "reported::build_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub build: Option<u64>,
    /// The model, as it names itself; at most 128 characters.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    pub model: Option<String>,
    /// The mobile carrier, as the device names it; at most 128 characters.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    pub carrier: Option<String>,
    /// The user's language as a tag in any spelling (`ko-KR`, `zh_TW_#Hant`), or a list of which the most
    /// preferred counts.
    #[serde(
        default,
        deserialize_with = "reported::language",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub locale: Option<Locale>,
    /// The device's time zone by its IANA name, such as `Asia/Seoul`.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    pub tz: Option<String>,
    /// The country that the device is in: ISO 3166-1 alpha-2 or `XK`, in any case.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub country: Option<Country>,
    /// Whether its owner limits ad tracking; if so, `consent` does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lmt: Option<bool>,
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
