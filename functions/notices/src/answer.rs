//! A notice as it is told.

use domain::{Id, Instant, Label, Locale, ReadState, liveops::PublishedNotice};
use schemars::JsonSchema;
use serde::Serialize;

/// A notice as lists show it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NoticeSummary")]
pub(crate) struct Summary<'s> {
    /// What it is asked for by.
    id: &'s Id,
    /// What it is about.
    category: Option<&'s Label>,
    /// Whether it stands before all that are not.
    pinned: bool,
    /// Its title, in the reader's language.
    title: &'s str,
    /// Since when it is there.
    starts_at: Instant,
    /// Until when, if it ends.
    ends_at: Option<Instant>,
    /// Whether the member who asks has read it; `null` without a member, or where that is not known
    /// at the moment.
    read: Option<bool>,
}

impl<'s> Summary<'s> {
    pub(crate) fn new(
        notice: &'s PublishedNotice,
        languages: &[Locale],
        read: Option<&ReadState>,
    ) -> Self {
        Self {
            id: &notice.id,
            category: notice.category.as_ref(),
            pinned: notice.pinned,
            title: notice.title.choose(languages),
            starts_at: notice.starts_at,
            ends_at: notice.ends_at,
            read: read.map(|read| read.is_read(&notice.id, notice.starts_at)),
        }
    }
}
