//! `POST /v1/allocations`: which ad or content this device sees now.
//!
//! The hot path. Campaigns are in memory, the device's partition is read once, nothing is written for
//! the request itself. Whatever of that does not answer in time is gone without: an unreachable
//! device counts as no device. Selection itself is [`domain::allocation`]'s.
//!
//! Beside requests, and seldom: looking for newer campaigns and a newer delivery, leases of budgets
//! near their end, and the tallies of what was asked for and given out.
#![forbid(unsafe_code)]

mod leasing;
mod lineups;
mod serving;

use std::{sync::Arc, time::Duration};

use aws::Pace;
use domain::{
    DeviceId, DeviceKey, Id, RandomId, Version,
    allocation::{Allocation, Answer, Given, Request, Snapshot, allocate, explain},
    content::Kind,
    key_of,
    tracking::Keys,
};
use garde::Validate;
use kit::{
    Call, Caller, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::{ResourceName, Variable},
    extract::Json,
    middleware::{Authority, ProvedMember},
    problem::Chain,
    reply::Written,
};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    Database, Devices, ServiceKeys, Stamp,
    budgets::{BudgetSettings, DeliveryReader, Leases},
    devices::DeviceRecord,
    edge::{SnapshotSettings, TokenLifetime, TokenSettings, Watched},
    published::SnapshotUnavailable,
    tallies::Tallies,
};
use tracing::Instrument as _;
use upstream::{Secret, SecretSettings};

use crate::{lineups::Lineups, serving::Serving};

const NAME: &str = "allocations";

/// How long an allocation waits until its access token is verified. Without the member, rules on the
/// member do not match.
const MEMBER_PATIENCE: Duration = Duration::from_millis(100);

/// What an operator's key needs to be told why.
const EXPLAIN: &str = "allocations:explain";

const POST: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/allocations",
    "allocate",
    "Which ad or content this device sees now",
)
.caller(Caller::PublicOrOperator(EXPLAIN))
.headers(&[
    "X-Device-Id",
    "X-App-Platform",
    "X-App-Store",
    "X-App-Version",
    "X-App-Build",
])
.problems(&[Code::Unavailable])
.takes_token()
.sampled();

kit::settings! {
    /// What the function needs beside snapshot, delivery and secret.
    pub struct Settings {
        /// Where devices are kept.
        devices_table: ResourceName = "DEVICES_TABLE", example "madang-dev-devices";
        /// Where tallies are told.
        marks_table: ResourceName = "MARKS_TABLE", example "madang-dev-marks";
        /// Where service keys are kept.
        operators_table: ResourceName = "OPERATORS_TABLE", example "madang-dev-operators";
        /// How long a tracking token counts.
        token_lifetime: TokenLifetime = "TRACKING_TOKEN_LIFETIME_S", default "3600";
        /// The secret with the keys that sign tracking tokens.
        tracking_keys: ResourceName = "TRACKING_KEYS_SECRET", example "madang/dev/tracking-keys";
    }
}

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SnapshotSettings::VARIABLES,
    TokenSettings::VARIABLES,
    BudgetSettings::VARIABLES,
    SecretSettings::VARIABLES,
    Settings::VARIABLES,
];

struct State {
    campaigns: Watched<Arc<Snapshot>>,
    delivery: DeliveryReader,
    lineups: Lineups,
    leases: Leases,
    /// Verifies access tokens, where campaigns' rules look at the member.
    authority: Arc<dyn Authority>,
    devices: Devices,
    tallies: Tallies,
    keys: Secret<Keys>,
    token_lifetime: TokenLifetime,
    budgets: BudgetSettings,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, ((snapshots, budgets), ((secrets, token), settings)), aws) =
        aws::start(vars, NAME, |vars| {
            let published = Faults::both(SnapshotSettings::read(vars), BudgetSettings::read(vars));
            let secrets = Faults::both(SecretSettings::read(vars), TokenSettings::read(vars));
            Faults::both(published, Faults::both(secrets, Settings::read(vars)))
        })?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let published = snapshots.source(&aws);
    let gate = published.gate();
    let devices = Database::connect(&aws, Pace::HOT).table(&settings.devices_table.0);
    let service_keys = ServiceKeys::new(database.table(&settings.operators_table.0));
    let authority: Arc<dyn Authority> = Arc::new(
        token
            .authority(&database)
            .with_service_keys(service_keys, runtime.clock.clone()),
    );
    let state = Arc::new(State {
        authority: Arc::clone(&authority),
        campaigns: published.reader(Kind::Campaigns, |format, bytes| {
            Snapshot::load(format, bytes).map(Arc::new)
        }),
        delivery: budgets.reader(&aws, &snapshots),
        lineups: Lineups::new(budgets.age_limit.0, snapshots.confirm()),
        leases: budgets.leases(&aws),
        devices: Devices::new(devices),
        tallies: Tallies::new(database.table(&settings.marks_table.0)),
        keys: secrets.secret(&aws, &settings.tracking_keys.0, Keys::parse),
        token_lifetime: settings.token_lifetime,
        budgets,
    });
    let ending = (Arc::clone(&state), runtime.clone());
    Ok(kit::Api::new(NAME, runtime.clone())
        .gate(gate)
        .authority(authority)
        .at_shutdown(move || {
            let (state, runtime) = ending.clone();
            async move { state.end(&runtime).await }
        })
        .route(POST, &state, post)
        .build())
}

/// Whether, and of which campaign, an operator wants to know why. Other parameters are let through.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
pub struct AllocationQuery {
    /// Tell why each campaign was given or was not.
    #[garde(skip)]
    explain: Option<bool>,
    /// Of this campaign alone.
    #[garde(skip)]
    campaign_id: Option<Id>,
}

