//! `GET /v1/nicknames/availability`.

use std::sync::Arc;

use domain::{
    Instant,
    identity::{Nickname, NicknameFault},
};
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
    let nickname = state.nickname(&call.query.nickname, call.now()).await?;
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

impl State {
    /// Reads a nickname by the built-in rules and by those that operators have published.
    pub(crate) async fn nickname(
        &self,
        text: &str,
        now: Instant,
    ) -> Result<Result<Nickname, NicknameFault>, Problem> {
        let nickname: Nickname = match text.parse() {
            Ok(nickname) => nickname,
            Err(fault) => return Ok(Err(fault)),
        };
        let rules = self.nickname_rules.current(now).await?;
        Ok(rules.content.check(&nickname).map(|()| nickname))
    }
}
