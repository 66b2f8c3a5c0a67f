//! A session: one device of one member, for as long as it is used.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MemberId, SessionId};
use crate::{DeviceKey, Instant, Locale, Platform, ReportedDevice, Store, reported};

/// What is stored of the device of a session, and shown to its member and to operators: no id, nothing
/// that changes from hour to hour, and nothing that only allocations use. A stored value that this
/// version cannot read counts as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceInfo {
    /// The operating system, or `web`.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    pub platform: Option<Platform>,
    /// The store that the app was installed from.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    pub store: Option<Store>,
    /// The app's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// The app's build number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<u64>,
    /// The operating system's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The language that its user reads.
    #[serde(
        default,
        deserialize_with = "reported::language",
        skip_serializing_if = "Option::is_none"
    )]
    pub locale: Option<Locale>,
}

impl From<ReportedDevice> for DeviceInfo {
    fn from(device: ReportedDevice) -> Self {
        Self {
            platform: device.platform,
            store: device.store,
            app_version: device.app_version,
            build: device.build,
            os_version: device.os_version,
            model: device.model,
            locale: device.locale,
        }
    }
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTerms {
    /// How long after its successor was used a refresh token is still answered with the current pair:
    /// of several requests that an app sends at once, some arrive late.
    pub grace: Duration,
    /// Unused for so long, a session ends.
    pub idle: Duration,
    /// After so long it ends, however much it is used.
    pub lifetime: Duration,
}

/// A session as it is kept. The counter is all that tells its live refresh token from those before
/// it, so nothing secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub member: MemberId,
    /// The key of the device that it is bound to, if it is bound to one; the id is not stored.
    pub device_key: Option<DeviceKey>,
    /// What the app reported about that device.
    pub device: DeviceInfo,
    /// The counter of the live refresh token.
    pub counter: u64,
    /// When it was signed in to.
    pub created_at: Instant,
    /// When its member last proved who they are: at the sign-in, or by a provider's proof since.
    pub authenticated_at: Instant,
    /// When the live refresh token was given out first.
    pub rotated_at: Instant,
}

/// What becomes of a refresh token that is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// It is the live one: the next takes its place.
    Live,
    /// It was replaced, but its successor was not used, or only just now: the app did not receive the
    /// response. The live pair is the response again.
    Retried,
    /// It was replaced, and its successor was used since: it is a copy, and the session ends.
    Reused,
    /// The session was over by itself already.
    Ended,
    /// No token of this counter was given out yet: the tables were set back to a former state.
    Unheard,
}

impl Session {
    /// What to make of an authentic token with this `counter`, presented at `now`.
    pub fn present(&self, counter: u64, now: Instant, terms: &SessionTerms) -> Presented {
        if now >= self.ends_at(terms) {
            return Presented::Ended;
        }
        // The live token is not used yet: its use is what makes the next one live.
        match self.counter.checked_sub(counter) {
            None => Presented::Unheard,
            Some(0) => Presented::Live,
            Some(1) => Presented::Retried,
            Some(2) if now < self.rotated_at + terms.grace => Presented::Retried,
            Some(_) => Presented::Reused,
        }
    }

    /// Whether its member proved who they are within the last `window`.
    pub fn is_recent(&self, now: Instant, window: Duration) -> bool {
        now <= self.authenticated_at + window
    }

    /// When it is over, if it is not used again before.
    pub fn ends_at(&self, terms: &SessionTerms) -> Instant {
        let idle = self.rotated_at + terms.idle;
        idle.min(self.created_at + terms.lifetime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RandomId;

    const TERMS: SessionTerms = SessionTerms {
        grace: Duration::from_secs(60),
        idle: Duration::from_secs(90 * 86_400),
        lifetime: Duration::from_secs(365 * 86_400),
    };

    fn session(counter: u64, rotated_at: i64) -> Session {
        Session {
            id: RandomId::from_bytes([1; 16]),
            member: RandomId::from_bytes([2; 16]),
            device_key: Some(DeviceKey::from_bytes([3; 16])),
            device: DeviceInfo::default(),
            counter,
            created_at: Instant::from_seconds(0),
            authenticated_at: Instant::from_seconds(0),
            rotated_at: Instant::from_seconds(rotated_at),
        }
    }

    #[test]
    fn a_token_is_a_retry_until_its_successor_is_used_and_for_the_grace_after() {
        let session = session(7, 1_000);
        for (counter, at, presented) in [
            (7, 1_000, Presented::Live),
            (7, 5_000, Presented::Live),
            (6, 1_000, Presented::Retried),
            (6, 1_060, Presented::Retried),
            (6, 80 * 86_400, Presented::Retried),
            (5, 1_000, Presented::Retried),
            (5, 1_059, Presented::Retried),
            (5, 1_060, Presented::Reused),
            (4, 1_001, Presented::Reused),
            (0, 1_001, Presented::Reused),
            (8, 1_001, Presented::Unheard),
            (u64::MAX, 1_001, Presented::Unheard),
        ] {
            let now = Instant::from_seconds(at);
            assert_eq!(
                session.present(counter, now, &TERMS),
                presented,
                "{counter} at {at}"
            );
        }
    }

    #[test]
    fn a_sign_in_is_recent_for_its_window() {
        let session = session(1, 0);
        let window = Duration::from_secs(600);
        for (at, recent) in [(0, true), (600, true), (601, false)] {
            let now = Instant::from_seconds(at);
            assert_eq!(session.is_recent(now, window), recent, "at {at}");
        }
    }

    #[test]
    fn the_texts_of_a_device_are_cleaned_and_never_refused() {
        let device = |texts: serde_json::Value| -> ReportedDevice {
            let mut device = serde_json::json!({"platform": "ios"});
            let all = device.as_object_mut().unwrap();
            all.extend(texts.as_object().unwrap().clone());
            serde_json::from_value(device).unwrap()
        };
        let long = &"x".repeat(5_000);
        let cleaned = device(serde_json::json!({
            "model": "SM-\u{202e}S928N\r\nlevel=error\u{0}", "os_version": " ", "app_version": long,
        }));
        assert_eq!(cleaned.model.as_deref(), Some("SM-S928N level=error"));
        assert_eq!((cleaned.os_version, cleaned.app_version), (None, None));
        let cut = device(serde_json::json!({ "model": long }));
        assert_eq!(cut.model.map(|text| text.len()), Some(128));
        assert_eq!(device(serde_json::json!({"model": null})).model, None);
    }

    #[test]
    fn a_session_ends_by_rest_and_by_age() {
        let day = 86_400;
        for (rotated_at, ends_at) in [
            (0, 90 * day),
            (200 * day, 290 * day),
            (300 * day, 365 * day),
        ] {
            let session = session(1, rotated_at);
            assert_eq!(session.ends_at(&TERMS), Instant::from_seconds(ends_at));
            let last = Instant::from_millis(ends_at * 1_000 - 1);
            assert_eq!(session.present(1, last, &TERMS), Presented::Live);
            let over = Instant::from_seconds(ends_at);
            assert_eq!(session.present(1, over, &TERMS), Presented::Ended);
            assert_eq!(session.present(0, over, &TERMS), Presented::Ended);
        }
    }
}
