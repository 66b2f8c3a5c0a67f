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
        let mut published = Published { banners, notices };
        let named = || told.iter().filter_map(ClientEvent::interaction);
        let is_unknown = |published: &Published, kind| {
            named().any(|(item, _)| item.kind == kind && !published.contains(&item))
        };
        if is_unknown(&published, ItemKind::Banners)
            && let Some(newest) = self.banners.after_miss(now).await
        {
            published.banners = newest;
        }
        if is_unknown(&published, ItemKind::Notices)
            && let Some(newest) = self.notices.after_miss(now).await
        {
            published.notices = newest;
        }
        Ok(published)
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
