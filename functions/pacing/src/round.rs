//! One round: every campaign's next step, and its account's.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use domain::{
    Day, Instant,
    allocation::{Campaign, Snapshot},
    content::campaigns::{Pricing, Sampling},
    delivery::{Delivery, Throttle, Zone},
    learning::{Evidence, HALF_LIFE},
    pacing::{Passes, Progress, Situation, Surroundings, Terms, Used, step},
};
use futures_util::{StreamExt, stream};
use kit::{
    metrics::{self, Unit},
    problem::Chain,
};
use store::{
    Budgets, StoreError,
    budgets::{Account, Lease, Phase},
    marks::Totals,
};

use crate::{
    Summary,
    account::{Move, drift},
    known::Known,
};

/// How many calls are under way at once.
const AT_ONCE: usize = 16;

/// How many are begun together, so that the others do not wait in memory.
const PORTION: usize = 1_024;

/// What a unit is worth in tokens is changed where it is off by more than this part.
const WORTH_CHANGING: f64 = 0.2;

/// What was learned is read again once in so many minutes: it changes by the day.
const LEARNED_AGAIN_MIN: u64 = 10;

/// What a round goes by.
pub(crate) struct Round<'a> {
    pub(crate) budgets: &'a Budgets,
    pub(crate) totals: &'a Totals,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) before: &'a Delivery,
    pub(crate) known: &'a Known,
    pub(crate) accounts: &'a HashMap<u64, Account>,
    pub(crate) exposure: Duration,
    pub(crate) now: Instant,
    /// How long moving accounts may take.
    pub(crate) patience: Duration,
}

/// A campaign's step and its account's.
struct Next<'a> {
    terms: Terms,
    account: Option<&'a Account>,
    throttle: Throttle,
    next: Move,
}

