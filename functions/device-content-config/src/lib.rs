//! `GET · PUT /v1/devices/{id}/content-config`: what a device's user wants to see: categories switched
//! on or off, and how often campaigns are shown.
//!
//! It is put whole, and belongs to the member who put it: another member on the device has the defaults
//! until they put theirs. Where nothing was put, or not for long, the defaults hold. Allocations go by the
//! one that was put last.
#![forbid(unsafe_code)]

use std::sync::Arc;

use aws::Pace;
use domain::{
    DeviceId,
    allocation::{ContentConfig, StoredContentConfig},
};
use garde::Validate;
use kit::{
    Call, Caller, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Rate, Reply, Vars,
    config::{ResourceName, Variable},
    extract, reply,
};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    Database, Devices, Members, Rates, ServiceKeys, Stamp,
    devices::{DeviceOwner, DeviceWriter},
    edge::{self, SnapshotSettings, TokenSettings},
};

const NAME: &str = "device-content-config";
const PATH: &str = "/v1/devices/{id}/content-config";
const SCOPE: &str = "devices:write";

const GET: Endpoint = Endpoint::new(
    Method::Get,
    PATH,
    "getDeviceContentConfig",
    "What a device's user wants to see: what was put, or the defaults",
)
.caller(Caller::Device(SCOPE))
.problems(&[Code::Unavailable]);
const PUT: Endpoint = Endpoint::new(
    Method::Put,
    PATH,
    "putDeviceContentConfig",
    "Puts what a device's user wants to see",
)
.caller(Caller::Device(SCOPE))
.rate(Rate::Caller { per_minute: 120 })
.problems(&[Code::Unavailable]);

kit::settings! {
    /// What the function needs.
    pub struct Settings {
        /// Where devices are kept.
        devices_table: ResourceName = "DEVICES_TABLE", example "madang-dev-devices";
        /// Where service keys are kept.
        operators_table: ResourceName = "OPERATORS_TABLE", example "madang-dev-operators";
        /// Where calls are counted.
        requests_table: ResourceName = "REQUESTS_TABLE", example "madang-dev-requests";
    }
}

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SnapshotSettings::VARIABLES,
    TokenSettings::VARIABLES,
    Settings::VARIABLES,
];

struct State {
    devices: Devices,
    writer: DeviceWriter,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, (tokens, settings), aws, gate) = edge::start_gated(vars, NAME, |vars| {
        Faults::both(TokenSettings::read(vars), Settings::read(vars))
    })?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let devices = Devices::new(database.table(&settings.devices_table.0));
    let members = Members::new(database.table(&tokens.members_table.0));
    let state = Arc::new(State {
        writer: DeviceWriter::new(devices.clone(), members),
        devices,
    });
    let keys = ServiceKeys::new(database.table(&settings.operators_table.0));
    let rates = Rates::new(database.table(&settings.requests_table.0));
    let authority = tokens
        .authority(&database)
        .with_service_keys(keys, runtime.clock.clone());
    Ok(kit::Api::new(NAME, runtime)
        .gate(gate)
        .authority(Arc::new(authority))
        .counter(Arc::new(rates))
        .route(GET, &state, get)
        .route(PUT, &state, put)
        .build())
}

/// Which device.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct DevicePath {
    /// Its id.
    #[garde(skip)]
    id: DeviceId,
}

async fn get(
    state: Arc<State>,
    call: Call<DevicePath, Nothing, Nothing>,
) -> Result<Reply<reply::Json<StoredContentConfig>>, Problem> {
    let owner = DeviceOwner::of(&call.principal)?;
    let stored = state
        .devices
        .content_config(&call.path.id, owner, call.now());
    Ok(Reply::ok(stored.await?))
}

async fn put(
    state: Arc<State>,
    call: Call<DevicePath, Nothing, extract::Json<ContentConfig>>,
) -> Result<Reply<reply::Json<StoredContentConfig>>, Problem> {
    let (now, stamp) = (call.now(), Stamp::random(&mut call.rng()));
    let (owner, config) = (DeviceOwner::of(&call.principal)?, call.body.0);
    let put = state
        .writer
        .put_content_config(&call.path.id, owner, &config, stamp, now);
    put.await?.accepted()?;
    Ok(Reply::ok(StoredContentConfig {
        config,
        updated_at: Some(now),
    }))
}
