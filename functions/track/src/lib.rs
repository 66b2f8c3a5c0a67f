//! `GET | POST /v1/t/imp/{token}`, `/v1/t/clk/{token}`, `/v1/t/cv/{token}` and `POST /v1/t/batch`:
//! impressions, clicks and conversions, each counted once.
//!
//! The token says everything of its mark, so counting is one conditional write; an impression of a
//! campaign with caps, or one that was served under a lease, is one transaction with what it uses up.
//! A click leads to the campaign's own published URL, looked up by the token's campaign: nobody can
//! make it lead elsewhere. Marks of machines are answered like others, and count nowhere. A `HEAD` is
//! answered as a `GET` would be, and counts nothing.
#![forbid(unsafe_code)]

mod batch;
mod campaigns;
mod counting;
mod robots;

use std::{sync::Arc, time::Duration};

use aws::Pace;
use domain::{marks::MarkKind, tracking::Keys};
use garde::Validate;
use http::{HeaderValue, StatusCode, header};
use kit::{
    Call, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::{ResourceName, Variable},
    reply::Empty,
};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    Database, Marks, Stamp,
    edge::{ConversionWindow, SnapshotSettings},
    marks::Tables,
};
use upstream::{Secret, SecretSettings};

pub use crate::robots::RobotNames;
use crate::{campaigns::Campaigns, counting::Refused, robots::Robots};

const NAME: &str = "track";

const fn endpoint(method: Method, path: &'static str, operation: &'static str) -> Endpoint {
    Endpoint::new(
        method,
        path,
        operation,
        "Counts a mark once, however often it is sent",
    )
    .answers(&[204])
    .problems(&[Code::TrackingTokenInvalid, Code::Unavailable])
    .sampled()
    .during_maintenance()
}

const fn click(method: Method, operation: &'static str) -> Endpoint {
    endpoint(method, "/v1/t/clk/{token}", operation)
        .answers(&[204, 302])
        .problems(&[
            Code::TrackingTokenInvalid,
            Code::NotFound,
            Code::Unavailable,
        ])
}

const IMPRESSION_GET: Endpoint = endpoint(Method::Get, "/v1/t/imp/{token}", "getImpression");
const IMPRESSION_POST: Endpoint = endpoint(Method::Post, "/v1/t/imp/{token}", "postImpression");
const CLICK_GET: Endpoint = click(Method::Get, "getClick");
const CLICK_POST: Endpoint = click(Method::Post, "postClick");
const CONVERSION_GET: Endpoint = endpoint(Method::Get, "/v1/t/cv/{token}", "getConversion");
const CONVERSION_POST: Endpoint = endpoint(Method::Post, "/v1/t/cv/{token}", "postConversion");
const BATCH: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/t/batch",
    "postMarks",
    "Accepts the marks of a device that was offline, each once; what has failed may be sent again",
)
.problems(&[Code::Unavailable])
.sampled()
.during_maintenance();

