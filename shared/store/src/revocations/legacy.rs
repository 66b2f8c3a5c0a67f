//! The list of revocations as earlier versions stored it: one item. It is read until its entries have
//! lapsed, so that what they revoked stays revoked while this version is deployed.

use domain::{Instant, identity::AccessClaims};
use serde::Deserialize;

use super::log::{About, Entry, LIFETIME};

/// The item of an earlier version.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct LegacyList {
    /// Tokens that were issued up to then are to be renewed.
    #[serde(default)]
    renew_before: Option<Instant>,
    #[serde(default)]
    entries: Vec<LegacyEntry>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct LegacyEntry {
    made_at: Instant,
    #[serde(flatten)]
    about: About,
}

impl LegacyList {
    /// Returns the entries that have not lapsed, as those of the log; they come before all of the
    /// log's.
    pub(super) fn entries(&self, now: Instant) -> impl Iterator<Item = Entry> {
        let entries = self.entries.iter().map(|entry| Entry {
            made_at: entry.made_at,
            order: 0,
            about: entry.about.clone(),
        });
        entries.filter(move |entry| !entry.has_lapsed(now))
    }

    /// Whether a token was issued before the list was too full to say more about it.
    pub(super) fn asks_to_renew(&self, claims: &AccessClaims) -> bool {
        let issued_before = |line: Instant| claims.jti.made_at() <= line;
        self.renew_before.is_some_and(issued_before)
    }

    /// Whether the list has nothing more to say at `now`.
    pub(super) fn has_lapsed(&self, now: Instant) -> bool {
        let line_holds = self.renew_before.is_some_and(|line| now < line + LIFETIME);
        !line_holds && self.entries(now).next().is_none()
    }
}
