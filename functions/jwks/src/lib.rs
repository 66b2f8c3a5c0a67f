//! `GET /.well-known/jwks.json`: the public keys that access tokens are verified with, by whoever
//! wants to (RFC 7517).
//!
//! The key that signs next is among them long before it does, so that a copy which is kept for as
//! long as the answer allows never lacks a key.
#![forbid(unsafe_code)]

use std::sync::Arc;

use aws::Pace;
use kit::{
    Call, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::{ResourceName, Variable},
    reply::Json,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use store::{Database, PublicKeys, PublishedKeys};

const NAME: &str = "jwks";

const GET: Endpoint = Endpoint::new(
    Method::Get,
    "/.well-known/jwks.json",
    "getPublicKeys",
    "The public keys that access tokens are verified with",
)
.problems(&[Code::Unavailable])
.during_maintenance();

kit::settings! {
    /// What the function needs.
    pub struct Settings {
        /// Where public signing keys are kept.
        members_table: ResourceName = "MEMBERS_TABLE", example "madang-dev-members";
    }
}

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    Settings::VARIABLES,
];

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, settings, aws) = aws::start(vars, NAME, Settings::read)?;
    let members = Database::connect(&aws, Pace::NORMAL).table(&settings.members_table.0);
    let keys = Arc::new(PublicKeys::new(PublishedKeys::new(members)));
    Ok(kit::Api::new(NAME, runtime).route(GET, &keys, get).build())
}

/// A JWK Set (RFC 7517, section 5).
#[derive(Debug, Serialize, JsonSchema)]
pub struct JwkSet {
    /// The keys: EC keys on P-256, for ES256, each with its `kid`.
    keys: Vec<Map<String, Value>>,
}

async fn get(
    keys: Arc<PublicKeys>,
    call: Call<Nothing, Nothing, Nothing>,
) -> Result<Reply<Json<JwkSet>>, Problem> {
    let Some(known) = keys.current(call.now()).await else {
        return Err(Problem::unavailable("the keys cannot be read"));
    };
    let jwk = |key: &store::signing_keys::PublicKey| key.jwk.as_object().cloned();
    let set = JwkSet {
        keys: known.published.iter().filter_map(jwk).collect(),
    };
    let reply = Reply::ok(set);
    Ok(match known.published.is_empty() {
        // Nobody is to keep it that there are none yet.
        true => reply,
        false => reply
            .cache_control("public, max-age=600")
            .etag(&known.version()),
    })
}
