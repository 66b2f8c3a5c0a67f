//! `GET /v1/nicknames/availability`.

use std::sync::Arc;

use domain::identity::{Nickname, NicknameFault};
use garde::Validate;
use kit::{Call, Nothing, Problem, Reply, reply::Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::members::Availability;

use crate::State;

/// Which nickname.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct NicknameQuery {
    /// As the member would write it.
    #[garde(length(bytes, max = 1024))]
    nickname: String,
}

/// Whether the member can have it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct NicknameAvailability {
    /// Whether they can.
    available: bool,
    /// Why not: `taken`, `held`, or what is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

pub(crate) async fn availability(
    state: Arc<State>,
    call: Call<Nothing, NicknameQuery, Nothing>,
) -> Result<Reply<Json<NicknameAvailability>>, Problem> {
    let (member, _) = call.principal.member()?;
    let nickname: Result<Nickname, NicknameFault> = call.query.nickname.parse();
    let reason = match nickname {
        Err(fault) => Some(fault.as_str()),
        Ok(nickname) => {
            let key = nickname.key();
            let found = state
                .members
                .nickname_available(&key, Some(member), call.now())
                .await?;
            match found {
                Availability::Free => None,
                Availability::Taken => Some("taken"),
                Availability::Held => Some("held"),
            }
        }
    };
    Ok(Reply::ok(NicknameAvailability {
        available: reason.is_none(),
        reason,
    }))
}
