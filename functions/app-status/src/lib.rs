//! `GET /v1/app/status`: may this version of the app run now, and is there a newer one?
//!
//! Answers 200 whatever gate is closed: the status says which. The rules are
//! [`domain::app_status`]'s.
#![forbid(unsafe_code)]

use std::sync::Arc;

use aws::Pace;
use domain::{
    Instant,
    app_status::{AppStatus, Explanation},
};
use kit::{
    Call, Caller, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::Variable, reply::Written,
};
use liveops::{
    AUDIENCE_HEADERS, Caching, CachingSettings, EXPLAIN, ExplainQuery, Keeping, OperatorSettings,
    StatusReader, StatusSettings, Visitor, explained, tag,
};
use schemars::JsonSchema;
use serde::Serialize;
use store::{Database, edge::SnapshotSettings};

const NAME: &str = "app-status";

const GET: Endpoint = Endpoint::new(
    Method::Get,
    "/v1/app/status",
    "getAppStatus",
    "Whether this app version may run now",
)
.caller(Caller::PublicOrOperator(EXPLAIN))
.headers(AUDIENCE_HEADERS)
.answers(&[200, 304])
.problems(&[Code::Unavailable])
.during_maintenance();

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SnapshotSettings::VARIABLES,
    StatusSettings::VARIABLES,
    CachingSettings::VARIABLES,
    OperatorSettings::VARIABLES,
];

struct State {
    status: StatusReader,
    caching: Caching,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, ((snapshots, status), (caching, operators)), aws) =
        aws::start(vars, NAME, |vars| {
            Faults::both(
                Faults::both(SnapshotSettings::read(vars), StatusSettings::read(vars)),
                Faults::both(CachingSettings::read(vars), OperatorSettings::read(vars)),
            )
        })?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let state = Arc::new(State {
        status: StatusReader::new(&snapshots.source(&aws), &status),
        caching: Caching::from(&caching),
    });
    Ok(kit::Api::new(NAME, runtime.clone())
        .authority(operators.authority(&database, runtime.clock))
        .route(GET, &state, get)
        .build())
}

/// Whether an app may run now.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AppStatusAnswer")]
pub struct StatusAnswer<'s> {
    #[serde(flatten)]
    status: AppStatus,
    /// Why it is so; for operators who asked with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Explanation<'s>>,
}

async fn get(
    state: Arc<State>,
    call: Call<Nothing, ExplainQuery, Nothing>,
) -> Result<Reply<Written<StatusAnswer<'static>>>, Problem> {
    let now = call.now();
    let explained = explained(&call, call.query.explain)?;
    let visitor = Visitor::of(&call);
    let known = state.status.known(now).await?;
    let evaluation = known.evaluate(&visitor, now);
    let keeping = Keeping::from(&evaluation).nobody_if(explained);
    let boundary = evaluation.next_boundary;
    let answer = StatusAnswer {
        status: evaluation.answer,
        explain: explained.then(|| known.explain(&visitor, now)),
    };
    let etag = tag(&(timeless(&answer.status), &answer.explain))?;
    let document = Written::new(&answer)?;
    Ok(state
        .caching
        .reply(document, &etag, &visitor, keeping, (now, boundary)))
}

/// The answer without what differs from second to second.
fn timeless(status: &AppStatus) -> AppStatus {
    AppStatus {
        server_time: Instant::default(),
        poll_after_s: 0,
        ..status.clone()
    }
}
