//! Many drafts in one call: one JSON object a line, one result a line.

use std::{collections::HashSet, sync::Arc};

use domain::{
    Fault, FaultCode, Id, LinkSchemes, Rejection,
    content::{Kind, check_draft, check_item},
    validation::UniqueMap,
};
use futures_util::{StreamExt as _, stream};
use kit::{
    Call, Caller, Code, Endpoint, Method, Nothing, Problem, Reply, extract::Ndjson, reply::Json,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use store::{Stamp, drafts::Edit};

use crate::{Content, WRITE, items::KindPath, kind};

pub(crate) const IMPORT: Endpoint = Endpoint::new(
    Method::Post,
    "/admin/v1/content/{kind}/import",
    "importContent",
    "Writes many drafts: each line an item's own fields and its `id`",
)
.caller(Caller::Operator(WRITE))
.idempotent()
.problems(&[Code::ContentKindUnknown]);

/// Drafts written at the same time.
const AT_ONCE: usize = 16;

/// The most lines of a call.
const LINES: usize = 1_000;

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// The draft is new.
    Created,
    /// The draft was there and is replaced.
    Updated,
    /// The line is wrong; nothing was changed.
    Refused,
    /// The database did not answer; send the line again.
    Failed,
}

/// The result of one line.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LineResult {
    /// Counted from 1; empty lines count, but have no result.
    line: usize,
    /// The item's id, where the line has one.
    id: Option<String>,
    outcome: Outcome,
    /// Why, when it was refused or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// The faults of the line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
}

/// The results, in the order of the lines.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ImportResults {
    results: Vec<LineResult>,
}

pub(crate) async fn import(
    content: Arc<Content>,
    call: Call<KindPath, Nothing, Ndjson>,
) -> Result<Reply<Json<ImportResults>>, Problem> {
    let kind = kind(&call.path.kind)?;
    let text = std::str::from_utf8(&call.body.0)
        .map_err(|_| Problem::new(Code::MalformedJson).detail("the body is not UTF-8"))?;
    let author = call.principal.name();
    let at = call.now();
    let mut rng = call.rng();
    let mut seen = HashSet::new();
    let schemes = &content.link_schemes;
    let lines: Vec<_> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            let item =
                read(kind, line, schemes).and_then(|(id, body)| match seen.insert(id.clone()) {
                    true => Ok((id, body)),
                    false => Err(repeated(&id)),
                });
            (index + 1, item, Stamp::random(&mut rng))
        })
        .collect();
    if lines.len() > LINES {
        return Err(Problem::new(Code::BodyTooLarge)
            .detail(format!("at most {LINES} lines are taken in one call")));
    }
    let (content, author) = (&content, &author);
    let results = stream::iter(lines)
        .map(|(line, read, etag)| async move {
            let (id, body) = match read {
                Ok(item) => item,
                Err(refusal) => return refusal.at(line),
            };
            let edit = Edit {
                body: &body,
                author,
                etag,
                at,
            };
            let (outcome, code) = match content.drafts.overwrite(kind, &id, edit).await {
                Ok(true) => (Outcome::Updated, None),
                Ok(false) => (Outcome::Created, None),
                Err(error) => (Outcome::Failed, Some(Problem::from(error).code.as_str())),
            };
            LineResult {
                line,
                id: Some(id.as_str().to_owned()),
                outcome,
                code,
                errors: Vec::new(),
            }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    Ok(Reply::ok(ImportResults { results }))
}

/// Why a line was refused.
struct Refusal {
    id: Option<String>,
    problem: Problem,
}

impl Refusal {
    fn at(self, line: usize) -> LineResult {
        LineResult {
            line,
            id: self.id,
            outcome: Outcome::Refused,
            code: Some(self.problem.code.as_str()),
            errors: self.problem.errors,
        }
    }
}

/// Two lines with one id: which of them should win nobody can say.
fn repeated(id: &Id) -> Refusal {
    let fault = Fault::new("/id", FaultCode::Duplicate, "is the id of an earlier line");
    Refusal {
        id: Some(id.as_str().to_owned()),
        problem: Problem::from(Rejection::Faults(vec![fault])),
    }
}

/// Takes the id out of a line and checks the rest as an item of `kind`.
fn read(kind: Kind, line: &str, schemes: &LinkSchemes) -> Result<(Id, String), Refusal> {
    let refuse = |id: Option<&str>, rejection: Rejection| Refusal {
        id: id.map(ToOwned::to_owned),
        problem: Problem::from(rejection),
    };
    let object: UniqueMap<Box<RawValue>> =
        serde_json::from_str(line).map_err(|error| refuse(None, why(line, &error)))?;
    let mut object = object.into_inner();
    let sent: Option<Value> = object
        .remove("id")
        .and_then(|id| serde_json::from_str(id.get()).ok());
    let name = sent.as_ref().and_then(Value::as_str);
    let id: Result<Id, _> = name.unwrap_or_default().parse();
    let rest = serde_json::to_vec(&object).unwrap_or_default();
    match id {
        Ok(id) => match check_draft(kind, &id, &rest, schemes) {
            Ok(item) => Ok((id, item.to_string())),
            Err(rejection) => Err(refuse(name, rejection)),
        },
        Err(bad) => {
            let code = match sent {
                None => FaultCode::Required,
                Some(_) => FaultCode::BadFormat,
            };
            let mut faults = vec![Fault::new("/id", code, bad)];
            if let Err(Rejection::Faults(more)) = check_item(kind, &rest) {
                faults.extend(more);
            }
            Err(refuse(name, Rejection::Faults(faults)))
        }
    }
}

/// Why a line is no object with each member once.
fn why(line: &str, error: &serde_json::Error) -> Rejection {
    let code = match serde_json::from_str(line) {
        Ok(Value::Object(_)) => FaultCode::Duplicate,
        Ok(_) => FaultCode::WrongType,
        Err(error) => return Rejection::Malformed(error.to_string()),
    };
    Rejection::Faults(vec![Fault::new("", code, error)])
}
