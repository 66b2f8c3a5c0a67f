//! What a member agreed to, and when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Instant;

/// Agreement to one version of the terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TermsAgreed {
    /// Which version.
    pub version: String,
    /// When.
    pub at: Instant,
}

/// Agreement to be told of offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Marketing {
    /// Since when.
    pub at: Instant,
    /// Since when also between 21:00 and 08:00, which Korean law wants asked for apart (Act on
    /// Promotion of Information and Communications Network Utilization, article 50(3)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub night: Option<Instant>,
}

/// A change of the consent to marketing messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketingChange {
    /// Whether the member consents at all.
    pub agreed: bool,
    /// Whether they consent between 21:00 and 08:00 too; `None` leaves that as it is while they
    /// consent at all.
    pub night: Option<bool>,
}

impl MarketingChange {
    /// Returns the consent after the change. What was consented to before keeps its time.
    pub fn applied_to(self, before: Option<Marketing>, now: Instant) -> Option<Marketing> {
        let night_before = before.and_then(|before| before.night);
        let night = match self.night {
            None => night_before,
            Some(night) => night.then(|| night_before.unwrap_or(now)),
        };
        self.agreed.then(|| Marketing {
            at: before.map_or(now, |before| before.at),
            night,
        })
    }
}

/// All that a member agreed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Consents {
    /// The terms of use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<TermsAgreed>,
    /// The privacy policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<TermsAgreed>,
    /// Offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marketing: Option<Marketing>,
    /// That a guardian agreed, where the member is under 14.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardian: Option<Instant>,
}

closed_set! {
    /// A kind of consent, as the history of consents names it.
    pub enum ConsentKind {
        /// The terms of use.
        Terms = "terms",
        /// The privacy policy.
        Privacy = "privacy",
        /// Marketing messages.
        Marketing = "marketing",
        /// Marketing messages between 21:00 and 08:00.
        MarketingNight = "marketing_night",
        /// The consent of a guardian.
        Guardian = "guardian",
    }
}

closed_set! {
    /// What a member did with a consent.
    pub enum ConsentAction {
        /// The member gave it.
        Given = "given",
        /// The member withdrew it.
        Withdrawn = "withdrawn",
    }
}

/// An entry of the history of a member's consents.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ConsentEvent {
    /// RFC 3339 time at which it happened.
    pub at: Instant,
    /// The kind of consent.
    pub consent: ConsentKind,
    /// Whether it was given or withdrawn.
    pub action: ConsentAction,
    /// The version of the text, for consents that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Consents {
    /// Returns the events that gave the consents that are in force.
    pub fn given(&self) -> Vec<ConsentEvent> {
        let given = |consent, at, version: Option<&str>| ConsentEvent {
            at,
            consent,
            action: ConsentAction::Given,
            version: version.map(ToOwned::to_owned),
        };
        let text = |consent, agreed: &Option<TermsAgreed>| {
            let agreed = agreed.as_ref()?;
            Some(given(consent, agreed.at, Some(&agreed.version)))
        };
        let marketing = self.marketing;
        let night = marketing.and_then(|marketing| marketing.night);
        [
            text(ConsentKind::Terms, &self.terms),
            text(ConsentKind::Privacy, &self.privacy),
            marketing.map(|marketing| given(ConsentKind::Marketing, marketing.at, None)),
            night.map(|at| given(ConsentKind::MarketingNight, at, None)),
            self.guardian
                .map(|at| given(ConsentKind::Guardian, at, None)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Returns the events of a change from these consents to `after` at `now`. The events that gave
    /// what the change replaces or withdraws are among them, because a member of an earlier version
    /// has no history yet; recording one twice is harmless.
    pub fn events_until(&self, after: &Self, now: Instant) -> Vec<ConsentEvent> {
        let (before, after) = (self.given(), after.given());
        let mut events = Vec::new();
        for event in before.iter().filter(|event| !after.contains(event)) {
            events.push(event.clone());
            if after.iter().all(|later| later.consent != event.consent) {
                events.push(ConsentEvent {
                    at: now,
                    action: ConsentAction::Withdrawn,
                    ..event.clone()
                });
            }
        }
        events.extend(after.into_iter().filter(|event| !before.contains(event)));
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant::from_seconds(seconds)
    }

    fn told(events: &[ConsentEvent]) -> Vec<String> {
        let told = |event: &ConsentEvent| {
            let (consent, action) = (event.consent.as_str(), event.action.as_str());
            let version = event.version.as_deref().unwrap_or("-");
            format!("{} {consent} {action} {version}", event.at.as_seconds())
        };
        events.iter().map(told).collect()
    }

    #[test]
    fn a_change_of_consents_is_told_by_what_was_given_and_withdrawn() {
        let terms = |version: &str, seconds| TermsAgreed {
            version: version.to_owned(),
            at: at(seconds),
        };
        let first = Consents {
            terms: Some(terms("1", 10)),
            marketing: Some(Marketing {
                at: at(10),
                night: Some(at(20)),
            }),
            ..Consents::default()
        };
        assert_eq!(
            told(&Consents::default().events_until(&first, at(20))),
            [
                "10 terms given 1",
                "10 marketing given -",
                "20 marketing_night given -"
            ]
        );
        assert!(first.events_until(&first, at(30)).is_empty());
        let by_day = Consents {
            terms: Some(terms("2", 40)),
            marketing: Some(Marketing {
                at: at(10),
                night: None,
            }),
            ..Consents::default()
        };
        assert_eq!(
            told(&first.events_until(&by_day, at(40))),
            [
                "10 terms given 1",
                "20 marketing_night given -",
                "40 marketing_night withdrawn -",
                "40 terms given 2"
            ]
        );
    }
}
