//! Deletions that a provider requested in a user's name, for the page that shows their state.

use std::time::Duration;

use domain::{
    Instant,
    identity::{MemberId, Provider},
};
use serde::{Deserialize, Serialize};

use super::Members;
use crate::{
    StoreError, keys,
    query::Read,
    table::{ABSENT, is_over},
};

/// How long a request can be looked up.
const RETENTION: Duration = Duration::from_secs(400 * 86_400);

/// A deletion that a provider requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletionRequest {
    /// The provider.
    pub provider: Provider,
    /// When it was requested first.
    pub requested_at: Instant,
    /// The member who had the identity then; absent where no one had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberId>,
}

/// How far a requested deletion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletionState {
    /// Nothing was stored of the user.
    NothingStored,
    /// The member is deleted at that time, unless they come back before.
    Scheduled(Instant),
    /// The member is deleted.
    Deleted,
    /// The identity is deleted. The member stays, who has others to sign in with.
    Unlinked,
    /// The member came back in time.
    Cancelled,
}

impl Members {
    /// Stores a request under its confirmation code, and returns the one that is stored: the same request
    /// may come again.
    pub async fn record_deletion_request(
        &self,
        code: &str,
        request: DeletionRequest,
    ) -> Result<DeletionRequest, StoreError> {
        let key = keys::deletion_request(code);
        let until = request.requested_at + RETENTION;
        let item = self.table.encode_until(&key, &request, until)?;
        match self.table.put_if(item, ABSENT, []).await {
            Ok(()) => Ok(request),
            Err(error) if error.is_conflict() => {
                let stored = self.table.get(&key, Read::Consistent).await?;
                // Expired between the two calls: the provider sends its request again.
                stored.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns how far the deletion of that confirmation code is; `None` where there is no such code.
    pub async fn deletion_state(
        &self,
        code: &str,
        now: Instant,
    ) -> Result<Option<DeletionState>, StoreError> {
        let key = keys::deletion_request(code);
        let item = self.table.get_item(&key, Read::Consistent).await?;
        let Some(item) = item.filter(|item| !is_over(item, now)) else {
            return Ok(None);
        };
        let request: DeletionRequest = self.table.decode(item)?;
        let Some(member) = request.member else {
            return Ok(Some(DeletionState::NothingStored));
        };
        let Some(record) = self.member(member).await? else {
            return Ok(Some(DeletionState::Deleted));
        };
        Ok(Some(match record.member.withdrawal {
            _ if record.member.is_gone(now) => DeletionState::Deleted,
            Some(withdrawal) => DeletionState::Scheduled(withdrawal.purge_at),
            None if self.identity(member, request.provider).await?.is_some() => {
                DeletionState::Cancelled
            }
            None => DeletionState::Unlinked,
        }))
    }
}
