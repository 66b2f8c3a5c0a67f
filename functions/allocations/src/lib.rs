//! `POST /v1/allocations`: which ad or content this device sees now.
//!
//! The hot path. Campaigns are in memory, the device's partition is read once, nothing is written.
//! Whatever of that does not answer in time is gone without: an unreachable device counts as no
//! device. Selection itself is [`domain::allocation`]'s.
#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws::Pace;
use domain::{
    DeviceId, DeviceKey, Instant, RandomId,
    allocation::{Answer, Given, Item, Lineup, Placed, Profile, Request, Snapshot, allocate},
    caps::Showings,
    content::Kind,
    key_of,
    tracking::{Keys, Token, sign},
};
use kit::{
    Call, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::{ResourceName, Variable},
    extract::Json,
    problem::Chain,
    reply::Written,
};
use store::{
    Database, Devices,
    edge::{SnapshotSettings, TokenLifetime, Watched},
};
use upstream::{Secret, SecretSettings};

const NAME: &str = "allocations";

/// How long a device may go on showing what it was given, in seconds.
const TTL_S: u64 = 60;

const POST: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/allocations",
    "allocate",
    "Which ad or content this device sees now",
)
.headers(&["X-Device-Id", "X-App-Store", "X-App-Version"])
.problems(&[Code::Unavailable])
.sampled();

kit::settings! {
    /// What the function needs beside the snapshot and the secret.
    pub struct Settings {
        /// Where devices are kept.
        devices_table: ResourceName = "DEVICES_TABLE", example "madang-dev-devices";
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
    SecretSettings::VARIABLES,
    Settings::VARIABLES,
];

struct State {
    campaigns: Watched<Arc<Snapshot>>,
    lineup: Mutex<Lineup>,
    devices: Devices,
    keys: Secret<Keys>,
    settings: Settings,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, ((snapshots, secrets), settings), aws) = aws::start(vars, NAME, |vars| {
        let shared = Faults::both(SnapshotSettings::read(vars), SecretSettings::read(vars));
        Faults::both(shared, Settings::read(vars))
    })?;
    let devices = Database::connect(&aws, Pace::HOT).table(&settings.devices_table.0);
    let state = Arc::new(State {
        campaigns: snapshots
            .source(&aws)
            .reader(Kind::Campaigns, |format, bytes| {
                Snapshot::load(format, bytes).map(Arc::new)
            }),
        lineup: Mutex::default(),
        devices: Devices::new(devices),
        keys: secrets.secret(&aws, &settings.tracking_keys.0, Keys::parse),
        settings,
    });
    Ok(kit::Api::new(NAME, runtime)
        .route(POST, &state, post)
        .build())
}

async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, Json<Request>>,
) -> Result<Reply<Written<Answer<'static>>>, Problem> {
    let now = call.now();
    let mut rng = call.rng();
    let device = call.device_id()?;
    let store = call.app_store();
    let app_version = call.header("x-app-version").map(ToOwned::to_owned);
    let mut request = call.body.0;
    request.device.id = request.device.id.or(device);
    request.device.app_version = request.device.app_version.or(app_version);

    let device = request.device.id.clone();
    let (snapshot, keys, profile) = tokio::join!(
        state.campaigns.current(now),
        state.keys.get(now),
        state.profile(device.as_ref(), now),
    );
    let (snapshot, keys) = (snapshot?, keys?);
    let profile = profile.unwrap_or_else(|Unreachable| {
        request.device.id = None;
        None
    });

    let lineup = state.lineup(&snapshot.content, now);
    let (showings, leases) = (Showings::default(), HashMap::new());
    let given = Given {
        request: &request,
        profile: profile.as_ref(),
        config: None,
        showings: &showings,
        leases: &leases,
        store,
        now,
    };
    let allocation = allocate(&lineup, &given, &mut rng);
    let request_id = RandomId::new(now, &mut rng);
    let served = Served {
        keys: &keys,
        request_id,
        request: &request,
        device: device.as_ref().map(DeviceKey::of),
        origin: &call.facts.origin,
        now,
        expires_at: now + state.settings.token_lifetime.0,
    };
    let items = allocation
        .placed
        .iter()
        .filter_map(|placed| served.item(placed));
    let answer = Answer {
        request_id,
        ttl_s: served.ttl_s(&allocation.placed),
        items: items.collect(),
        fallback: allocation.fallback,
    };
    Ok(Reply::new(http::StatusCode::OK, Written::new(&answer)?))
}

/// The device cannot be read now: it is served as one that did not say which it is.
struct Unreachable;

impl State {
    /// The lineup of the newest campaigns: made when they are new, or when it no longer stands.
    fn lineup(&self, snapshot: &Arc<Snapshot>, now: Instant) -> Lineup {
        let mut held = self.lineup.lock().unwrap_or_else(PoisonError::into_inner);
        *held = if held.is_of(snapshot) {
            held.at(now)
        } else {
            let delivery = Arc::default();
            Lineup::new(Arc::clone(snapshot), delivery, Duration::ZERO, now)
        };
        held.clone()
    }

    async fn profile(
        &self,
        device: Option<&DeviceId>,
        now: Instant,
    ) -> Result<Option<Profile>, Unreachable> {
        let Some(device) = device else {
            return Ok(None);
        };
        let record = self.devices.record(device, now).await.map_err(|error| {
            tracing::warn!(error = %Chain(&error), "served without the device's profile");
            Unreachable
        })?;
        Ok(record.profile.map(|stored| stored.profile))
    }
}

/// What the items of one answer share.
struct Served<'a> {
    keys: &'a Keys,
    request_id: RandomId,
    request: &'a Request,
    device: Option<DeviceKey>,
    origin: &'a str,
    now: Instant,
    expires_at: Instant,
}

impl<'a> Served<'a> {
    fn item(&self, placed: &Placed<'a>) -> Option<Item<'a>> {
        let Placed {
            campaign, creative, ..
        } = placed;
        let placement = &self.request.placements.get(placed.placement)?.id;
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
            lease: None,
            expires_at: self.expires_at,
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
            expires_at: self.expires_at,
        })
    }

    /// Nothing is shown past its campaign's end.
    fn ttl_s(&self, placed: &[Placed<'_>]) -> u32 {
        let ends = placed.iter().filter_map(|placed| placed.campaign.ends_at);
        let left = ends.map(|end| end.since(self.now).as_secs()).min();
        u32::try_from(left.unwrap_or(TTL_S).min(TTL_S)).unwrap_or(0)
    }
}
