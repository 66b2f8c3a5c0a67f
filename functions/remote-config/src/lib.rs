//! `GET /v1/config`: which values the app is set by, flags among them.
#![forbid(unsafe_code)]

use std::{collections::BTreeMap, sync::Arc};

use aws::Pace;
use domain::{
    content::Kind,
    liveops::{ExplainedParameter, RemoteConfig},
    validation::JsonValue,
};
use kit::{
    Call, Caller, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::Variable, middleware::Authority, reply::Written,
};
use liveops::{
    AUDIENCE_HEADERS, Asking, Caching, CachingSettings, EXPLAIN, ExplainQuery, Keeping,
    OperatorSettings, ProfileSettings, Profiles, Visitor, explained,
};
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    Database,
    edge::{SnapshotSettings, TokenSettings, Watched},
};

const NAME: &str = "remote-config";

const GET: Endpoint = Endpoint::new(
    Method::Get,
    "/v1/config",
    "getConfig",
    "Which values the app is set by",
)
.caller(Caller::PublicOrOperator(EXPLAIN))
.headers(AUDIENCE_HEADERS)
.answers(&[200, 304])
.problems(&[Code::Unavailable])
.takes_token();

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SnapshotSettings::VARIABLES,
    TokenSettings::VARIABLES,
    CachingSettings::VARIABLES,
    ProfileSettings::VARIABLES,
    OperatorSettings::VARIABLES,
];

struct State {
    config: Watched<RemoteConfig>,
    profiles: Profiles,
    /// Verifies access tokens, where published rules look at the member.
    authority: Arc<dyn Authority>,
    caching: Caching,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, (((snapshots, token), caching), (profiles, operators)), aws) =
        aws::start(vars, NAME, |vars| {
            let published = Faults::both(SnapshotSettings::read(vars), TokenSettings::read(vars));
            Faults::both(
                Faults::both(published, CachingSettings::read(vars)),
                Faults::both(ProfileSettings::read(vars), OperatorSettings::read(vars)),
            )
        })?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let published = snapshots.source(&aws);
    let service_keys = operators.service_keys(&database);
    let authority: Arc<dyn Authority> = Arc::new(
        token
            .authority(&database)
            .with_service_keys(service_keys, runtime.clock.clone()),
    );
    let state = Arc::new(State {
        config: published.reader(Kind::Config, RemoteConfig::load),
        profiles: profiles.profiles(&aws),
        authority: Arc::clone(&authority),
        caching: Caching::from(&caching),
    });
    Ok(kit::Api::new(NAME, runtime)
        .gate(published.gate())
        .authority(authority)
        .route(GET, &state, get)
        .build())
}

/// Which values the app is set by.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Config")]
pub struct ConfigAnswer<'s> {
    /// The published version that they are of; 0 where nothing was published yet.
    version: u64,
    /// The values by their keys.
    values: BTreeMap<&'s str, &'s JsonValue>,
    /// Why each value is what it is; for operators who asked with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<BTreeMap<&'s str, ExplainedParameter<'s>>>,
}

async fn get(
    state: Arc<State>,
    call: Call<Nothing, ExplainQuery, Nothing>,
) -> Result<Reply<Written<ConfigAnswer<'static>>>, Problem> {
    let now = call.now();
    let explained = explained(&call, call.query.explain)?;
    let visitor = Visitor::of(&call);
    let asking =
        Asking::new(&visitor, &state.profiles, now).by_token(&*state.authority, &call.headers);
    let known = asking.known(&state.config).await?;
    let (config, audience) = (&known.snapshot.content, known.audience());
    let answer = ConfigAnswer {
        version: known.snapshot.version,
        values: config.evaluate(&audience, now),
        explain: explained.then(|| config.explain(&audience, now)),
    };
    let keeping =
        Keeping::of(&visitor).nobody_if(explained || !known.complete || known.is_members());
    state.caching.varying_by_token_if(known.by_member).answer(
        &answer,
        &visitor,
        keeping,
        (now, None),
    )
}
