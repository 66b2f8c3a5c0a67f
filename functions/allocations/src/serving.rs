//! What was placed, as the device gets it: with signed tokens that name everything their marks need.

use domain::{
    DeviceKey, Instant, RandomId,
    allocation::{Item, Placed, Request},
    key_of,
    pacing::Terms,
    tracking::{Keys, Token, sign},
};

use crate::State;

/// How long a device may go on showing what it was given, in seconds.
const TTL_S: u64 = 60;

/// What the items of one answer share.
pub(crate) struct Serving<'a> {
    pub(crate) state: &'a State,
    pub(crate) keys: &'a Keys,
    pub(crate) request_id: RandomId,
    pub(crate) request: &'a Request,
    pub(crate) device: Option<DeviceKey>,
    pub(crate) origin: &'a str,
    pub(crate) now: Instant,
}

impl<'a> Serving<'a> {
    /// The item of a slot; `None` where its lease was used up by another request meanwhile.
    pub(crate) fn item(&self, placed: &Placed<'a>) -> Option<Item<'a>> {
        let Placed {
            campaign, creative, ..
        } = placed;
        let placement = &self.request.placements.get(placed.placement)?.id;
        let (lease, expires_at) = self.lease(placed)?;
        let price = campaign.price();
        let token = Token {
            request: *self.request_id.as_bytes(),
            slot: placed.slot,
            campaign: campaign.key,
            creative: creative.key,
            placement: key_of(placement.as_str()),
            issue_minute: self.now.as_minutes(),
            device: self.device,
            pricing: price.pricing,
            price_micros: price.micros,
            lease,
            expires_at,
        };
        let token = sign(self.keys, &token);
        Some(Item {
            placement,
            slot: placed.slot,
            r#type: creative.r#type,
            campaign_id: campaign.id,
            creative_id: creative.id,
            assets: creative.assets(),
            impression_url: format!("{}/v1/t/imp/{token}", self.origin),
            click_url: format!("{}/v1/t/clk/{token}", self.origin),
            expires_at,
        })
    }

    /// The lease that a token names, if any, and when the token stops counting: within minutes where
    /// a budget ends, and no later than its lease.
    fn lease(&self, placed: &Placed<'_>) -> Option<(Option<u64>, Instant)> {
        let State {
            token_lifetime,
            budgets,
            leases,
            ..
        } = self.state;
        let budget = placed.campaign.budget;
        let lifetime = match budget.is_some_and(Terms::end) {
            true => token_lifetime.0.min(budgets.token_lifetime.0),
            false => token_lifetime.0,
        };
        let expires_at = self.now + lifetime;
        if !placed.leased {
            return Some((None, expires_at));
        }
        let (lease, lapses_at) = leases.take(placed.campaign.key, self.now)?;
        Some((Some(lease), expires_at.min(lapses_at)))
    }

    /// Nothing is shown past its campaign's end, nor when nobody counts it any more.
    pub(crate) fn ttl_s(&self, placed: &[Placed<'_>], items: &[Item<'_>]) -> u32 {
        let ends = placed.iter().filter_map(|placed| placed.campaign.ends_at);
        let ends = ends.chain(items.iter().map(|item| item.expires_at));
        let left = ends.map(|end| end.since(self.now).as_secs()).min();
        u32::try_from(left.unwrap_or(TTL_S).min(TTL_S)).unwrap_or(0)
    }
}
