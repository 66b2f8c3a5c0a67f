//! `GET | POST /v1/t/imp/{token}`, `/v1/t/clk/{token}`, `/v1/t/cv/{token}`: impressions, clicks and
//! conversions, each counted once.
//!
//! The token says everything of its mark, so counting is one conditional write. A click leads to the
//! campaign's own published URL, looked up by the token's campaign: nobody can make it lead
//! elsewhere.
#![forbid(unsafe_code)]

mod destinations;

use std::{sync::Arc, time::Duration};

use aws::Pace;
use domain::{
    Instant,
    allocation::Snapshot,
    marks::MarkKind,
    tracking::{Keys, Token, TokenRefused, Verified, verify},
};
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
    edge::SnapshotSettings,
    marks::{Mark, Names, Outcome},
};
use tokio::time;
use upstream::{Secret, SecretSettings};

use crate::destinations::Destinations;

const NAME: &str = "track";

/// The longest that a mark waits for the names behind its keys.
const PATIENCE: Duration = Duration::from_millis(200);

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

kit::settings! {
    /// What the function needs beside the snapshot and the secret.
    pub struct Settings {
        /// Where marks are kept.
        marks_table: ResourceName = "MARKS_TABLE", example "madang-dev-marks";
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
    destinations: Destinations,
    marks: Marks,
    keys: Secret<Keys>,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, ((snapshots, secrets), settings), aws) = aws::start(vars, NAME, |vars| {
        let shared = Faults::both(SnapshotSettings::read(vars), SecretSettings::read(vars));
        Faults::both(shared, Settings::read(vars))
    })?;
    let marks = Database::connect(&aws, Pace::NORMAL).table(&settings.marks_table.0);
    let state = Arc::new(State {
        destinations: Destinations::new(snapshots.source(&aws)),
        marks: Marks::new(marks),
        keys: secrets.secret(&aws, &settings.tracking_keys.0, Keys::parse),
    });
    Ok(kit::Api::new(NAME, runtime)
        .route(IMPRESSION_GET, &state, impression)
        .route(IMPRESSION_POST, &state, impression)
        .route(CLICK_GET, &state, clicked)
        .route(CLICK_POST, &state, clicked)
        .route(CONVERSION_GET, &state, conversion)
        .route(CONVERSION_POST, &state, conversion)
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

/// How a click is answered. Other parameters are let through: links get decorated on their way.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
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
    let now = call.now();
    let Verified { token, expired } = state.verified(&call.path.token, now).await?;
    let redirect = call.query.noredirect != Some(true);
    if !expired {
        let stamp = Stamp::random(&mut call.rng());
        match state.count(&token, MarkKind::Click, now, stamp).await {
            // Whoever clicked is let through all the same; only the count is lost.
            Err(problem) if redirect => {
                tracing::error!(code = problem.code.as_str(), "a click was not counted");
            }
            other => other?,
        }
    }
    if !redirect {
        return Ok(Reply::no_content());
    }
    let gone = || Problem::new(Code::NotFound).detail("the campaign is no longer published");
    let destination = state
        .destinations
        .of(token.campaign, now)
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
        let Verified { token, expired } = self.verified(&call.path.token, now).await?;
        if expired {
            return Err(Problem::new(Code::TrackingTokenInvalid));
        }
        self.count(&token, kind, now, Stamp::random(&mut call.rng()))
            .await?;
        Ok(Reply::no_content())
    }

    /// Verifies with the keys at hand; a token of a key that is not among them may be of one that was
    /// made since, so the keys are read again once.
    async fn verified(&self, token: &str, now: Instant) -> Result<Verified, Problem> {
        let refuse = |_| Problem::new(Code::TrackingTokenInvalid);
        let keys = self.keys.get(now).await?;
        match verify(&keys, token, now) {
            Err(TokenRefused::UnknownKey(_)) => {
                let keys = self.keys.refresh(now).await?;
                verify(&keys, token, now).map_err(refuse)
            }
            verified => verified.map_err(refuse),
        }
    }

    async fn count(
        &self,
        token: &Token,
        kind: MarkKind,
        now: Instant,
        stamp: Stamp,
    ) -> Result<(), Problem> {
        let names = self.names(token, now).await;
        let mark = Mark {
            token,
            kind,
            names: names.as_ref(),
            at: now,
        };
        if self.marks.count(mark, stamp).await? == Outcome::Repeated {
            tracing::debug!(kind = kind.as_str(), "counted before");
        }
        Ok(())
    }

    /// The ids behind the token's keys. What is at hand is not waited for; a campaign that was
    /// published since is worth a short look, and no more: a report can show the keys.
    async fn names(&self, token: &Token, now: Instant) -> Option<Names> {
        let campaigns = &self.destinations.campaigns;
        if let Some(held) = campaigns.held(now) {
            let names = names_in(&held.content, token);
            let published = held.published_at.map_or(0, Instant::as_minutes);
            if names.is_some() || token.issue_minute < published {
                return names;
            }
        }
        let newest = time::timeout(PATIENCE, campaigns.newest(now))
            .await
            .ok()??;
        names_in(&newest.content, token)
    }
}

fn names_in(campaigns: &Snapshot, token: &Token) -> Option<Names> {
    let campaign = campaigns.campaign_by_key(token.campaign)?;
    Some(Names {
        campaign: campaign.id.parse().ok()?,
        creative: campaign.creative_by_key(token.creative)?.id.parse().ok()?,
        placement: campaigns.placement_by_key(token.placement)?.clone(),
    })
}
