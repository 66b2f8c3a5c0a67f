//! `POST /hooks/v1/facebook/data-deletion`: a user wants their data deleted that came from Facebook.
//!
//! <https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback>

use std::sync::Arc;

use domain::{Fault, FaultCode, identity::Provider};
use kit::{Call, Code, Nothing, Problem, Reply, extract::Form, reply::Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{Stamp, members::DeletionRequest};
use upstream::providers::{AccountEvent, AccountEventKind};

use crate::State;

/// What Facebook posts.
#[derive(Deserialize)]
struct Fields {
    signed_request: Option<String>,
}

/// Where the user can see what becomes of the request.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DataDeletionReceipt")]
pub(crate) struct Receipt {
    /// URL of a page that shows the state of the deletion.
    url: String,
    /// Code by which the user can ask about the request.
    confirmation_code: String,
}

pub(crate) async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, Form>,
) -> Result<Reply<Json<Receipt>>, Problem> {
    let (now, stamp) = (call.now(), Stamp::random(&mut call.rng()));
    let Fields { signed_request } = serde_urlencoded::from_str(&call.body.0).map_err(missing)?;
    let signed_request = signed_request.ok_or_else(|| missing("there is no such field"))?;
    let deletion = state
        .providers
        .facebook_data_deletion(&signed_request, now)
        .await?;
    let code = deletion.confirmation_code;
    let owner = state.members.owner(Provider::Facebook, &deletion.subject);
    let request = DeletionRequest {
        provider: Provider::Facebook,
        requested_at: now,
        member: owner.await?,
    };
    let stored = state.members.record_deletion_request(&code, request);
    // Before it is acted on, so that a request that comes again after a failure finds it.
    let stored = stored.await?;
    let event = AccountEvent {
        provider: Provider::Facebook,
        kind: AccountEventKind::DeletionRequested,
        subject: deletion.subject,
        at: deletion.requested_by,
        id: Some(code.clone()),
    };
    // A member who came since has not requested anything.
    if stored.member == request.member {
        state.act(&event, stamp, now).await?;
    }
    Ok(Reply::ok(Receipt {
        url: format!("{}/withdrawal/requests/{code}", call.facts.origin),
        confirmation_code: code,
    }))
}

fn missing(why: impl std::fmt::Display) -> Problem {
    let fault = Fault::new("/signed_request", FaultCode::Required, why);
    Problem::new(Code::ValidationFailed).errors(vec![fault])
}
