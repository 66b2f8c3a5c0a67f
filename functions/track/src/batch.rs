//! `POST /v1/t/batch`: the marks of a device that was offline.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{Instant, marks::MarkKind};
use futures_util::{StreamExt, stream};
use garde::Validate;
use kit::{Call, Nothing, Problem, Reply, extract, reply};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{Stamp, marks::Outcome};
use tokio::time;

use crate::{State, counting::Refused};

/// How many tokens are counted at once.
const AT_ONCE: usize = 16;

/// How long tokens are counted for; what is left then has failed, and may be sent again.
const PATIENCE: Duration = Duration::from_secs(4);

/// The body of `POST /v1/t/batch`.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MarkBatch")]
pub(crate) struct Batch {
    /// Tokens as they were given out, 1 to 100. None of them spoils the others.
    #[garde(length(min = 1, max = 100))]
    tokens: Vec<String>,
    /// What happened to all of them.
    #[garde(skip)]
    kind: BatchKind,
}

/// What happened, by its name in URLs or by its own.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "MarkBatchKind")]
enum BatchKind {
    Imp,
    Impression,
    Clk,
    Click,
    Cv,
    Conversion,
}

/// The answer of `POST /v1/t/batch`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MarkBatchResults")]
pub(crate) struct Results {
    /// One result for each token, in the order of the tokens.
    results: Vec<Mark>,
}

/// What came of one token.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "MarkBatchResult")]
pub(crate) struct Mark {
    /// Only `failed` is worth sending again.
    status: Status,
}

/// What can come of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "MarkStatus")]
pub(crate) enum Status {
    /// It is stored. It counts, unless a budget turns out to be used up or a conversion to have no
    /// click: that is found within minutes, and shown in the report.
    Accepted,
    /// It was there already, or earlier in the batch.
    Repeated,
    /// It is stored and does not count: a cap or a lease was used up.
    OverCap,
    /// It is kept and does not count: a machine sent it.
    Flagged,
    /// It is one of ours, and came too late.
    Expired,
    /// It is none of ours.
    Invalid,
    /// It could not be stored; sent again, it counts once. Where all have failed, the answer is 503.
    Failed,
}

pub(crate) async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Beacon<Batch>>,
) -> Result<Reply<reply::Json<Results>>, Problem> {
    let now = call.now();
    let flagged = state.robots.sent(&call.headers);
    let Batch { tokens, kind } = &call.body.0;
    let kind = kind.kind();
    let mut rng = call.rng();
    let mut places = HashMap::new();
    let mut different = Vec::new();
    for token in tokens {
        places.entry(token.as_str()).or_insert_with(|| {
            different.push((token.clone(), Stamp::random(&mut rng)));
            different.len() - 1
        });
    }
    // Without keys nothing can be said of any token.
    state.keys.get(now).await?;
    let until = time::Instant::now() + PATIENCE;
    let statuses: Vec<Status> = stream::iter(different)
        .map(|(token, stamp)| {
            let state = Arc::clone(&state);
            async move {
                let counting = state.status(&token, kind, flagged, now, stamp);
                let counted = time::timeout_at(until, counting).await;
                counted.unwrap_or(Status::Failed)
            }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    if statuses.iter().all(|status| *status == Status::Failed) {
        return Err(Problem::unavailable("none of the marks could be stored"));
    }
    let mut met = vec![false; statuses.len()];
    let status = |token: &String| {
        let place = *places.get(token.as_str())?;
        let again = std::mem::replace(met.get_mut(place)?, true);
        let status = *statuses.get(place)?;
        Some(if again { status.again() } else { status })
    };
    let results = tokens.iter().filter_map(status);
    let results = results.map(|status| Mark { status }).collect();
    Ok(Reply::ok(Results { results }))
}

impl State {
    async fn status(
        &self,
        token: &str,
        kind: MarkKind,
        flagged: bool,
        now: Instant,
        stamp: Stamp,
    ) -> Status {
        let counted = async {
            let token = self.countable(token, kind, now).await?;
            let counted = self.count(&token, kind, flagged, now, stamp).await;
            counted.map_err(Refused::Failed)
        };
        match counted.await {
            Ok(Outcome::Counted) => Status::Accepted,
            Ok(Outcome::Repeated) => Status::Repeated,
            Ok(Outcome::OverCap) => Status::OverCap,
            Ok(Outcome::Flagged) => Status::Flagged,
            Err(Refused::Invalid) => Status::Invalid,
            Err(Refused::Expired(_)) => Status::Expired,
            Err(Refused::Failed(problem)) => {
                tracing::warn!(
                    code = problem.code.as_str(),
                    "a mark of a batch was not stored"
                );
                Status::Failed
            }
        }
    }
}

impl Status {
    /// What comes of the same token once more in a batch.
    fn again(self) -> Self {
        match self {
            Self::Accepted | Self::OverCap | Self::Flagged => Self::Repeated,
            other => other,
        }
    }
}

impl BatchKind {
    const fn kind(self) -> MarkKind {
        match self {
            Self::Imp | Self::Impression => MarkKind::Impression,
            Self::Clk | Self::Click => MarkKind::Click,
            Self::Cv | Self::Conversion => MarkKind::Conversion,
        }
    }
}
