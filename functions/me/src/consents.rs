//! `POST /v1/me/consents`: what a member agrees to, and since when.

use std::sync::Arc;

use domain::{
    Instant,
    identity::{Consents, MarketingChange, TermsAgreed},
};
use garde::Validate;
use kit::{Call, Nothing, Problem, Reply, extract, reply::Json};
use schemars::JsonSchema;
use serde::Deserialize;
use sessions::gone;
use store::Stamp;

use crate::State;

/// What is agreed to; what is left out stays as it was.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsentsBody {
    /// The terms of use, of this version.
    #[garde(dive)]
    terms: Option<TermsConsent>,
    /// The privacy policy, of this version.
    #[garde(dive)]
    privacy: Option<TermsConsent>,
    /// Offers.
    #[garde(skip)]
    marketing: Option<MarketingConsent>,
    /// That a guardian agreed, where the member is under 14.
    #[serde(default)]
    #[garde(skip)]
    guardian: bool,
}

/// Agreement to one version of a text.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct TermsConsent {
    /// Which version.
    #[garde(length(chars, min = 1, max = 64))]
    version: String,
}

/// Agreement to be told of offers, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum MarketingConsent {
    /// By day; what was agreed for the night stays while the day's does.
    ByDay(bool),
    /// By day and by night.
    Told(ToldOfOffers),
}

/// When a member may be told of offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToldOfOffers {
    /// At all.
    agreed: bool,
    /// Also between 21:00 and 08:00.
    #[serde(default)]
    night: bool,
}

impl From<MarketingConsent> for MarketingChange {
    fn from(consent: MarketingConsent) -> Self {
        let (agreed, night) = match consent {
            MarketingConsent::ByDay(agreed) => (agreed, None),
            MarketingConsent::Told(ToldOfOffers { agreed, night }) => (agreed, Some(night)),
        };
        Self { agreed, night }
    }
}

pub(crate) async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Json<ConsentsBody>>,
) -> Result<Reply<Json<Consents>>, Problem> {
    let (now, stamp) = (call.now(), Stamp::random(&mut call.rng()));
    let member = state.member(&call).await?.member.id;
    let body = call.body.0;
    let agreed = state
        .members
        .agree(member, |consents| body.apply(consents, now), stamp, now)
        .await?;
    let record = agreed.ok_or_else(gone)?;
    Ok(Reply::ok(record.member.consents))
}

impl ConsentsBody {
    fn apply(&self, to: &mut Consents, now: Instant) {
        agree(&mut to.terms, self.terms.as_ref(), now);
        agree(&mut to.privacy, self.privacy.as_ref(), now);
        if let Some(marketing) = self.marketing {
            to.marketing = MarketingChange::from(marketing).applied_to(to.marketing, now);
        }
        if self.guardian {
            to.guardian.get_or_insert(now);
        }
    }
}

/// The version that is agreed to already keeps its date.
fn agree(to: &mut Option<TermsAgreed>, consent: Option<&TermsConsent>, at: Instant) {
    let Some(TermsConsent { version }) = consent else {
        return;
    };
    if to.as_ref().is_none_or(|before| before.version != *version) {
        *to = Some(TermsAgreed {
            version: version.clone(),
            at,
        });
    }
}

#[cfg(test)]
mod tests {
    use domain::identity::Marketing;

    use super::*;

    const EARLIER: Instant = Instant::from_seconds(1_000);
    const NOW: Instant = Instant::from_seconds(2_000);

    #[test]
    fn what_was_agreed_to_before_keeps_its_date() {
        let day = Some(Marketing {
            at: EARLIER,
            night: None,
        });
        let both = Some(Marketing {
            at: EARLIER,
            night: Some(EARLIER),
        });
        let told = |agreed, night| MarketingConsent::Told(ToldOfOffers { agreed, night });
        let fresh = |night| Some(Marketing { at: NOW, night });
        for (before, consent, after) in [
            (None, MarketingConsent::ByDay(true), fresh(None)),
            (None, told(true, true), fresh(Some(NOW))),
            (day, MarketingConsent::ByDay(true), day),
            (both, MarketingConsent::ByDay(true), both),
            (both, told(true, false), day),
            (both, told(true, true), both),
            (both, MarketingConsent::ByDay(false), None),
            (both, told(false, true), None),
        ] {
            let changed = MarketingChange::from(consent).applied_to(before, NOW);
            assert_eq!(changed, after, "{before:?} {consent:?}");
        }
    }
}
