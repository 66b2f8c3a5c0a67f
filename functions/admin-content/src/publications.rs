//! From drafts to a version: validate, publish, and how far a publication is.

use std::sync::Arc;

use domain::{
    Instant, RandomId,
    content::{Kind, SetFault, validate_set},
};
use garde::Validate;
use kit::{
    Call, Caller, Code, Endpoint, Method, Nothing, Problem, Reply, extract, problem::Chain,
    reply::Json,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{
    StoreError,
    published::{Freezer, Goal, Origin, Pending, Publication, PublicationFault, Request, State},
};

use crate::{Content, PUBLISH, READ, items::KindPath, kind};

pub(crate) const VALIDATE: Endpoint = Endpoint::new(
    Method::Post,
    "/admin/v1/content/{kind}/validate",
    "validateContent",
    "All faults of the whole draft set, cross-references included",
)
.caller(Caller::Operator(READ))
.answers(&[200, 202])
.problems(&[Code::ContentKindUnknown]);

pub(crate) const GET_VALIDATION: Endpoint = Endpoint::new(
    Method::Get,
    "/admin/v1/content/{kind}/validations/{id}",
    "getContentValidation",
    "Get the result of a validation",
)
.caller(Caller::Operator(READ))
.problems(&[Code::ContentKindUnknown, Code::NotFound]);

pub(crate) const PUBLISH_ROUTE: Endpoint = Endpoint::new(
    Method::Post,
    "/admin/v1/content/{kind}/publish",
    "publishContent",
    "Asks for the drafts to be made the next version",
)
.caller(Caller::Operator(PUBLISH))
.idempotent()
.answers(&[202])
.problems(&[Code::ContentKindUnknown]);

pub(crate) const GET: Endpoint = Endpoint::new(
    Method::Get,
    "/admin/v1/content/{kind}/publications/{id}",
    "getPublication",
    "How far a publication is",
)
.caller(Caller::Operator(READ))
.problems(&[Code::ContentKindUnknown, Code::NotFound]);

/// The most JSON, in bytes, that a request validates itself; more is a job of the publish worker.
const VALIDATE_AT_ONCE: usize = 4 * 1024 * 1024;

/// The faults of a kind's drafts.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Validation {
    /// Every fault, at most 1,000 (100 of a large set); empty when the drafts can be published. Absent
    /// while a validation is running.
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<Vec<ContentFault>>,
    /// The id of a validation that runs in the background, because the drafts have more than 4 MiB of
    /// JSON: get its result from `GET /admin/v1/content/{kind}/validations/{id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_id: Option<RandomId>,
    /// `running`, `valid` or `invalid`; only of a validation in the background.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
}

pub(crate) async fn validate(
    content: Arc<Content>,
    call: Call<KindPath, Nothing, Nothing>,
) -> Result<Reply<Json<Validation>>, Problem> {
    let kind = kind(&call.path.kind)?;
    let mut freezer = Freezer::default();
    let all = content.drafts.freeze(kind, &mut freezer, VALIDATE_AT_ONCE);
    if all.await? {
        let faults = validate_set(kind, &freezer.finish()?)
            .map_err(|error| StoreError::unreadable("the drafts", &error))?;
        return Ok(Reply::ok(Validation {
            faults: Some(faults.into_iter().map(Into::into).collect()),
            validation_id: None,
            state: None,
        }));
    }
    let id = RandomId::new(call.now(), &mut call.rng());
    let request = Request {
        id,
        kind,
        goal: Goal::Validate,
        origin: Origin::Drafts,
        author: call.principal.name(),
        at: call.now(),
        note: String::new(),
    };
    content
        .request(request, call.facts.trace.traceparent())
        .await?;
    Ok(Reply::accepted(Validation {
        faults: None,
        validation_id: Some(id),
        state: Some("running"),
    }))
}

pub(crate) async fn get_validation(
    content: Arc<Content>,
    call: Call<PublicationPath, Nothing, Nothing>,
) -> Result<Reply<Json<Validation>>, Problem> {
    let validation = content.publication(&call.path, Goal::Validate).await?;
    let (state, faults) = match validation.state {
        State::Running => ("running", None),
        State::Valid | State::Live => ("valid", Some(Vec::new())),
        State::Failed => ("invalid", Some(validation.faults)),
    };
    Ok(Reply::ok(Validation {
        faults: faults.map(|faults| faults.into_iter().map(Into::into).collect()),
        validation_id: Some(validation.id),
        state: Some(state),
    }))
}

