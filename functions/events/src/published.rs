//! Which banners and notices are published: those are counted one by one.

use std::sync::Arc;

use domain::{
    Instant,
    content::Kind,
    events::{ClientEvent, Item, ItemKind},
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
}

/// What is published, as far as it is known here.
pub(crate) struct Published {
    banners: Arc<Snapshot<Banners>>,
    notices: Arc<Snapshot<Notices>>,
}

impl Items {
    pub(crate) fn new(source: &SnapshotSource) -> Self {
        Self {
            banners: source.reader(Kind::Banners, Banners::load),
            notices: source.reader(Kind::Notices, Notices::load),
        }
    }

    /// What is published now. An app may have been shown what another instance has read and this one
    /// has not: where events name an item that is not known, a short look shows whether it is there.
    pub(crate) async fn published(
        &self,
        told: &[ClientEvent],
        now: Instant,
    ) -> Result<Published, Problem> {
        let (banners, notices) =
            tokio::try_join!(self.banners.current(now), self.notices.current(now))?;
        let published = Published { banners, notices };
        let named = || told.iter().filter_map(ClientEvent::interaction);
        let is_unknown =
            |kind| named().any(|(item, _)| item.kind == kind && !published.contains(&item));
        let (new_banners, new_notices) = tokio::join!(
            look(&self.banners, is_unknown(ItemKind::Banners), now),
            look(&self.notices, is_unknown(ItemKind::Notices), now),
        );
        Ok(Published {
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
    pub(crate) fn contains(&self, item: &Item) -> bool {
        match item.kind {
            ItemKind::Banners => self.banners.content.contains(&item.id),
            ItemKind::Notices => self.notices.content.contains(&item.id),
        }
    }
}
