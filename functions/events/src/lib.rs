//! `POST /v1/events`: what apps tell, each event counted once.
//!
//! An event is counted and not kept. A body that is not what the route takes is refused as a whole; an
//! event with a value that is not legal is refused by itself, and told by its place. Where not all of
//! the others could be counted the answer is 503, and the same body may be sent again: what was counted
//! is then repeated.
#![forbid(unsafe_code)]

mod published;

use std::sync::Arc;

use aws::Pace;
use domain::{
    DeviceKey,
    events::{ClientEvent, Event, EventRefusal, EventType, Item},
};
use garde::Validate;
use kit::{
    Call, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::{ResourceName, Variable},
    extract, reply,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{
    Database, Events, Stamp,
    edge::{Calls, CountedBy, LimitSettings, Limits, SnapshotSettings},
    events::Outcome,
};

use crate::published::Items;

const NAME: &str = "events";

const POST: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/events",
    "postEvents",
    "Counts what an app tells, each event once, however often it is sent",
)
.headers(&["X-Device-Id"])
.problems(&[Code::Unavailable]);

kit::settings! {
    /// What the function needs beside the snapshots.
    pub struct Settings {
        /// Where events are counted.
        marks_table: ResourceName = "MARKS_TABLE", example "madang-dev-marks";
        /// Calls with events a minute from one address (IPv6: from one /64).
        per_address: Calls = "EVENTS_LIMIT_ADDRESS_PER_MIN", default "600";
    }
}

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SnapshotSettings::VARIABLES,
    LimitSettings::VARIABLES,
    Settings::VARIABLES,
];

struct State {
    items: Items,
    events: Events,
    limits: Limits,
    per_address: Calls,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, (snapshots, (limits, settings)), aws) = aws::start(vars, NAME, |vars| {
        let own = Faults::both(LimitSettings::read(vars), Settings::read(vars));
        Faults::both(SnapshotSettings::read(vars), own)
    })?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let published = snapshots.source(&aws);
    let state = Arc::new(State {
        items: Items::new(&published),
        events: Events::new(database.table(&settings.marks_table.0)),
        limits: limits.limits(&database),
        per_address: settings.per_address,
    });
    Ok(kit::Api::new(NAME, runtime)
        .gate(published.gate())
        .route(POST, &state, post)
        .build())
}

/// The body of `POST /v1/events`.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "EventBatch")]
pub struct Batch {
    /// What happened, 1 to 100 events in any order.
    #[garde(length(min = 1, max = 100), dive)]
    events: Vec<ClientEvent>,
}

/// The answer of `POST /v1/events`.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "EventsTaken")]
pub struct Taken {
    /// How many events this call counted.
    accepted: usize,
    /// How many were counted before, or stood earlier in the body.
    repeated: usize,
    /// The events that are not taken, however often they are sent.
    refused: Vec<Refused>,
}

/// An event that is not taken.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EventRefused")]
pub struct Refused {
    /// Its place in the body, from 0.
    index: usize,
    /// Why; of several reasons the first, in the order of an event's members.
    code: EventRefusal,
}

async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Beacon<Batch>>,
) -> Result<Reply<reply::Json<Taken>>, Problem> {
    let now = call.now();
    let quota = state.per_address.per_minute("events-address");
    let address = CountedBy::Address(call.facts.address);
    state.limits.check(address, quota, now).await?;
    let device = call.device_id().as_ref().map(DeviceKey::of);
    let told = &call.body.0.events;
    let published = state.items.published(told, now).await?;
    let (mut taken, mut events) = (Taken::default(), Vec::new());
    for (index, event) in told.iter().enumerate() {
        let is_published = |item: &Item| published.contains(item);
        let is_declared = |event_type: &EventType| published.declares(event_type);
        match Event::told(event, is_published, is_declared, now) {
            Ok(event) => events.push(event),
            Err(code) => taken.refused.push(Refused { index, code }),
        }
    }
    let stamp = Stamp::random(&mut call.rng());
    for outcome in state.events.count(&events, device, stamp).await? {
        match outcome {
            Outcome::Counted => taken.accepted += 1,
            Outcome::Repeated => taken.repeated += 1,
        }
    }
    Ok(Reply::ok(taken))
}
