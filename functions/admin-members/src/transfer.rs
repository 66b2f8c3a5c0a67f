//! Transfer codes that operators issue for guests who have lost their phone.

use std::sync::Arc;

use domain::identity::TransferCode;
use garde::Validate;
use kit::{Call, Code, Nothing, Problem, Reply, extract, reply::Json};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use sessions::TransferCodeAnswer;
use store::{Stamp, members::NewTransferCode};

use crate::{MemberPath, State, record};

/// The reason for a transfer code.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssueBody {
    /// Why it is issued and how the member proved who they are, for the audit (1 to 500 characters).
    #[garde(length(chars, min = 1, max = 500))]
    reason: String,
}

pub(crate) async fn issue(
    state: Arc<State>,
    call: Call<MemberPath, Nothing, extract::Json<IssueBody>>,
) -> Result<Reply<Json<TransferCodeAnswer>>, Problem> {
    let (now, mut rng, member) = (call.now(), call.rng(), call.path.id);
    let (code, stamp) = (TransferCode::new(&mut rng), Stamp::random(&mut rng));
    let after = json!({
        "reason": call.body.0.reason,
        "expires_at": TransferCode::expires_at(now),
    });
    let before = json!({ "transfer_code": "replaced if there was one" });
    let record = record(&call, "member.transfer_code", (before, after));
    let (audit, record) = (&state.audit, &record);
    let made = state
        .members
        .make_transfer_code(member, &code, stamp, now, |transaction| {
            audit.add(record, transaction)
        })
        .await?;
    match made {
        NewTransferCode::Made(expires_at) => {
            let answer = TransferCodeAnswer::new(&code, expires_at);
            Ok(Reply::created(answer).cache_control("no-store"))
        }
        NewTransferCode::NotGuest => Err(Problem::new(Code::GuestOnly)),
        NewTransferCode::NotThere => Err(Problem::new(Code::NotFound)),
    }
}
