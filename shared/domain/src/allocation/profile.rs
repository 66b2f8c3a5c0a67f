//! What is kept of a device's user, for targeting to read.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Country, DeviceId, Gender, Instant, Label, reported, targeting::Attributes};

/// The body of `PUT /v1/devices/{id}/profile`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Profile {
    /// The country where the user is at home: ISO 3166-1 alpha-2 or `XK`, in any case. One that cannot be
    /// read counts as absent.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub country: Option<Country>,
    /// The year of birth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1900, max = 2100))]
    pub birth_year: Option<u16>,
    /// The gender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<Gender>,
    /// The interests.
    #[serde(default)]
    #[garde(length(max = 100))]
    pub interests: Vec<Label>,
    /// The segments that the app's own systems put the user in.
    #[serde(default)]
    #[garde(length(max = 200))]
    pub segments: Vec<Label>,
    /// Anything else.
    #[serde(default)]
    pub attributes: Attributes,
}

/// The body of `POST /v1/profiles`: a profile and whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct NewProfile {
    /// The device.
    pub device_id: DeviceId,
    /// The country where the user is at home: ISO 3166-1 alpha-2 or `XK`, in any case. One that cannot be
    /// read counts as absent.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub country: Option<Country>,
    /// The year of birth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1900, max = 2100))]
    pub birth_year: Option<u16>,
    /// The gender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<Gender>,
    /// The interests.
    #[serde(default)]
    #[garde(length(max = 100))]
    pub interests: Vec<Label>,
    /// The segments that the app's own systems put the user in.
    #[serde(default)]
    #[garde(length(max = 200))]
    pub segments: Vec<Label>,
    /// Anything else.
    #[serde(default)]
    pub attributes: Attributes,
}

impl NewProfile {
    /// The device, and its profile.
    pub fn into_parts(self) -> (DeviceId, Profile) {
        let Self {
            device_id,
            country,
            birth_year,
            gender,
            interests,
            segments,
            attributes,
        } = self;
        let profile = Profile {
            country,
            birth_year,
            gender,
            interests,
            segments,
            attributes,
        };
        (device_id, profile)
    }
}

/// The answer of `GET /v1/devices/{id}/profile`: what was put, and when.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StoredProfile {
    /// What was put.
    #[serde(flatten)]
    pub profile: Profile,
    /// When it was put.
    pub updated_at: Instant,
}
