//! `DELETE /v1/me/identities/{provider}`.

use std::sync::Arc;

use domain::{Instant, identity::Provider};
use garde::Validate;
use kit::{Call, Code, Nothing, Problem, Reply, reply::Empty};
use schemars::JsonSchema;
use serde::Deserialize;
use sessions::{let_go, member_now};
use store::{
    Stamp,
    members::{LinkedIdentity, Unlinking},
};

use crate::State;

/// Whose identity.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderPath {
    /// The provider.
    #[garde(skip)]
    provider: Provider,
}

pub(crate) async fn delete(
    state: Arc<State>,
    call: Call<ProviderPath, Nothing, Nothing>,
) -> Result<Reply<Empty>, Problem> {
    let (now, stamp) = (call.now(), Stamp::random(&mut call.rng()));
    let member = member_now(&state.members, &call.principal, now)
        .await?
        .member
        .id;
    state
        .reauthentication
        .require(&state.members, &call.principal, now)
        .await?;
    let unlinking = state
        .members
        .unlink(member, call.path.provider, stamp, Ok)
        .await?;
    match unlinking {
        Unlinking::Unlinked(identity) => {
            // It is theirs no more, whether or not the provider can be told now.
            if let Err(problem) = state.tell(&identity, now).await {
                let (provider, code) = (identity.provider, problem.code.as_str());
                tracing::warn!(%provider, code, "the provider was not told of an unlinking");
            }
            Ok(Reply::no_content())
        }
        Unlinking::LastIdentity => Err(Problem::new(Code::LastIdentity)),
        Unlinking::NotThere => Err(Problem::new(Code::NotFound)),
    }
}

impl State {
    /// Ends the connection at the provider, where that can be done from here.
    async fn tell(&self, identity: &LinkedIdentity, now: Instant) -> Result<(), Problem> {
        let keys = self.sessions.keys().current(now).await?;
        let_go(&self.providers, identity, &keys, now).await?;
        Ok(())
    }
}