/// Why something is published.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    /// In the author's words.
    #[serde(default)]
    #[garde(length(chars, max = 500))]
    pub(crate) note: String,
}

/// A publication that was asked for.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Requested {
    /// The id of the publication, for `GET /admin/v1/content/{kind}/publications/{id}`.
    pub(crate) publication_id: RandomId,
}

pub(crate) async fn publish(
    content: Arc<Content>,
    call: Call<KindPath, Nothing, extract::Optional<Note>>,
) -> Result<Reply<Json<Requested>>, Problem> {
    let kind = kind(&call.path.kind)?;
    let id = RandomId::new(call.now(), &mut call.rng());
    let request = Request {
        id,
        kind,
        goal: Goal::Publish,
        origin: Origin::Drafts,
        author: call.principal.name(),
        at: call.now(),
        note: call.body.0.map_or_else(String::new, |body| body.note),
    };
    content
        .request(request, call.facts.trace.traceparent())
        .await?;
    Ok(Reply::accepted(Requested { publication_id: id }))
}

/// What the worker is woken with: the publication, and the trace it belongs to.
#[derive(Serialize)]
struct Wake {
    #[serde(flatten)]
    pending: Pending,
    traceparent: String,
}

impl Content {
    /// Stores the request as a fact and wakes the worker. A worker that could not be woken finds
    /// the fact by its schedule.
    pub(crate) async fn request(
        &self,
        request: Request,
        traceparent: String,
    ) -> Result<(), Problem> {
        let (kind, id) = (request.kind, request.id);
        if !self.publications.request(request).await? {
            return Err(Problem::new(Code::NotFound));
        }
        if let Err(error) = self
            .worker
            .send(&Wake {
                pending: Pending { kind, id },
                traceparent,
            })
            .await
        {
            tracing::warn!(error = %Chain(&error), "the publish worker was not woken; its schedule will find the request");
        }
        Ok(())
    }

    /// Returns the publication or validation that a path names.
    async fn publication(
        &self,
        path: &PublicationPath,
        goal: Goal,
    ) -> Result<Publication, Problem> {
        let kind = kind(&path.kind)?;
        let unknown = || Problem::new(Code::NotFound);
        let id: RandomId = path.id.parse().map_err(|_| unknown())?;
        let found = self.publications.get(kind, id).await?;
        found.filter(|found| found.goal == goal).ok_or_else(unknown)
    }
}

/// Which publication of which kind.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublicationPath {
    /// The kind's name.
    #[garde(length(max = 64))]
    kind: String,
    /// The publication's id.
    #[garde(length(max = 64))]
    id: String,
}

/// A publication and how far it is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Publication")]
pub(crate) struct Progress {
    id: RandomId,
    kind: Kind,
    /// `running`, `live` or `failed`.
    state: &'static str,
    /// The version that it made; `null` until it is live.
    version: Option<u64>,
    /// Why it failed.
    faults: Vec<ContentFault>,
    note: String,
    author: String,
    requested_at: Instant,
    finished_at: Option<Instant>,
}

/// One reason why content cannot be published.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ContentFault {
    /// The id of the item at fault; `null` for a fault of the whole set.
    item: Option<String>,
    /// The place of the fault in the item, as a JSON pointer.
    pointer: String,
    /// The code of the fault, such as `required` or `artefact_too_large`.
    code: String,
    /// The fault in English.
    message: String,
}

impl From<PublicationFault> for ContentFault {
    fn from(fault: PublicationFault) -> Self {
        Self {
            item: fault.item,
            pointer: fault.pointer,
            code: fault.code,
            message: fault.message,
        }
    }
}

impl From<SetFault> for ContentFault {
    fn from(fault: SetFault) -> Self {
        PublicationFault::from(fault).into()
    }
}

pub(crate) async fn get(
    content: Arc<Content>,
    call: Call<PublicationPath, Nothing, Nothing>,
) -> Result<Reply<Json<Progress>>, Problem> {
    let publication = content.publication(&call.path, Goal::Publish).await?;
    Ok(Reply::ok(publication.into()))
}

impl From<Publication> for Progress {
    fn from(publication: Publication) -> Self {
        Self {
            id: publication.id,
            kind: publication.kind,
            state: match publication.state {
                State::Running => "running",
                State::Live | State::Valid => "live",
                State::Failed => "failed",
            },
            version: publication.version,
            faults: publication.faults.into_iter().map(Into::into).collect(),
            note: publication.note,
            author: publication.author,
            requested_at: publication.requested_at,
            finished_at: publication.finished_at,
        }
    }
}
