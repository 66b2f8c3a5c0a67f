//! What is stored of a device for targeting: the profile that its app puts, and the segments and
//! attributes that the app's own systems put.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Country, DeviceId, Fault, FaultCode, Gender, Instant, Label, reported, targeting::Attributes,
    validation::rule,
};

/// The most bytes that a profile may have as JSON. Every allocation reads it.
const LARGEST_PROFILE: usize = 32 * 1024;

/// The most bytes that segments and server attributes may have together as JSON.
const LARGEST_SEGMENTS: usize = 16 * 1024;

/// The body of `PUT /v1/devices/{id}/profile`; at most 32 KB as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[garde(custom(is_small::<LARGEST_PROFILE, _>))]
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
    /// The segments that the app's own systems put the user in. Only a service key sets them: they are
    /// stored with those of `/v1/devices/{id}/segments`. What a member sends here is stored and
    /// returned to that member, and targeting ignores it.
    #[serde(default)]
    #[garde(length(max = 200))]
    pub segments: Vec<Label>,
    /// Anything else.
    #[serde(default)]
    pub attributes: Attributes,
}

/// The body of `POST /v1/profiles`: a profile and the device that it is of; at most 32 KB as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[garde(custom(is_small::<LARGEST_PROFILE, _>))]
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
    /// The segments that the app's own systems put the user in. Only a service key sets them: they are
    /// stored with those of `/v1/devices/{id}/segments`. What a member sends here is stored and
    /// returned to that member, and targeting ignores it.
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

/// The body of `PUT /v1/devices/{id}/segments`: what the app's own systems know of the device's user; at
/// most 16 KB as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[garde(custom(is_small::<LARGEST_SEGMENTS, _>))]
pub struct DeviceSegments {
    /// The segments that the user is in: the targeting field `segments`.
    #[serde(default)]
    #[garde(length(max = 200))]
    pub segments: Vec<Label>,
    /// Attributes for the targeting fields `attributes.<name>`. They win over attributes of the same
    /// name in the profile.
    #[serde(default)]
    pub server_attributes: Attributes,
}

/// The response of `GET /v1/devices/{id}/segments`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StoredDeviceSegments {
    /// What was put.
    #[serde(flatten)]
    pub segments: DeviceSegments,
    /// Time of the last put.
    pub updated_at: Instant,
}

/// What targeting reads of a device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceTargeting {
    /// The profile that the device's present owner put.
    pub profile: Option<Profile>,
    /// What the app's own systems put.
    pub segments: Option<DeviceSegments>,
}

/// Refuses a document of more than `MOST` bytes of JSON, whatever its parts are.
fn is_small<const MOST: usize, T: Serialize>(document: &T, _: &()) -> garde::Result {
    let size = serde_json::to_vec(document).map_or(usize::MAX, |json| json.len());
    let fault = || {
        let message = format!("has more than {} KB as JSON", MOST / 1024);
        Fault::new("", FaultCode::TooLong, message)
    };
    rule((size > MOST).then(fault).into_iter().collect())
}
