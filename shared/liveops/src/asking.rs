//! One request, and what is published for whoever sent it.

use std::sync::Arc;

use domain::{
    Audience, Instant,
    allocation::DeviceTargeting,
    liveops::{Banners, Notices, RemoteConfig},
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
}

impl Targeted for Banners {
    fn asks_profile(&self, audience: &Audience<'_>) -> bool {
        self.asks_profile(audience)
    }
}

impl Targeted for Notices {
    fn asks_profile(&self, audience: &Audience<'_>) -> bool {
        self.asks_profile(audience)
    }
}

impl Targeted for RemoteConfig {
    fn asks_profile(&self, audience: &Audience<'_>) -> bool {
        self.asks_profile(audience)
    }
}

/// A request that is being answered. Its device's profile is read once at most, however many kinds of
/// content ask for it.
#[derive(Debug)]
pub struct Asking<'a> {
    /// Who asks.
    pub visitor: &'a Visitor,
    /// When.
    pub now: Instant,
    profiles: &'a Profiles,
    profile: OnceCell<Look>,
}

/// What is published of a kind, and what of the visitor it goes by.
#[derive(Debug)]
pub struct Known<'a, T> {
    /// What is published.
    pub snapshot: Arc<Snapshot<T>>,
    /// Whether all is known that the answer depends on.
    pub complete: bool,
    visitor: &'a Visitor,
    stored: Option<Arc<DeviceTargeting>>,
}

impl<'a> Asking<'a> {
    /// A request of `visitor` at `now`.
    pub fn new(visitor: &'a Visitor, profiles: &'a Profiles, now: Instant) -> Self {
        Self {
            visitor,
            now,
            profiles,
            profile: OnceCell::new(),
        }
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
            complete,
            visitor: self.visitor,
            stored,
        }
    }
}

impl<T> Known<'_, T> {
    /// Who asks, as far as this content goes by it.
    pub fn audience(&self) -> Audience<'_> {
        self.visitor.audience(self.stored.as_deref())
    }
}
