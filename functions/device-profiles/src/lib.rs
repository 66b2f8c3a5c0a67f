//! `PUT · GET · DELETE /v1/devices/{id}/profile`, `POST /v1/profiles` and
//! `PUT · GET · DELETE /v1/devices/{id}/segments`: what targeting reads of a device.
//!
//! A profile is put whole, and belongs to the member who put it. Another member on the device finds none
//! and puts their own; targeting goes by the one that was put last. A service key is an owner too: what it
//! puts is the app's, and where the app has put nothing it reads what a member put. `POST` inserts and
//! never overwrites. `DELETE` erases what its caller owns; by a service key it erases everything that is
//! stored of the device. Erasing nothing is no error.
//!
//! Segments and server attributes are the app's own systems' word on the user; members neither read nor
//! write them.
#![forbid(unsafe_code)]

mod segments;

use std::sync::Arc;

use aws::Pace;
use domain::{
    DeviceId, DeviceKey,
    allocation::{NewProfile, Profile, StoredProfile},
};
use garde::Validate;
use kit::{
    Call, Caller, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Rate, Reply, Vars,
    config::{ResourceName, Variable},
    extract, reply,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{
    Database, Members, Stamp,
    devices::{DeviceOwner, DeviceWriter, Devices, PutMode},
    edge::{self, SnapshotSettings, TokenSettings},
    rate::Rates,
    service_keys::ServiceKeys,
};

const NAME: &str = "device-profiles";
const PATH: &str = "/v1/devices/{id}/profile";
const SCOPE: &str = "devices:write";
const RATE: Rate = Rate::Caller { per_minute: 120 };

const PUT: Endpoint = Endpoint::new(
    Method::Put,
    PATH,
    "putDeviceProfile",
    "Put a device's profile",
)
.caller(Caller::Device(SCOPE))
.rate(RATE)
.problems(&[Code::Unavailable]);
const GET: Endpoint = Endpoint::new(
    Method::Get,
    PATH,
    "getDeviceProfile",
    "Get the profile that the caller put",
)
.caller(Caller::Device(SCOPE))
.problems(&[Code::NotFound, Code::Unavailable]);
const DELETE: Endpoint = Endpoint::new(
    Method::Delete,
    PATH,
    "deleteDevice",
    "Erase what the caller put on a device",
)
.caller(Caller::Device(SCOPE))
.rate(RATE)
.answers(&[204])
.problems(&[Code::Unavailable]);
const POST: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/profiles",
    "insertDeviceProfile",
    "Create a device's profile",
)
.caller(Caller::Device(SCOPE))
.answers(&[201])
.problems(&[Code::ProfileExists, Code::Unavailable]);

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
        .route(PUT, &state, put)
        .route(GET, &state, get)
        .route(DELETE, &state, delete)
        .route(POST, &state, insert)
        .route(segments::PUT, &state, segments::put)
        .route(segments::GET, &state, segments::get)
        .route(segments::DELETE, &state, segments::delete)
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

async fn put(
    state: Arc<State>,
    call: Call<DevicePath, Nothing, extract::Json<Profile>>,
) -> Result<Reply<reply::Json<StoredProfile>>, Problem> {
    let (updated_at, stamp) = (call.now(), Stamp::random(&mut call.rng()));
    let (owner, profile) = (DeviceOwner::of(&call.principal)?, call.body.0);
    let (id, mode) = (&call.path.id, PutMode::Replace);
    let put = state
        .writer
        .put_profile(id, owner, &profile, mode, stamp, updated_at);
    put.await?.accepted()?;
    Ok(Reply::ok(StoredProfile {
        profile,
        updated_at,
    }))
}

async fn get(
    state: Arc<State>,
    call: Call<DevicePath, Nothing, Nothing>,
) -> Result<Reply<reply::Json<StoredProfile>>, Problem> {
    let owner = DeviceOwner::of(&call.principal)?;
    let stored = state.devices.profile(&call.path.id, owner, call.now());
    stored
        .await?
        .map(Reply::ok)
        .ok_or_else(|| Problem::new(Code::NotFound))
}

async fn delete(
    state: Arc<State>,
    call: Call<DevicePath, Nothing, Nothing>,
) -> Result<Reply<reply::Empty>, Problem> {
    match DeviceOwner::of(&call.principal)? {
        DeviceOwner::Member(member) => {
            let device = DeviceKey::of(&call.path.id);
            state.devices.erase_own(device, member).await?;
        }
        DeviceOwner::App => {
            state.devices.erase(&call.path.id).await?;
        }
    }
    Ok(Reply::no_content())
}

/// A profile that was inserted.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InsertedProfile")]
pub struct Inserted {
    /// Whose it is.
    device_id: DeviceId,
    #[serde(flatten)]
    stored: StoredProfile,
}

async fn insert(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Json<NewProfile>>,
) -> Result<Reply<reply::Json<Inserted>>, Problem> {
    let (updated_at, stamp) = (call.now(), Stamp::random(&mut call.rng()));
    let (device_id, profile) = call.body.0.into_parts();
    call.principal.acts_for(&device_id)?;
    let owner = DeviceOwner::of(&call.principal)?;
    let mode = PutMode::Insert;
    let put = state
        .writer
        .put_profile(&device_id, owner, &profile, mode, stamp, updated_at);
    put.await?.accepted()?;
    let stored = StoredProfile {
        profile,
        updated_at,
    };
    Ok(Reply::created(Inserted { device_id, stored }))
}
