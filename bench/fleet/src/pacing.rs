//! The pacing worker's minute: what is counted, each campaign's step (the domain's own
//! [`step`]), its account's, and the delivery that comes of it.

use std::mem;

use domain::{
    Instant,
    delivery::{Delivery, Zone},
    pacing::{Curve, Passes, Progress, Situation, Surroundings, step},
};

use crate::{
    books::Books,
    budgets::{Budgets, EXPOSURE, PARTS},
    meter::{Key, Meter, consistent},
};

/// A campaign's item in `delivered`, with the counts of its last minutes; an account.
const STANDING_BYTES: usize = 600;
const ACCOUNT_BYTES: usize = 250;

/// The worker, and what the roll-up has told it.
#[derive(Debug)]
pub(crate) struct Worker {
    curve: Curve,
    passes: Vec<Passes>,
    /// By the run of the roll-up that is under way, and by the one before.
    rolling: Vec<Progress>,
    rolled: Vec<Progress>,
}

impl Worker {
    /// Of which nothing was counted before `start`.
    pub(crate) fn new(curve: Curve, campaigns: usize, start: Instant) -> Self {
        Self {
            curve,
            passes: vec![Passes::default(); campaigns],
            rolling: vec![Progress::none(start); campaigns],
            rolled: vec![Progress::none(start); campaigns],
        }
    }

    /// A run of the roll-up begins; the one before has ended.
    pub(crate) fn roll_up(&mut self, books: &Books, now: Instant) {
        let rolling = books.campaigns.iter().map(|it| it.progress(now)).collect();
        self.rolled = mem::replace(&mut self.rolling, rolling);
    }

    /// Makes the delivery of the next minute.
    pub(crate) fn pace(
        &mut self,
        books: &Books,
        budgets: &mut Budgets,
        before: &Delivery,
        traffic_per_minute: f64,
        now: Instant,
        meter: &mut Meter,
    ) -> Delivery {
        let campaigns = books.campaigns.len();
        meter.read(Key::Delivered, 0, consistent(campaigns * STANDING_BYTES));
        for part in 0..PARTS {
            let bytes = campaigns * ACCOUNT_BYTES / PARTS as usize;
            meter.read(Key::Accounts, part, consistent(bytes));
        }
        // The head before and its reading; the turn, which is put and deleted; the new head.
        meter.read(Key::DeliveryHead, 0, 2.0);
        for _ in 0..3 {
            meter.write(Key::DeliveryHead, 0, 1.0);
        }
        let mut delivery = Delivery {
            at: now,
            ..Delivery::default()
        };
        for (place, campaign) in (0u16..).zip(&books.campaigns) {
            let Some(terms) = &campaign.terms else {
                continue;
            };
            if campaign.ends_at.is_some_and(|end| end <= now) {
                continue;
            }
            let at = usize::from(place);
            let (progress, passes) = (&self.rolled[at], &mut self.passes[at]);
            let situation = Situation {
                terms,
                pacing: campaign.pacing,
                starts_at: campaign.starts_at,
                ends_at: campaign.ends_at,
                progress,
                passes,
                last: before.throttles.get(&campaign.key).copied(),
            };
            let around = Surroundings {
                curve: &self.curve,
                traffic_per_minute: Some(traffic_per_minute),
                slots_per_minute: Some(traffic_per_minute),
                exposure: EXPOSURE,
                now,
            };
            let throttle = step(&situation, &around).throttle;
            let settled = budgets.steer(place, throttle.zone, terms, progress, now, meter);
            let minute = now.as_minutes();
            match throttle.zone {
                Zone::Exact if settled && terms.spread.is_some() => passes.note_planned(minute),
                Zone::Open | Zone::Exact if settled => passes.note(minute, throttle.pass),
                _ => passes.note(minute, 0.0),
            }
            delivery.throttles.insert(campaign.key, throttle);
        }
        delivery
    }

    /// Gives back what has lapsed: after the delivery is out.
    pub(crate) fn settle(
        &self,
        books: &Books,
        budgets: &mut Budgets,
        now: Instant,
        meter: &mut Meter,
    ) {
        for (place, campaign) in (0u16..).zip(&books.campaigns) {
            if let Some(terms) = &campaign.terms {
                let progress = &self.rolled[usize::from(place)];
                budgets.settle(place, terms, progress, now, meter);
            }
        }
    }
}
