//! From drafts to a version: validate, publish, and how far a publication is.

use std::sync::Arc;

use domain::{
    Id, Instant, RandomId,
    content::{Kind, SetFault, validate_set},
};
use garde::Validate;
use kit::{
    Call, Caller, Code, Endpoint, Method, Nothing, Problem, Reply, extract, problem::Chain,
    reply::Json,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::published::{Origin, Pending, Publication, Request, State};

use crate::{Content, PUBLISH, READ, items::KindPath, kind};

pub(crate) const VALIDATE: Endpoint = Endpoint::new(
    Method::Post,
    "/admin/v1/content/{kind}/validate",
    "validateContent",
    "All faults of the whole draft set, cross-references included",
)
.caller(Caller::Operator(READ))
.problems(&[Code::ContentKindUnknown]);

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

/// What is wrong with the drafts of a kind.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Validation {
    /// Every fault; empty when the drafts can be published.
    faults: Vec<SetFault>,
}

pub(crate) async fn validate(
    content: Arc<Content>,
    call: Call<KindPath, Nothing, Nothing>,
) -> Result<Reply<Json<Validation>>, Problem> {
    let kind = kind(&call.path.kind)?;
    let drafts = content.drafts.all(kind).await?;
    let items: Vec<(Id, Value)> = drafts
        .into_iter()
        .map(|draft| Ok((draft.id, serde_json::from_str(&draft.body)?)))
        .collect::<Result<_, serde_json::Error>>()
        .map_err(|error| Problem::internal(&error))?;
    Ok(Reply::ok(Validation {
        faults: validate_set(kind, &items),
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
    /// Ask for its progress with this.
    publication_id: RandomId,
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
        origin: Origin::Drafts,
        author: call.principal.name(),
        at: call.now(),
        note: call.body.0.map_or_else(String::new, |body| body.note),
    };
    content
        .request(request, call.facts.trace.traceparent())
        .await
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
    ) -> Result<Reply<Json<Requested>>, Problem> {
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
        Ok(Reply::accepted(Requested { publication_id: id }))
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
    faults: Vec<PublicationFault>,
    note: String,
    author: String,
    requested_at: Instant,
    finished_at: Option<Instant>,
}

/// One reason why a publication failed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PublicationFault {
    /// The item at fault; `null` when it is none in particular.
    item: Option<String>,
    /// Where in the item, as a JSON pointer.
    pointer: String,
    code: String,
    message: String,
}

pub(crate) async fn get(
    content: Arc<Content>,
    call: Call<PublicationPath, Nothing, Nothing>,
) -> Result<Reply<Json<Progress>>, Problem> {
    let kind = kind(&call.path.kind)?;
    let unknown = || Problem::new(Code::NotFound);
    let id: RandomId = call.path.id.parse().map_err(|_| unknown())?;
    let publication = content
        .publications
        .get(kind, id)
        .await?
        .ok_or_else(unknown)?;
    Ok(Reply::ok(publication.into()))
}

impl From<Publication> for Progress {
    fn from(publication: Publication) -> Self {
        Self {
            id: publication.id,
            kind: publication.kind,
            state: match publication.state {
                State::Running => "running",
                State::Live => "live",
                State::Failed => "failed",
            },
            version: publication.version,
            faults: publication
                .faults
                .into_iter()
                .map(|fault| PublicationFault {
                    item: fault.item,
                    pointer: fault.pointer,
                    code: fault.code,
                    message: fault.message,
                })
                .collect(),
            note: publication.note,
            author: publication.author,
            requested_at: publication.requested_at,
            finished_at: publication.finished_at,
        }
    }
}
