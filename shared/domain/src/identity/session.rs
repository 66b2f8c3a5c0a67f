//! A session: one device of one member, for as long as it is used.

use std::time::Duration;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MemberId, SessionId};
use crate::{DeviceId, DeviceKey, Instant, Locale, Platform, Store, reported};

/// What an app reports about the device that it signs in on. A value that cannot be read counts as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct SessionDevice {
    /// The id that the app gave the device, of at least 16 characters. One that many devices share
    /// (`unknown`, an id of zeros) counts as absent: the session is then bound to no device.
    #[serde(
        default,
        deserialize_with = "reported::device_id",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(schema_with = "reported::device_id_schema")]
    pub id: Option<DeviceId>,
    /// The platform that the app runs on: `ios`, `android` or `web`, in any case.
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
    /// The model, as it names itself; at most 128 characters.
    #[serde(
        default,
        deserialize_with = "reported::value",
        skip_serializing_if = "Option::is_none"
    )]
    pub model: Option<String>,
    /// The language that the user reads as a tag in any spelling (`ko-KR`, `zh_TW_#Hant`), or a list of
    /// which the most preferred counts.
    #[serde(
        default,
        deserialize_with = "reported::language",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub locale: Option<Locale>,
}

impl SessionDevice {
    /// The key of the device that a session on it is bound to, if it is bound to one.
    pub fn key(&self) -> Option<DeviceKey> {
        self.id.as_ref().map(DeviceKey::of)
    }
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTerms {
    /// For so long after a rotation the token before is answered with the current pair: phones repeat
    /// what they got no answer to.
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
    /// On which device.
    pub device: SessionDevice,
    /// The counter of the live refresh token.
    pub counter: u64,
    /// When it was signed in to.
    pub created_at: Instant,
    /// When the live refresh token was given out first.
    pub rotated_at: Instant,
}

/// What becomes of a refresh token that is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// It is the live one: the next takes its place.
    Live,
    /// It is the one before, presented again in time: the live pair is told again.
    JustBefore,
    /// It was replaced too long ago: somebody has a copy, and the session is over.
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
        if counter == self.counter {
            return Presented::Live;
        }
        if counter > self.counter {
            return Presented::Unheard;
        }
        let in_time = now < self.rotated_at + terms.grace;
        if in_time && counter + 1 == self.counter {
            Presented::JustBefore
        } else {
            Presented::Reused
        }
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
            device: SessionDevice::default(),
            counter,
            created_at: Instant::from_seconds(0),
            rotated_at: Instant::from_seconds(rotated_at),
        }
    }

    #[test]
    fn only_the_token_just_before_is_forgiven_and_only_in_time() {
        let session = session(7, 1_000);
        for (counter, at, presented) in [
            (7, 1_000, Presented::Live),
            (7, 5_000, Presented::Live),
            (6, 1_000, Presented::JustBefore),
            (6, 1_059, Presented::JustBefore),
            (6, 1_060, Presented::Reused),
            (5, 1_001, Presented::Reused),
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
