//! `/admin/v1/content/{kind}/…`: drafts, publications and versions of what operators write.
//!
//! A draft is one item, written under a precondition. A publish is stored as a fact and carried out
//! by the `publish` worker; a version, once made, never changes. See [`items`], [`import`],
//! [`publications`] and [`versions`].
#![forbid(unsafe_code)]

mod import;
mod items;
mod live;
mod publications;
mod versions;

use std::sync::Arc;

use aws::Pace;
use domain::{LinkSchemes, content::Kind};
use kit::{
    Code, Faults, Function, Problem, Vars,
    config::{ResourceName, Variable},
};
use store::{
    Blobs, Database,
    drafts::Drafts,
    edge::{IdempotencyRecords, KeyAuthority},
    idempotency::Requests,
    invoke::Worker,
    published::{Publications, Versions},
    service_keys::ServiceKeys,
};

use crate::live::Live;

const NAME: &str = "admin-content";

/// The scopes of service keys that these routes ask for.
const READ: &str = "content:read";
const WRITE: &str = "content:write";
const PUBLISH: &str = "content:publish";

kit::settings! {
    /// What the function needs.
    pub struct Settings {
        /// Where drafts, versions and heads are kept.
        content_table: ResourceName = "CONTENT_TABLE", example "madang-dev-content";
        /// Where service keys are kept.
        operators_table: ResourceName = "OPERATORS_TABLE", example "madang-dev-operators";
        /// Where idempotency keys are remembered.
        requests_table: ResourceName = "REQUESTS_TABLE", example "madang-dev-requests";
        /// The bucket of frozen and compiled content.
        blobs_bucket: ResourceName = "BLOBS_BUCKET", example "madang-dev-blobs-000000000000";
        /// App schemes that links may have, beside https and http.
        link_schemes: LinkSchemes = "LINK_SCHEMES", default "", example "myapp,itms-apps,market";
        /// The worker that carries publications out.
        publish_function: ResourceName = "PUBLISH_FUNCTION", example "madang-dev-publish";
    }
}

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    Settings::VARIABLES,
];

/// What the routes work on.
struct Content {
    drafts: Drafts,
    versions: Versions,
    publications: Publications,
    live: Live,
    worker: Worker,
    link_schemes: LinkSchemes,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, settings, aws) = aws::start(vars, NAME, Settings::read)?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let content = database.table(&settings.content_table.0);
    let requests = database.table(&settings.requests_table.0);
    let keys = ServiceKeys::new(database.table(&settings.operators_table.0));
    let versions = Versions::new(content.clone());
    let state = Arc::new(Content {
        drafts: Drafts::new(content.clone()),
        publications: Publications::new(content),
        live: Live::new(
            versions.clone(),
            Blobs::connect(&aws, &settings.blobs_bucket.0),
        ),
        versions,
        worker: Worker::connect(&aws, &settings.publish_function.0),
        link_schemes: settings.link_schemes,
    });
    let records = IdempotencyRecords::new(Requests::new(requests), runtime.random.clone());
    Ok(kit::Api::new(NAME, runtime.clone())
        .authority(KeyAuthority::new(keys, runtime.clock))
        .idempotency(records)
        .route(items::LIST, &state, items::list)
        .route(items::GET, &state, items::get)
        .route(items::PUT, &state, items::put)
        .route(items::DELETE, &state, items::delete)
        .route(import::IMPORT, &state, import::import)
        .route(publications::VALIDATE, &state, publications::validate)
        .route(
            publications::GET_VALIDATION,
            &state,
            publications::get_validation,
        )
        .route(publications::PUBLISH_ROUTE, &state, publications::publish)
        .route(publications::GET, &state, publications::get)
        .route(versions::LIST, &state, versions::list)
        .route(versions::RESTORE, &state, versions::restore)
        .build())
}

/// The kind that a path names; kinds are a closed set.
fn kind(name: &str) -> Result<Kind, Problem> {
    name.parse()
        .map_err(|_| Problem::new(Code::ContentKindUnknown))
}
