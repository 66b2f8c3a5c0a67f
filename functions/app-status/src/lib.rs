//! `GET /v1/app/status`: may this version of the app run now, and is there a newer one?
//!
//! Answers 200 whatever gate is closed: the status says which. The rules are
//! [`domain::app_status`]'s; here are the snapshots it reads, and how long an answer may be kept.
#![forbid(unsafe_code)]

use std::{str::FromStr, sync::Arc};

use domain::{
    Country, Instant, Locale, Platform, Store,
    app_status::{self, AppStatus, Caller, Evaluation, Published},
    content::{AppVersions, Kind, Maintenance, Testers},
};
use garde::Validate;
use http::{HeaderValue, header};
use kit::{
    Call, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::Variable, reply::Json,
};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use store::edge::{SnapshotSettings, Watched};

const NAME: &str = "app-status";

const GET: Endpoint = Endpoint::new(
    Method::Get,
    "/v1/app/status",
    "getAppStatus",
    "Whether this app version may run now",
)
.headers(&[
    "X-Device-Id",
    "X-App-Platform",
    "X-App-Store",
    "X-App-Version",
    "If-None-Match",
])
.answers(&[200, 304])
.problems(&[Code::Unavailable])
.during_maintenance();

kit::settings! {
    /// What the function needs beside the snapshots.
    pub struct Settings {
        /// Whether a required update is shown even while the app is closed.
        update_before_maintenance: bool = "UPDATE_BEFORE_MAINTENANCE", default "false";
    }
}

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SnapshotSettings::VARIABLES,
    Settings::VARIABLES,
];

struct State {
    versions: Watched<AppVersions>,
    maintenance: Watched<Maintenance>,
    testers: Watched<Testers>,
    settings: app_status::Settings,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, (snapshots, settings), aws) = aws::start(vars, NAME, |vars| {
        Faults::both(SnapshotSettings::read(vars), Settings::read(vars))
    })?;
    let published = snapshots.source(&aws);
    let state = Arc::new(State {
        versions: published.reader(Kind::AppVersions, AppVersions::load),
        maintenance: published.reader(Kind::Maintenance, Maintenance::load),
        testers: published.reader(Kind::Testers, Testers::load),
        settings: app_status::Settings {
            update_before_maintenance: settings.update_before_maintenance,
        },
    });
    Ok(kit::Api::new(NAME, runtime).route(GET, &state, get).build())
}

/// The app that asks. What the query leaves out, the `X-App-…` headers may say.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct StatusQuery {
    /// What it runs on.
    #[garde(skip)]
    platform: Option<Platform>,
    /// Where it was installed from.
    #[garde(skip)]
    store: Option<Store>,
    /// Its version; one that is no version passes every gate.
    #[garde(length(chars, max = 64))]
    version: Option<String>,
    /// The version of the operating system.
    #[garde(length(chars, max = 64))]
    os_version: Option<String>,
    /// Which language texts are wanted in.
    #[garde(skip)]
    locale: Option<Locale>,
    /// Where it is; no gate asks for it yet.
    #[garde(skip)]
    #[serde(rename = "country")]
    _country: Option<Country>,
}

async fn get(
    state: Arc<State>,
    call: Call<Nothing, StatusQuery, Nothing>,
) -> Result<Reply<Json<AppStatus>>, Problem> {
    let now = call.now();
    let (versions, maintenance, testers) = tokio::try_join!(
        state.versions.current(now),
        state.maintenance.current(now),
        state.testers.current(now),
    )?;
    let device_id = call.device_id()?;
    let query = &call.query;
    let version = query
        .version
        .as_deref()
        .or_else(|| call.header("x-app-version"));
    let caller = Caller {
        platform: query
            .platform
            .map_or_else(|| said(&call, "x-app-platform"), |it| Ok(Some(it)))?,
        store: query
            .store
            .map_or_else(|| said(&call, "x-app-store"), |it| Ok(Some(it)))?,
        version,
        os_version: query.os_version.as_deref(),
        locale: query.locale.as_ref(),
        device_id: device_id.as_ref(),
        address: call.facts.address,
    };
    let published = Published {
        versions: &versions.content,
        maintenance: &maintenance.content,
        testers: &testers.content,
    };
    let evaluation = app_status::evaluate(published, caller, state.settings, now);
    let etag = etag(&evaluation.answer)?;
    let max_age = max_age_s(&evaluation, now);
    let audience = if evaluation.personal {
        "private"
    } else {
        "public"
    };
    Ok(Reply::ok(evaluation.answer)
        .etag(&etag)
        .cache_control(&format!("{audience}, max-age={max_age}"))
        .header(header::VARY, HeaderValue::from_static(VARY)))
}

/// The headers that an answer depends on.
const VARY: &str = "x-app-platform, x-app-store, x-app-version, x-device-id";

/// The longest that an answer may be kept, in seconds.
const MAX_AGE_S: u64 = 10;

/// Never past the next schedule boundary.
fn max_age_s(evaluation: &Evaluation, now: Instant) -> u64 {
    evaluation.next_boundary.map_or(MAX_AGE_S, |boundary| {
        boundary.since(now).as_secs().min(MAX_AGE_S)
    })
}

/// The tag leaves out what differs from second to second.
fn etag(answer: &AppStatus) -> Result<String, Problem> {
    let mut document = serde_json::to_value(answer).map_err(|error| Problem::internal(&error))?;
    if let Some(document) = document.as_object_mut() {
        document.remove("server_time");
        document.remove("poll_after_s");
    }
    let digest = Sha256::digest(document.to_string());
    Ok(digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// What an `X-App-…` header says; one that says nothing we know is refused by name.
fn said<T: FromStr>(
    call: &Call<Nothing, StatusQuery, Nothing>,
    name: &'static str,
) -> Result<Option<T>, Problem> {
    call.header(name)
        .map(|text| {
            text.parse().map_err(|_| {
                Problem::new(Code::InvalidHeader).detail(format!("{name} has no known value"))
            })
        })
        .transpose()
}
