//! How operators find members.

use domain::{
    DeviceKey, Instant,
    identity::{MemberId, NicknameKey},
};
use futures_util::future;
use serde::Deserialize;

use super::{MemberRecord, Members};
use crate::{
    Page, StoreError, keys, page,
    query::{Range, Read},
    table::{EXPIRES_AT, is_over, sort_key},
};

#[derive(Deserialize)]
struct Named {
    sk: String,
    member_id: MemberId,
}

impl Members {
    /// Members whose nickname's key begins so ([`NicknameKey::of`] the beginning that is sought), by
    /// that key. Nicknames that are only held for their former owners are left out, so that a page
    /// may be shorter than the limit. [`StoreError::BadCursor`] for a cursor of another list.
    pub async fn by_nickname(
        &self,
        beginning: &NicknameKey,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<MemberRecord>, StoreError> {
        let beginning = beginning.as_str();
        if beginning.is_empty() {
            return Ok(Page {
                items: Vec::new(),
                next_cursor: None,
            });
        }
        let list = format!("nicknames {beginning}");
        let after = cursor
            .map(|cursor| page::text_of(&list, cursor))
            .transpose()?;
        let range = Range {
            between: Some((beginning.to_owned(), format!("{beginning}{}", char::MAX))),
            after,
            ..Range::all(keys::nicknames(beginning), Read::Consistent)
        };
        let (items, more) = self.table.query(&range, limit).await?;
        let mut found = Vec::new();
        let mut last = None;
        for item in items {
            let held = item.contains_key(EXPIRES_AT);
            let named: Named = self.table.decode(item)?;
            last = Some(named.sk);
            if !held {
                found.push(self.member(named.member_id));
            }
        }
        let records = future::try_join_all(found).await?;
        let next = last.filter(|_| more);
        Ok(Page {
            items: records.into_iter().flatten().collect(),
            next_cursor: next.map(|sk| page::cursor_of_text(&list, &sk)),
        })
    }

    /// Returns one page of the members who signed in on a device, as far as a session of theirs there
    /// could still be live.
    ///
    /// # Errors
    /// [`StoreError::BadCursor`] for a cursor of another list.
    pub async fn by_device_page(
        &self,
        device: DeviceKey,
        cursor: Option<&str>,
        limit: usize,
        now: Instant,
    ) -> Result<Page<MemberRecord>, StoreError> {
        let list = format!("device {device}");
        let after = cursor
            .map(|cursor| page::key_of(&list, cursor))
            .transpose()?;
        let mut range = Range {
            after,
            ..Range::all(keys::device(device), Read::Consistent)
        };
        let mut found = Vec::new();
        let next_cursor = loop {
            let wanted = limit.saturating_sub(found.len());
            let (items, more) = self.table.query(&range, wanted).await?;
            let last = items.last().and_then(sort_key).map(str::to_owned);
            let live = items.iter().filter(|item| !is_over(item, now));
            found.extend(live.filter_map(|item| keys::member_of(sort_key(item)?)));
            match last.filter(|_| more) {
                None => break None,
                Some(last) if found.len() >= limit => break Some(page::cursor(&list, &last)),
                after => range.after = after,
            }
        };
        let records = found.into_iter().map(|member| self.member(member));
        let records = future::try_join_all(records).await?;
        Ok(Page {
            items: records.into_iter().flatten().collect(),
            next_cursor,
        })
    }
}
