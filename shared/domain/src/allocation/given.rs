//! What is known when an allocation is asked for: the request, the stored profile and the time,
//! made into the facts that targeting looks at.

use std::collections::HashSet;

use super::{ContentConfig, DeviceSegments, Profile, Request, Snapshot};
use crate::{
    Audience, Instant, Label, TimeZoneName,
    audience::{certain_age, known_segments, words},
    caps::Showings,
    identity::MemberId,
    targeting::Facts,
    zone::WallTime,
};

/// All that an allocation depends on, besides the campaigns and chance.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// What was asked.
    pub request: &'a Request,
    /// What is stored of the device; its own fields count where the request has none, its interests
    /// besides the request's.
    pub profile: Option<&'a Profile>,
    /// What the app's own systems put for the device.
    pub segments: Option<&'a DeviceSegments>,
    /// What the device's user wants to see; without it, everything.
    pub config: Option<&'a ContentConfig>,
    /// What the device was shown. Of a device that does not say which it is nothing is known, and
    /// caps do not hold it back.
    pub showings: &'a Showings,
    /// The campaigns, by key, whose leases allow another showing.
    pub leases: &'a HashSet<u64>,
    /// The member who is signed in, where a token proved it.
    pub member: Option<MemberId>,
    /// The time.
    pub now: Instant,
}

impl<'a> Given<'a> {
    /// Whether what needs consent may be shown.
    pub fn consented(&self) -> bool {
        self.request.consent == Some(true) && self.request.device.lmt != Some(true)
    }

    /// The facts for the targeting of a snapshot's campaigns: hour and weekday are found out only
    /// where one of them asks.
    pub fn facts(&self, snapshot: &Snapshot) -> Facts<'a> {
        let Request {
            device,
            user,
            interests,
            keywords,
            ..
        } = self.request;
        let user = user.as_ref();
        let profile = self.profile;
        let local = snapshot
            .asks_the_time()
            .then(|| self.local_time())
            .flatten();
        let birth_year = user
            .and_then(|user| user.birth_year)
            .or_else(|| profile?.birth_year);
        let audience = Audience {
            platform: device.platform,
            store: device.store,
            version: device.app_version.as_deref(),
            os_version: device.os_version.as_deref(),
            build: device.build,
            country: device.country,
            languages: device.locale.as_slice(),
            device_id: device.id.as_ref(),
            member: self.member,
            profile,
            segments: self.segments,
        };
        Facts {
            carrier: device.carrier.as_deref(),
            model: device.model.as_deref(),
            age: birth_year.and_then(|year| certain_age(year, self.now)),
            gender: user
                .and_then(|user| user.gender)
                .or_else(|| profile?.gender),
            interests: united(
                interests.as_deref(),
                profile.map(|profile| &*profile.interests),
            ),
            segments: known_segments(profile, self.segments),
            keywords: keywords.as_deref().map(words),
            hour: local.map(|local| local.hour),
            weekday: local.map(|local| local.weekday),
            ..audience.facts_without_lists(self.now)
        }
    }

    /// What the device's clock shows.
    fn local_time(&self) -> Option<WallTime> {
        let zone: TimeZoneName = self.request.device.tz.as_ref()?.parse().ok()?;
        Some(zone.wall_time(self.now))
    }
}

fn united<'a>(ours: Option<&'a [Label]>, theirs: Option<&'a [Label]>) -> Option<Vec<&'a str>> {
    if ours.is_none() && theirs.is_none() {
        return None;
    }
    let (ours, theirs) = (ours.unwrap_or_default(), theirs.unwrap_or_default());
    let mut labels = Vec::with_capacity(ours.len() + theirs.len());
    labels.extend(ours.iter().chain(theirs).map(Label::as_str));
    Some(labels)
}