impl Round<'_> {
    /// The delivery of the next minute, when the accounts are as it says, and the probabilities that
    /// are then in force.
    pub(crate) async fn paced(
        &self,
        mut passes: HashMap<u64, Passes>,
    ) -> (Delivery, HashMap<u64, Passes>, Summary) {
        let mut summary = Summary::default();
        let nexts: Vec<Next<'_>> = self
            .limited()
            .map(|(campaign, terms)| self.next(campaign, terms, &mut passes))
            .collect();
        let moved = self.move_accounts(&nexts).await;
        let mut delivery = Delivery {
            at: self.now,
            learned: self.learned().await,
            ..Delivery::default()
        };
        let mut in_force = HashMap::with_capacity(nexts.len());
        for next in nexts {
            let key = next.terms.campaign;
            let done = next.next == Move::Stay || moved.contains(&key);
            let mut throttle = next.throttle;
            if throttle.zone == Zone::Open && !done {
                throttle.zone = Zone::Exact;
            }
            summary.campaigns += 1;
            summary.moved += usize::from(moved.contains(&key));
            match throttle.zone {
                Zone::Open => summary.open += 1,
                Zone::Exact => summary.exact += 1,
                Zone::Spent => summary.spent += 1,
            }
            let mut course = passes.remove(&key).unwrap_or_default();
            let goes_out = match throttle.zone {
                Zone::Open => true,
                Zone::Exact => !next.waits(),
                Zone::Spent => false,
            };
            let minute = self.now.as_minutes();
            match goes_out {
                true if throttle.zone == Zone::Exact && next.terms.spread.is_some() => {
                    course.note_planned(minute);
                }
                true => course.note(minute, throttle.pass),
                false => course.note(minute, 0.0),
            }
            in_force.insert(key, course);
            delivery.throttles.insert(key, throttle);
        }
        (delivery, in_force, summary)
    }

    /// Gives back what has lapsed, also of campaigns that were withdrawn; brings accounts up to the
    /// totals; lets those of withdrawn campaigns go.
    pub(crate) async fn settle(&self, summary: &mut Summary) {
        let accounts: Vec<&Account> = self
            .accounts
            .values()
            .filter(|account| self.wants_settling(account))
            .collect();
        for portion in accounts.chunks(PORTION) {
            let calls: Vec<_> = portion.iter().map(|it| self.settled(it)).collect();
            let mut calls = stream::iter(calls).buffer_unordered(AT_ONCE);
            while let Some((settled, drift)) = calls.next().await {
                summary.settled += settled;
                summary.drift += drift;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a metric")]
        let drift = summary.drift as f64;
        metrics::emit(self.now, "budget_drift", Unit::Count, drift);
    }

    /// Published campaigns whose budget and flight have not ended.
    fn limited(&self) -> impl Iterator<Item = (Campaign<'_>, Terms)> {
        self.snapshot.campaigns().filter_map(|campaign| {
            let over = campaign.ends_at.is_some_and(|end| end <= self.now);
            let terms = Terms::of_campaign(&campaign)?;
            (!over).then_some((campaign, terms))
        })
    }

    fn next(
        &self,
        campaign: Campaign<'_>,
        terms: Terms,
        passes: &mut HashMap<u64, Passes>,
    ) -> Next<'_> {
        let key = terms.campaign;
        let last = self.before.throttles.get(&key).copied();
        let progress = self.progress(key);
        let account = self.accounts.get(&key);
        let course = passes.entry(key).or_insert_with(|| {
            last.map_or_else(Passes::default, |last| Passes::constant(last.pass))
        });
        let situation = Situation {
            terms: &terms,
            pacing: campaign.pacing,
            starts_at: campaign.starts_at,
            ends_at: campaign.ends_at,
            progress: &progress,
            passes: course,
            last,
        };
        let surroundings = Surroundings {
            curve: &self.known.curve,
            traffic_per_minute: self.known.traffic_per_minute,
            slots_per_minute: self.known.slots_per_minute,
            exposure: self.exposure,
            now: self.now,
        };
        let throttle = step(&situation, &surroundings).throttle;
        let next = Move::towards(
            throttle.zone,
            account,
            &terms,
            &progress,
            self.exposure,
            self.now,
        );
        Next {
            terms,
            account,
            throttle,
            next,
        }
    }

    fn progress(&self, campaign: u64) -> Progress {
        let known = self.known.progress.get(&campaign);
        known
            .cloned()
            .unwrap_or_else(|| Progress::none(self.known.as_of))
    }

    /// Moves accounts, those first that end an open time. The campaigns whose account was moved; of
    /// any other it is not certain that it was.
    async fn move_accounts(&self, nexts: &[Next<'_>]) -> HashSet<u64> {
        let (opens, others): (Vec<_>, Vec<_>) = nexts
            .iter()
            .filter(|next| next.next != Move::Stay)
            .partition(|next| next.next == Move::Open);
        let moves: Vec<&Next<'_>> = others.into_iter().chain(opens).collect();
        let mut moved = HashSet::with_capacity(moves.len());
        let all = async {
            for portion in moves.chunks(PORTION) {
                let calls: Vec<_> = portion.iter().map(|next| self.move_account(next)).collect();
                let mut calls = stream::iter(calls).buffer_unordered(AT_ONCE);
                while let Some(campaign) = calls.next().await {
                    moved.extend(campaign);
                }
            }
        };
        if tokio::time::timeout(self.patience, all).await.is_err() {
            tracing::warn!("the time was over before every account was moved");
        }
        moved
    }

    async fn move_account(&self, next: &Next<'_>) -> Option<u64> {
        let campaign = next.terms.campaign;
        let moved = next
            .next
            .carry_out(self.budgets, next.account, &next.terms, self.now);
        match moved.await {
            Ok(()) => Some(campaign),
            Err(error) => {
                let campaign = format!("{campaign:016x}");
                tracing::warn!(campaign, error = %Chain(&error), "the account stays");
                None
            }
        }
    }

    /// What was learned of creatives, some of it as it was before.
    async fn learned(&self) -> HashMap<u64, HashMap<u64, Evidence>> {
        let campaigns = self.snapshot.campaigns();
        let learners = campaigns.filter(|it| it.sampling == Sampling::Thompson);
        let learners: Vec<u64> = learners.map(|it| it.key).collect();
        let mut learned = HashMap::with_capacity(learners.len());
        for portion in learners.chunks(PORTION) {
            let calls: Vec<_> = portion.iter().map(|it| self.learned_of(*it)).collect();
            let mut calls = stream::iter(calls).buffer_unordered(AT_ONCE);
            while let Some((campaign, outcomes)) = calls.next().await {
                learned.insert(campaign, outcomes);
            }
        }
        learned
    }

    async fn learned_of(&self, campaign: u64) -> (u64, HashMap<u64, Evidence>) {
        let before = self.before.learned.get(&campaign);
        let minute = u64::from(self.now.as_minutes());
        let due = campaign % LEARNED_AGAIN_MIN == minute % LEARNED_AGAIN_MIN;
        if let Some(before) = before.filter(|_| !due) {
            return (campaign, before.clone());
        }
        let learned = match self.outcomes(campaign).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "nothing new was learned");
                before.cloned().unwrap_or_default()
            }
        };
        (campaign, learned)
    }

    async fn outcomes(&self, campaign: u64) -> Result<HashMap<u64, Evidence>, StoreError> {
        let today = Day::of(self.now);
        let by_creative = Known::outcomes(self.totals, campaign, today).await?;
        let decayed = by_creative.into_iter();
        Ok(decayed
            .map(|(creative, days)| (creative, Evidence::as_of(today, HALF_LIFE, days)))
            .collect())
    }

    async fn settled(&self, account: &Account) -> (usize, u64) {
        match self.settle_account(account).await {
            Ok(settled) => settled,
            // The next run finds the account as it is then.
            Err(error) if error.is_conflict() => (0, 0),
            Err(error) => {
                let campaign = format!("{:016x}", account.campaign);
                tracing::warn!(campaign, error = %Chain(&error), "not settled");
                (0, 0)
            }
        }
    }

    /// Whether there is anything to do about an account, as far as can be seen without its leases.
    fn wants_settling(&self, account: &Account) -> bool {
        account.live() > 0
            || self.is_forgotten(account)
            || self.drift(account, &[]).is_some()
            || self.other_tokens_per_unit(account).is_some()
    }

    /// Returns how many tokens a unit of an account is worth by the counts, if that is much more or
    /// less than it says.
    fn other_tokens_per_unit(&self, account: &Account) -> Option<u32> {
        let campaign = self.snapshot.campaign_by_key(account.campaign)?;
        let terms = Terms::of_campaign(&campaign)?;
        let tokens = terms.tokens_per_unit(&self.progress(account.campaign).total);
        let was = account.tokens_per_unit.max(1);
        let is_other = f64::from(tokens.abs_diff(was)) > f64::from(was) * WORTH_CHANGING;
        is_other.then_some(tokens)
    }

    /// Sets what a unit of an account is worth, and gives back what its live leases then do not need.
    async fn revalue(&self, account: &Account, live: &[Lease]) -> Result<(), StoreError> {
        let Some(tokens_per_unit) = self.other_tokens_per_unit(account) else {
            return Ok(());
        };
        self.budgets
            .set_tokens_per_unit(account, tokens_per_unit)
            .await?;
        for lease in live.iter().filter(|lease| !lease.has_lapsed(self.now)) {
            let unneeded = lease.dispensable(lease.tokens(), tokens_per_unit.into());
            if unneeded > 0 {
                let tokens = lease.tokens();
                self.budgets.give_back(lease, unneeded, tokens).await?;
            }
        }
        Ok(())
    }

    /// How many leases were given back, and how many units the account was raised by.
    async fn settle_account(&self, account: &Account) -> Result<(usize, u64), StoreError> {
        let live = if account.live() > 0 {
            self.budgets.leases(account.campaign).await?
        } else {
            Vec::new()
        };
        let mut raised = 0;
        if let Some(by) = self.drift(account, &live) {
            self.budgets.raise(account, by).await?;
            // Conversions use no lease: an account learns of them from the totals only.
            if !self.counts_conversions(account) {
                raised = by.total;
                let campaign = format!("{:016x}", account.campaign);
                tracing::warn!(campaign, units = by.total, "counted beside the account");
            }
        }
        self.revalue(account, &live).await?;
        let mut settled = 0;
        for lease in live.iter().filter(|lease| lease.has_lapsed(self.now)) {
            settled += usize::from(self.budgets.settle(lease).await?);
        }
        if self.is_forgotten(account) {
            self.budgets.retire(account, self.now).await?;
        }
        Ok((settled, raised))
    }

    fn drift(&self, account: &Account, live: &[Lease]) -> Option<Used> {
        let campaign = self.snapshot.campaign_by_key(account.campaign)?;
        let terms = Terms::of_campaign(&campaign)?;
        drift(account, live, &terms, &self.progress(account.campaign))
    }

    fn counts_conversions(&self, account: &Account) -> bool {
        let campaign = self.snapshot.campaign_by_key(account.campaign);
        let budget = campaign.and_then(|campaign| campaign.budget);
        budget.is_some_and(|budget| budget.pricing == Pricing::Cpa)
    }

    /// Whether its campaign was withdrawn and nothing of it is live.
    fn is_forgotten(&self, account: &Account) -> bool {
        let published = self.snapshot.campaign_by_key(account.campaign).is_some();
        !published && account.live() == 0 && account.expires_at.is_none()
    }
}

impl Next<'_> {
    /// Whether nothing goes out although the budget has not ended: its account is closing.
    fn waits(&self) -> bool {
        let phase = self.account.map(|account| account.phase);
        match self.next {
            Move::Close { .. } => true,
            Move::Stay => phase == Some(Phase::Closing),
            Move::Open | Move::Begin { .. } => false,
        }
    }
}
