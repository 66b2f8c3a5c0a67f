//! `GET /v1/launch`: everything an app asks for at its start, in one round trip.
//!
//! Its parts are made at once, each within a deadline of its own: one that fails is `null`, with the
//! reason in `missing`, and one that hangs delays the answer by no more than its deadline. Each part
//! also stands alone, at a route of its own, and is the same there.
#![forbid(unsafe_code)]

mod answer;
mod parts;

use std::sync::Arc;

use aws::Pace;
use domain::{
    content::Kind,
    liveops::{Banners, Notices, RemoteConfig},
};
use kit::{
    Call, Caller, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::Variable, middleware::Authority, reply::Written,
};
use liveops::{
    AUDIENCE_HEADERS, Caching, CachingSettings, EXPLAIN, OperatorSettings, PlacementQuery,
    ProfileSettings, Profiles, StatusReader, StatusSettings,
};
use store::{
    Database, Members,
    edge::{SnapshotSettings, TokenSettings, Watched},
};

use crate::{answer::LaunchAnswer, parts::Deadlines};

const NAME: &str = "launch";

// The token is verified where it is needed, so that a bad one costs no other part.
const GET: Endpoint = Endpoint::new(
    Method::Get,
    "/v1/launch",
    "launch",
    "Everything an app asks for at its start; with an access token, what is unread too",
)
.caller(Caller::PublicOrOperator(EXPLAIN))
.headers(AUDIENCE_HEADERS)
.answers(&[200, 304])
.problems(&[Code::Unavailable])
.takes_token()
.during_maintenance();

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SnapshotSettings::VARIABLES,
    TokenSettings::VARIABLES,
    StatusSettings::VARIABLES,
    CachingSettings::VARIABLES,
    ProfileSettings::VARIABLES,
    OperatorSettings::VARIABLES,
    Deadlines::VARIABLES,
];

struct State {
    status: StatusReader,
    config: Watched<RemoteConfig>,
    banners: Watched<Banners>,
    notices: Watched<Notices>,
    profiles: Profiles,
    members: Members,
    authority: Arc<dyn Authority>,
    caching: Caching,
    deadlines: Deadlines,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (
        runtime,
        (((snapshots, status), token), ((caching, deadlines), (profiles, operators))),
        aws,
    ) = aws::start(vars, NAME, |vars| {
        let published = Faults::both(SnapshotSettings::read(vars), StatusSettings::read(vars));
        let answers = Faults::both(CachingSettings::read(vars), Deadlines::read(vars));
        let people = Faults::both(ProfileSettings::read(vars), OperatorSettings::read(vars));
        Faults::both(
            Faults::both(published, TokenSettings::read(vars)),
            Faults::both(answers, people),
        )
    })?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let hot = Database::connect(&aws, Pace::HOT);
    let published = snapshots.source(&aws);
    let service_keys = operators.service_keys(&database);
    let authority: Arc<dyn Authority> = Arc::new(
        token
            .authority(&database)
            .with_service_keys(service_keys, runtime.clock.clone()),
    );
    let state = Arc::new(State {
        status: StatusReader::new(&published, &status),
        config: published.reader(Kind::Config, RemoteConfig::load),
        banners: published.reader(Kind::Banners, Banners::load),
        notices: published.reader(Kind::Notices, Notices::load),
        profiles: profiles.profiles(&aws),
        members: Members::new(hot.table(&token.members_table.0)),
        authority: Arc::clone(&authority),
        caching: Caching::from(&caching).varying_by_token(),
        deadlines,
    });
    Ok(kit::Api::new(NAME, runtime)
        .authority(authority)
        .route(GET, &state, get)
        .build())
}

async fn get(
    state: Arc<State>,
    call: Call<Nothing, PlacementQuery, Nothing>,
) -> Result<Reply<Written<LaunchAnswer<'static>>>, Problem> {
    let explained = liveops::explained(&call, call.query.explain)?;
    let visitor = liveops::Visitor::of(&call);
    let asking = liveops::Asking::new(&visitor, &state.profiles, call.now())
        .by_token(&*state.authority, &call.headers);
    // All parts at once take more than a future should have on the stack.
    let parts = Box::pin(state.parts(&asking, &call.headers, explained)).await;
    if parts.nothing_published() {
        return Err(Problem::unavailable(
            "nothing that is published can be read",
        ));
    }
    let placement = call.query.placement.as_ref();
    answer::reply(&state.caching, &parts, &asking, placement, explained)
}