kit::settings! {
    /// What the function needs beside the snapshot and the secret.
    pub struct Settings {
        /// Where marks are kept.
        marks_table: ResourceName = "MARKS_TABLE", example "madang-dev-marks";
        /// Where devices are kept.
        devices_table: ResourceName = "DEVICES_TABLE", example "madang-dev-devices";
        /// Where leases of budgets are kept.
        budgets_table: ResourceName = "BUDGETS_TABLE", example "madang-dev-budgets";
        /// For how long after its token was given out a conversion counts, where that is longer than
        /// the token's own life.
        conversion_window: ConversionWindow = "CONVERSION_WINDOW_S", default "0";
        /// Names of more robots, beside the maintained list that is built in: marks of a user agent with
        /// one of them as a whole word are stored, flagged, and count nowhere. The names are looked for in
        /// every user agent, also in those of apps.
        robots: RobotNames = "BOT_USER_AGENTS", default "", example "acme-monitor,acme-fetch/";
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
    campaigns: Campaigns,
    marks: Marks,
    keys: Secret<Keys>,
    conversion_window: Duration,
    robots: Robots,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, ((snapshots, secrets), settings), aws) = aws::start(vars, NAME, |vars| {
        let shared = Faults::both(SnapshotSettings::read(vars), SecretSettings::read(vars));
        Faults::both(shared, Settings::read(vars))
    })?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let state = Arc::new(State {
        campaigns: Campaigns::new(snapshots.source(&aws)),
        marks: Marks::new(Tables {
            marks: database.table(&settings.marks_table.0),
            devices: database.table(&settings.devices_table.0),
            budgets: database.table(&settings.budgets_table.0),
        }),
        keys: secrets.secret(&aws, &settings.tracking_keys.0, Keys::parse),
        conversion_window: settings.conversion_window.0,
        robots: Robots::new(&settings.robots),
    });
    Ok(kit::Api::new(NAME, runtime)
        .route(IMPRESSION_GET, &state, impression)
        .route(IMPRESSION_POST, &state, impression)
        .route(CLICK_GET, &state, clicked)
        .route(CLICK_POST, &state, clicked)
        .route(CONVERSION_GET, &state, conversion)
        .route(CONVERSION_POST, &state, conversion)
        .route(BATCH, &state, batch::post)
        .build())
}

/// The token in the path.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct TokenPath {
    /// As it was given out.
    #[garde(skip)]
    token: String,
}

/// How a click is answered.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ClickQuery {
    /// 204 instead of a redirect.
    #[garde(skip)]
    noredirect: Option<bool>,
}

async fn impression(
    state: Arc<State>,
    call: Call<TokenPath, Nothing, Nothing>,
) -> Result<Reply<Empty>, Problem> {
    state.count_only(&call, MarkKind::Impression).await
}

async fn conversion(
    state: Arc<State>,
    call: Call<TokenPath, Nothing, Nothing>,
) -> Result<Reply<Empty>, Problem> {
    state.count_only(&call, MarkKind::Conversion).await
}

async fn clicked(
    state: Arc<State>,
    call: Call<TokenPath, ClickQuery, Nothing>,
) -> Result<Reply<Empty>, Problem> {
    let (now, kind) = (call.now(), MarkKind::Click);
    let redirect = call.query.noredirect != Some(true);
    let token = match state.countable(&call.path.token, kind, now).await {
        Ok(token) if call.facts.is_head() => token,
        Ok(token) => {
            let flagged = state.robots.sent(&call.headers);
            let stamp = Stamp::random(&mut call.rng());
            match state.count(&token, kind, flagged, now, stamp).await {
                // Whoever clicked is let through all the same; only the count is lost.
                Err(problem) if redirect => {
                    tracing::error!(code = problem.code.as_str(), "a click was not counted");
                }
                counted => drop(counted?),
            }
            token
        }
        Err(Refused::Expired(token)) => token,
        Err(refused) => return Err(refused.into()),
    };
    if !redirect {
        return Ok(Reply::no_content());
    }
    let gone = || Problem::new(Code::NotFound).detail("the campaign is no longer published");
    let destination = state
        .campaigns
        .destination(&token, now)
        .await?
        .ok_or_else(gone)?;
    let location = HeaderValue::from_str(&destination).map_err(|_| gone())?;
    Ok(Reply::new(StatusCode::FOUND, Empty).header(header::LOCATION, location))
}

impl State {
    async fn count_only(
        &self,
        call: &Call<TokenPath, Nothing, Nothing>,
        kind: MarkKind,
    ) -> Result<Reply<Empty>, Problem> {
        let now = call.now();
        let token = self.countable(&call.path.token, kind, now).await?;
        if call.facts.is_head() {
            return Ok(Reply::no_content());
        }
        let flagged = self.robots.sent(&call.headers);
        let stamp = Stamp::random(&mut call.rng());
        self.count(&token, kind, flagged, now, stamp).await?;
        Ok(Reply::no_content())
    }
}