async fn post(
    state: Arc<State>,
    call: Call<Nothing, AllocationQuery, Json<Request>>,
) -> Result<Reply<Written<Answer<'static>>>, Problem> {
    let now = call.now();
    let mut rng = call.rng();
    let explained = call.query.explain == Some(true);
    if explained {
        call.principal.require(EXPLAIN)?;
    }
    let device = call.device_id();
    let store = call.reported("x-app-store");
    let platform = call.reported("x-app-platform");
    let app_version = call.reported::<Version>("x-app-version");
    let app_build = call.app_build();
    let mut request = call.body.0;
    let reported = &mut request.device;
    reported.id = reported.id.take().or(device);
    reported.platform = reported.platform.or(platform);
    reported.store = reported.store.or(store);
    reported.build = reported.build.or(app_build);
    let app_version = app_version.map(|version| version.to_string());
    reported.app_version = reported.app_version.take().or(app_version);

    let device = request.device.id.clone();
    state.tell_tallies(Stamp::random(&mut rng), now);
    // The member is verified while the device is read.
    let campaigns_and_member = async {
        let snapshot = state.campaigns.current(now).await?;
        let member = match snapshot.content.asks_the_member() {
            true => ProvedMember::of(&*state.authority, &call.headers, now, MEMBER_PATIENCE).await,
            false => ProvedMember::Nobody,
        };
        Ok::<_, SnapshotUnavailable>((snapshot, member))
    };
    let (campaigns_and_member, delivery, keys, record) = tokio::join!(
        campaigns_and_member,
        state.delivery.current(now),
        state.keys.get(now),
        state.device(device.as_ref(), now),
    );
    let ((snapshot, member), keys) = (campaigns_and_member?, keys?);
    let reachable = record.is_ok();
    let record = record.unwrap_or_else(|Unreachable| {
        request.device.id = None;
        DeviceRecord::default()
    });

    let lineup = state.lineups.of(&snapshot.content, &delivery, now).await;
    let leases = state.leases.in_hand(now);
    let newly_leased;
    let mut given = Given {
        request: &request,
        profile: record.profile.as_ref().map(|stored| &stored.profile),
        segments: record.segments.as_ref(),
        config: record.config.as_ref().map(|stored| &stored.config),
        showings: &record.showings,
        leases: &leases,
        member: member.id(),
        now,
    };
    let mut allocation = allocate(&lineup, &given, &mut rng);
    if reachable && state.lease(&request, &allocation, &mut rng, now).await {
        newly_leased = state.leases.in_hand(now);
        given.leases = &newly_leased;
        allocation = allocate(&lineup, &given, &mut rng);
    }
    let explanation = explained.then(|| {
        explain(
            &lineup,
            &given,
            &allocation,
            call.query.campaign_id.as_ref(),
        )
    });

    let request_id = RandomId::new(now, &mut rng);
    let serving = Serving {
        state: &state,
        keys: &keys,
        request_id,
        request: &request,
        device: device.as_ref().map(DeviceKey::of),
        origin: &call.facts.origin,
        now,
    };
    let placed = allocation.placed.iter();
    let items: Vec<_> = placed.filter_map(|placed| serving.item(placed)).collect();
    state.tally(&request, lineup.snapshot(), &allocation, now);
    state.top_up(&allocation.placed, &mut rng, now);
    let answer = Answer {
        request_id,
        ttl_s: serving.ttl_s(&allocation.placed, &items),
        items,
        fallback: allocation.fallback,
        explain: explanation,
    };
    Ok(Reply::new(http::StatusCode::OK, Written::new(&answer)?))
}

/// The device cannot be read now: it is served as one that did not say which it is.
struct Unreachable;

impl State {
    async fn device(
        &self,
        device: Option<&DeviceId>,
        now: domain::Instant,
    ) -> Result<DeviceRecord, Unreachable> {
        let Some(device) = device else {
            return Ok(DeviceRecord::default());
        };
        self.devices.record(device, now).await.map_err(|error| {
            tracing::warn!(error = %Chain(&error), "served without the device");
            Unreachable
        })
    }

    /// Counts what was asked for, and what was given out and held back by caps.
    fn tally(
        &self,
        request: &Request,
        snapshot: &Snapshot,
        allocation: &Allocation<'_>,
        now: domain::Instant,
    ) {
        for placement in &request.placements {
            let key = key_of(placement.id.as_str());
            let known = snapshot.placement_by_key(key);
            self.tallies
                .request(key, known, placement.count.into(), now);
        }
        for placed in &allocation.placed {
            if let Some(placement) = request.placements.get(placed.placement) {
                let placement = key_of(placement.id.as_str());
                self.tallies
                    .served(placed.campaign.key, placed.creative.key, placement);
            }
        }
        for campaign in &allocation.capped {
            self.tallies.capped(campaign.key);
        }
    }

    /// Tells the tallies where it is time to. Nobody waits for it, and nothing is billed from them.
    fn tell_tallies(self: &Arc<Self>, stamp: Stamp, now: domain::Instant) {
        if self.tallies.due(now) {
            let tallies = self.tallies.clone();
            let tell = async move { tell(&tallies, stamp, now).await };
            tokio::spawn(tell.in_current_span());
        }
    }

    /// What would be lost with the process.
    async fn end(&self, runtime: &kit::Runtime) {
        let stamp = Stamp::random(&mut runtime.random.rng());
        tokio::join!(
            self.leases.give_back(),
            tell(&self.tallies, stamp, runtime.clock.now()),
        );
    }
}

async fn tell(tallies: &Tallies, stamp: Stamp, now: domain::Instant) {
    if let Err(error) = tallies.flush(now, stamp).await {
        tracing::warn!(error = %Chain(&error), "tallies were not told");
    }
}
