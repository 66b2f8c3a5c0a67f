//! `GET /v1/banners`: which banners an app shows now, in one of its places or in all of them.
#![forbid(unsafe_code)]

use std::sync::Arc;

use aws::Pace;
use domain::{
    content::Kind,
    liveops::{BannerAnswer, Banners, Explained, Selection},
};
use kit::{
    Call, Caller, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::Variable, middleware::Authority, reply::Written,
};
use liveops::{
    AUDIENCE_HEADERS, Asking, Caching, CachingSettings, EXPLAIN, Keeping, OperatorSettings,
    PlacementQuery, ProfileSettings, Profiles, Visitor, explained,
};
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    Database,
    edge::{SnapshotSettings, TokenSettings, Watched},
};

const NAME: &str = "banners";

const GET: Endpoint = Endpoint::new(
    Method::Get,
    "/v1/banners",
    "getBanners",
    "Which banners to show now",
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
    banners: Watched<Banners>,
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
        banners: published.reader(Kind::Banners, Banners::load),
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

/// Which banners to show now.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Banners")]
pub struct BannersAnswer<'s> {
    /// The greatest priority first, then the newest.
    banners: Vec<BannerAnswer<'s>>,
    /// What became of every published banner; for operators who asked with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Vec<Explained<'s>>>,
}

async fn get(
    state: Arc<State>,
    call: Call<Nothing, PlacementQuery, Nothing>,
) -> Result<Reply<Written<BannersAnswer<'static>>>, Problem> {
    let now = call.now();
    let explained = explained(&call, call.query.explain)?;
    let visitor = Visitor::of(&call);
    let asking =
        Asking::new(&visitor, &state.profiles, now).by_token(&*state.authority, &call.headers);
    let known = asking.known(&state.banners).await?;
    let banners = &known.snapshot.content;
    let selection = Selection {
        placement: call.query.placement.as_ref(),
        audience: known.audience(),
        now,
    };
    let answer = BannersAnswer {
        banners: banners.shown(&selection),
        explain: explained.then(|| banners.explain(&selection)),
    };
    let keeping =
        Keeping::of(&visitor).nobody_if(explained || !known.complete || known.is_members());
    let boundary = banners.next_boundary(now);
    state.caching.varying_by_token_if(known.by_member).answer(
        &answer,
        &visitor,
        keeping,
        (now, boundary),
    )
}
