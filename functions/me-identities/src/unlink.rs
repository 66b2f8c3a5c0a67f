//! `DELETE /v1/me/identities/{provider}`.

use std::sync::Arc;

use domain::{Instant, identity::Provider};
use garde::Validate;
use kit::{Call, Code, Nothing, Problem, Reply, reply::Empty};
use schemars::JsonSchema;
use serde::Deserialize;
use sessions::{member_now, unlink};
use store::{
    Stamp,
    members::{UnlinkEntry, Unlinking},
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
        .unlink(member, call.path.provider, stamp, now, Ok)
        .await?;
    match unlinking {
        Unlinking::Unlinked { entry, .. } => {
            // It is theirs no more, whether or not the provider can be called now: a worker goes on with
            // the entry.
            if let Some(entry) = entry
                && let Err(problem) = state.end_connection(&entry, now).await
            {
                let (provider, code) = (entry.identity.provider, problem.code.as_str());
                tracing::warn!(%provider, code, "unlink call failed, left in the outbox");
            }
            Ok(Reply::no_content())
        }
        Unlinking::Banned(ban) => Err(Problem::banned(ban.message, ban.ends_at)),
        Unlinking::LastIdentity => Err(Problem::new(Code::LastIdentity)),
        Unlinking::NotThere => Err(Problem::new(Code::NotFound)),
    }
}

impl State {
    /// Ends the connection at the provider, and then deletes the entry that asks for it.
    async fn end_connection(&self, entry: &UnlinkEntry, now: Instant) -> Result<(), Problem> {
        let keys = self.sessions.keys().current(now).await?;
        unlink(&self.providers, &entry.identity, &keys, now).await?;
        Ok(self.members.delete_unlink(entry).await?)
    }
}
