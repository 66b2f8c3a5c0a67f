//! What is published of what events name: banners and notices, which are counted one by one, and the
//! types of events, which are counted by name.

use std::sync::Arc;

use domain::{
    Instant,
    content::{EventTypes, Kind},
    events::{ClientEvent, EventType, Item, ItemKind},
    liveops::{Banners, Notices},
};
use kit::Problem;
use store::{
    edge::{SnapshotSource, Watched},
    published::Snapshot,
};

/// The snapshots that have items to count for.
pub(crate) struct Items {
    banners: Watched<Banners>,
    notices: Watched<Notices>,
    event_types: Watched<EventTypes>,
}

/// What is published, as far as it is known here.
pub(crate) struct Published {
    banners: Arc<Snapshot<Banners>>,
    notices: Arc<Snapshot<Notices>>,
    event_types: Arc<Snapshot<EventTypes>>,
}

impl Items {
    pub(crate) fn new(source: &SnapshotSource) -> Self {
        Self {
            banners: source.reader(Kind::Banners, Banners::load),
            notices: source.reader(Kind::Notices, Notices::load),
            event_types: source.reader(Kind::EventTypes, EventTypes::load),
        }
    }

    /// What is published now. An app may have been shown what another instance has read and this one
    /// has not: where events name an item that is not known, a short look shows whether it is there.
    pub(crate) async fn published(
        &self,
        told: &[ClientEvent],
        now: Instant,
    ) -> Result<Published, Problem> {
        let (banners, notices, event_types) = tokio::try_join!(
            self.banners.current(now),
            self.notices.current(now),
            self.event_types.current(now),
        )?;
        let published = Published {
            banners,
            notices,
            event_types,
        };
        let named = || told.iter().filter_map(ClientEvent::interaction);
        let is_unknown =
            |kind| named().any(|(item, _)| item.kind == kind && !published.contains(&item));
        let types = told
            .iter()
            .filter_map(|event| event.event_type.parse().ok());
        let has_unknown_type = types
            .into_iter()
            .any(|named: EventType| !named.is_built_in() && !published.declares(&named));
        let (new_banners, new_notices, new_types) = tokio::join!(
            look(&self.banners, is_unknown(ItemKind::Banners), now),
            look(&self.notices, is_unknown(ItemKind::Notices), now),
            look(&self.event_types, has_unknown_type, now),
        );
        Ok(Published {
            event_types: new_types.unwrap_or(published.event_types),
            banners: new_banners.unwrap_or(published.banners),
            notices: new_notices.unwrap_or(published.notices),
        })
    }
}

/// What is there after a short look for what is not held, if that is wanted.
async fn look<T: Default + Send + Sync + 'static>(
    reader: &Watched<T>,
    is_wanted: bool,
    now: Instant,
) -> Option<Arc<Snapshot<T>>> {
    match is_wanted {
        true => reader.after_miss(now).await,
        false => None,
    }
}

impl Published {
    pub(crate) fn declares(&self, event_type: &EventType) -> bool {
        self.event_types.content.contains(event_type)
    }

    pub(crate) fn contains(&self, item: &Item) -> bool {
        match item.kind {
            ItemKind::Banners => self.banners.content.contains(&item.id),
            ItemKind::Notices => self.notices.content.contains(&item.id),
        }
    }
}
