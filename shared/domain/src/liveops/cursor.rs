//! Where a list of notices goes on.

use std::{cmp::Reverse, fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{Id, Instant};

/// A place in the list of notices, told by what the list is ordered by: so that it stays the same
/// place whatever is published before or after it. As text it is opaque to apps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeCursor {
    pub(super) pinned: bool,
    pub(super) priority: i32,
    pub(super) starts_at: Instant,
    pub(super) id: Id,
}

/// A text that is no cursor, or none that was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor that was handed out")]
pub struct BadCursor;

/// What the text of a cursor begins with, inside: the list that it is of.
const LIST: &str = "notices";

/// No cursor is longer.
const LONGEST: usize = 200;

impl NoticeCursor {
    pub(super) fn order(&self) -> Order<'_> {
        order(self.pinned, self.priority, self.starts_at, &self.id)
    }
}

/// What the list of notices is ordered by: pinned first, then the greatest priority, then the newest,
/// then the id.
pub(super) type Order<'a> = (Reverse<bool>, Reverse<i32>, Reverse<Instant>, &'a Id);

pub(super) fn order(pinned: bool, priority: i32, starts_at: Instant, id: &Id) -> Order<'_> {
    (Reverse(pinned), Reverse(priority), Reverse(starts_at), id)
}

impl fmt::Display for NoticeCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pinned,
            priority,
            starts_at,
            id,
        } = self;
        let pinned = u8::from(*pinned);
        let starts_at = starts_at.as_millis();
        let inside = format!("{LIST}\n{pinned}\n{priority}\n{starts_at}\n{id}");
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(inside))
    }
}

impl FromStr for NoticeCursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        if text.len() > LONGEST {
            return Err(BadCursor);
        }
        let inside = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        let inside = String::from_utf8(inside).map_err(|_| BadCursor)?;
        let cursor = read(&inside).ok_or(BadCursor)?;
        // One place has one text: `+5` and `05` were never handed out.
        if cursor.to_string() == text {
            Ok(cursor)
        } else {
            Err(BadCursor)
        }
    }
}

fn read(inside: &str) -> Option<NoticeCursor> {
    let mut parts = inside.splitn(5, '\n');
    parts.next().filter(|list| *list == LIST)?;
    Some(NoticeCursor {
        pinned: parts.next()? == "1",
        priority: parts.next()?.parse().ok()?,
        starts_at: Instant::from_millis(parts.next()?.parse().ok()?),
        id: parts.next()?.parse().ok()?,
    })
}
