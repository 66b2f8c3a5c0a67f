//! What an app reports about the device that it runs on, in the bodies of sign-in, guest sign-in and
//! allocations alike: an app has one description of its device and sends it to every route.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Country, DeviceId, DeviceKey, Locale, Platform, Store, reported};

/// A device, as the app on it reports it. A value that cannot be read counts as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct ReportedDevice {
    /// The id that the app gave the device: 16 to 128 of A-Z, a-z, 0-9, `.`, `_`, `:` and `-`. Any other
    /// text, and an id that many devices share (`unknown`, an id of zeros), counts as absent: a session is
    /// then bound to no device, and an allocation knows nothing of the device and counts no cap.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub id: Option<DeviceId>,
    /// The platform that the app runs on: `ios`, `android` or `web`, in any case. Where it is absent,
    /// an allocation uses that of `X-App-Platform` or of the store.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub platform: Option<Platform>,
    /// The store that the app was installed from: `app_store`, `google_play`, `onestore`,
    /// `galaxy_store` or `web`, in any case.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub store: Option<Store>,
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
    /// The operating system's version, which begins with a number.
    #[serde(
        default,
        deserialize_with = "reported::version_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// The model, as it names itself. Control and formatting characters are removed, and what follows
    /// the first 128 characters is cut off.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    pub model: Option<String>,
    /// The mobile carrier, cleaned like the model. A session does not store it.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    pub carrier: Option<String>,
    /// The language that the user reads as a tag in any spelling (`ko-KR`, `zh_TW_#Hant`), or a list of
    /// which the most preferred counts.
    #[serde(
        default,
        deserialize_with = "reported::language",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub locale: Option<Locale>,
    /// The time zone by its IANA name, such as `Asia/Seoul`. A session does not store it.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    pub tz: Option<String>,
    /// The country that the device is in: ISO 3166-1 alpha-2 or `XK`, in any case. A session does not
    /// store it.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub country: Option<Country>,
    /// Whether the owner limits ad tracking; if so, `consent` of an allocation does not count. A session
    /// does not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lmt: Option<bool>,
}

impl ReportedDevice {
    /// Returns the key of the device, if it has an id of its own.
    pub fn key(&self) -> Option<DeviceKey> {
        self.id.as_ref().map(DeviceKey::of)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_description_with_every_member_is_read() {
        let sent = json!({
            "id": "{1c9d3b44-0f0e-4f0b-8d0e-8f6c2f6f3a11}", "platform": "Android", "store": "ONESTORE",
            "app_version": "v3.2 (77)", "build": 77, "os_version": "Vanilla", "model": "SM\u{202e}-F956N",
            "carrier": "LG\nU+", "locale": "ko_KOR", "tz": " Asia/Seoul ", "country": "kr", "lmt": true,
        });
        let device: ReportedDevice = serde_json::from_value(sent).unwrap();
        assert_eq!(device.key(), None);
        assert_eq!(
            serde_json::to_value(device).unwrap(),
            json!({
                "platform": "android", "store": "onestore", "app_version": "v3.2 (77)", "build": 77,
                "model": "SM-F956N", "carrier": "LG U+", "locale": "ko-KR", "tz": "Asia/Seoul",
                "country": "KR", "lmt": true,
            })
        );
    }
}
