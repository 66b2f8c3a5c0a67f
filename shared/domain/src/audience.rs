//! Who asks for published content: what an app says of itself in its query and headers, and what is
//! stored of its device.

use crate::{
    Country, Day, DeviceId, Instant, Label, Locale, Platform, Store, Version,
    allocation::{DeviceSegments, Profile},
    identity::MemberId,
    targeting::Facts,
};

/// What is known of whoever asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Audience<'a> {
    /// What the app runs on; where it is not said, what its store is for.
    pub platform: Option<Platform>,
    /// Where the app was installed from.
    pub store: Option<Store>,
    /// The app's version, as it writes it; what is not a version counts as not known.
    pub version: Option<&'a str>,
    /// The operating system's version, as the device writes it; likewise.
    pub os_version: Option<&'a str>,
    /// The app's build number.
    pub build: Option<u64>,
    /// Where the user is; where it is not said, the profile's.
    pub country: Option<Country>,
    /// The user's languages, the most preferred first. Texts are chosen by all of them, targeting looks
    /// at the first.
    pub languages: &'a [Locale],
    /// The device, as it says it is.
    pub device_id: Option<&'a DeviceId>,
    /// The member who is signed in, where a token proved it.
    pub member: Option<MemberId>,
    /// The profile that the device's present owner put.
    pub profile: Option<&'a Profile>,
    /// What the app's own systems put for the device.
    pub segments: Option<&'a DeviceSegments>,
}

impl<'a> Audience<'a> {
    /// The facts for targeting. What only an allocation's request says (carrier, model, keywords, the
    /// device's clock) is not known, so rules on it do not match.
    pub fn facts(&self, now: Instant) -> Facts<'a> {
        let profile = self.profile;
        Facts {
            interests: profile.map(|profile| words(&profile.interests)),
            segments: known_segments(profile, self.segments),
            ..self.facts_without_lists(now)
        }
    }

    /// The facts that cost nothing to put together.
    pub(crate) fn facts_without_lists(&self, now: Instant) -> Facts<'a> {
        let profile = self.profile;
        let birth_year = profile.and_then(|profile| profile.birth_year);
        Facts {
            platform: self.platform.or(self.store.map(Store::platform)),
            store: self.store,
            app_version: self.version.and_then(Version::parse),
            os_version: self.os_version.and_then(Version::parse),
            country: self.country.or_else(|| profile?.country),
            build: self.build,
            locale: self.languages.first(),
            age: birth_year.and_then(|year| certain_age(year, now)),
            gender: profile.and_then(|profile| profile.gender),
            attributes: profile.map(|profile| &profile.attributes),
            server_attributes: self.segments.map(|server| &server.server_attributes),
            device_id: self.device_id,
            member: self.member,
            ..Facts::default()
        }
    }
}

/// The age that is certain: of the two that a year of birth leaves open, the one before this
/// year's (UTC) birthday, so that nobody counts as 18 too early. `None` for who is yet to be born.
pub(crate) fn certain_age(birth_year: u16, now: Instant) -> Option<u16> {
    let year = u16::try_from(Day::of(now).year()).ok()?;
    Some(year.checked_sub(birth_year)?.saturating_sub(1))
}

/// Returns the segments that the app's own systems put. A device with a profile is in none until they
/// put some; what a profile names itself does not count, because a member may have written it.
pub(crate) fn known_segments<'a>(
    profile: Option<&Profile>,
    server: Option<&'a DeviceSegments>,
) -> Option<Vec<&'a str>> {
    match server {
        Some(server) => Some(words(&server.segments)),
        None => profile.map(|_| Vec::new()),
    }
}

/// Labels as the texts that they are.
pub(crate) fn words(labels: &[Label]) -> Vec<&str> {
    labels.iter().map(Label::as_str).collect()
}
