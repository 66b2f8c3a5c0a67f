//! One request, and what is published for whoever sent it.

use std::{sync::Arc, time::Duration};

use domain::{
    Audience, Instant,
    allocation::DeviceTargeting,
    identity::MemberId,
    liveops::{Banners, Notices, RemoteConfig},
};
use http::HeaderMap;
use kit::{
    Principal,
    middleware::{Authority, ProvedMember},
};
use store::{
    edge::Watched,
    published::{Snapshot, SnapshotUnavailable},
};
use tokio::sync::OnceCell;

use crate::{Profiles, Visitor, profiles::Look};

/// Published content that may be for some and not for others.
pub trait Targeted: Default + Send + Sync + 'static {
    /// Whether what is stored of the audience's device could change an answer.
    fn asks_profile(&self, audience: &Audience<'_>) -> bool;

    /// Whether the member who is signed in could change an answer.
    fn asks_member(&self) -> bool;
}

impl Targeted for Banners {
    fn asks_profile(&self, audience: &Audience<'_>) -> bool {
        self.asks_profile(audience)
    }

    fn asks_member(&self) -> bool {
        self.asks_member()
    }
}

impl Targeted for Notices {
    fn asks_profile(&self, audience: &Audience<'_>) -> bool {
        self.asks_profile(audience)
    }

    fn asks_member(&self) -> bool {
        self.asks_member()
    }
}

impl Targeted for RemoteConfig {
    fn asks_profile(&self, audience: &Audience<'_>) -> bool {
        self.asks_profile(audience)
    }

    fn asks_member(&self) -> bool {
        self.asks_member()
    }
}

/// How long an answer waits until the access token of its request is verified. Without the member, rules
/// on the member do not match.
const MEMBER_PATIENCE: Duration = Duration::from_millis(300);

/// A request that is being answered. Its device's profile is read once at most, and its token verified
/// once, however many kinds of content ask for it.
pub struct Asking<'a> {
    /// Who asks.
    pub visitor: &'a Visitor,
    /// When.
    pub now: Instant,
    profiles: &'a Profiles,
    profile: OnceCell<Look>,
    token: Option<(&'a dyn Authority, &'a HeaderMap)>,
    member: OnceCell<ProvedMember>,
}

/// What is published of a kind, and what of the visitor it goes by.
#[derive(Debug)]
pub struct Known<'a, T> {
    /// What is published.
    pub snapshot: Arc<Snapshot<T>>,
    /// Whether all is known that the answer depends on.
    pub complete: bool,
    /// Whether the answer depends on the member who is signed in, if anybody is.
    pub by_member: bool,
    visitor: &'a Visitor,
    stored: Option<Arc<DeviceTargeting>>,
    member: Option<MemberId>,
}

impl<'a> Asking<'a> {
    /// A request of `visitor` at `now`.
    pub fn new(visitor: &'a Visitor, profiles: &'a Profiles, now: Instant) -> Self {
        Self {
            visitor,
            now,
            profiles,
            profile: OnceCell::new(),
            token: None,
            member: OnceCell::new(),
        }
    }

    /// The same of a member that is known already, or of nobody.
    #[must_use]
    pub fn by_principal(mut self, principal: &Principal) -> Self {
        let member = principal.member().ok().map(|(member, _)| member);
        let proved = member.map_or(ProvedMember::Nobody, ProvedMember::Member);
        self.member = OnceCell::new_with(Some(proved));
        self
    }

    /// The same with the access token of the request, which is verified where content asks for it.
    #[must_use]
    pub fn by_token(mut self, authority: &'a dyn Authority, headers: &'a HeaderMap) -> Self {
        self.token = Some((authority, headers));
        self
    }

    async fn member(&self) -> ProvedMember {
        let proved = async || match self.token {
            Some((authority, headers)) => {
                ProvedMember::of(authority, headers, self.now, MEMBER_PATIENCE).await
            }
            None => ProvedMember::Nobody,
        };
        *self.member.get_or_init(proved).await
    }

    /// What is published of a kind, with the device's profile where the content asks for it. A
    /// profile that cannot be read is none.
    ///
    /// # Errors
    /// When there is nothing that may be served.
    pub async fn known<T: Targeted>(
        &self,
        reader: &Watched<T>,
    ) -> Result<Known<'a, T>, SnapshotUnavailable> {
        Ok(self.known_of(reader.current(self.now).await?).await)
    }

    /// The same of a snapshot that is at hand.
    pub async fn known_of<T: Targeted>(&self, snapshot: Arc<Snapshot<T>>) -> Known<'a, T> {
        let by_member = snapshot.content.asks_member();
        let member = match by_member {
            true => self.member().await,
            false => ProvedMember::Nobody,
        };
        let asked = snapshot.content.asks_profile(&self.visitor.audience(None));
        let (stored, complete) = match &self.visitor.device_id {
            Some(device) if asked => {
                let look = || self.profiles.look(device, self.now);
                match self.profile.get_or_init(look).await {
                    Look::Found(stored) => (Some(Arc::clone(stored)), true),
                    Look::Missed => (None, false),
                }
            }
            _ => (None, true),
        };
        Known {
            snapshot,
            complete: complete && member != ProvedMember::Unknown,
            by_member,
            visitor: self.visitor,
            stored,
            member: member.id(),
        }
    }
}

impl<T> Known<'_, T> {
    /// Who asks, as far as this content goes by it.
    pub fn audience(&self) -> Audience<'_> {
        Audience {
            member: self.member,
            ..self.visitor.audience(self.stored.as_deref())
        }
    }

    /// Whether the answer is a member's own.
    pub fn is_members(&self) -> bool {
        self.member.is_some()
    }
}
