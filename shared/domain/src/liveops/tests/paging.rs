//! Pages of notices: what stays is on one page, and on one only, whatever comes and goes between
//! them.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

/// A notice, by what the list is ordered by.
type Place = (bool, i8, u8);

fn published(items: &BTreeMap<u8, Place>) -> Notices {
    let items = items.iter().map(|(id, (pinned, priority, minute))| {
        let starts_at = Instant::from_minutes(u32::from(*minute)).to_string();
        let item = json!({"pinned": pinned, "priority": priority, "starts_at": starts_at});
        (format!("n{id}"), notice(item))
    });
    Notices::load(format(Kind::Notices), &artefact(Kind::Notices, items)).unwrap()
}

fn places() -> impl Strategy<Value = BTreeMap<u8, Place>> {
    // Few values, so that many notices differ in their ids alone.
    let place = (any::<bool>(), -1..2_i8, 0..3_u8);
    proptest::collection::btree_map(0..40_u8, place, 0..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_stays_is_read_once(first in places(), later in places(), limit in 1..6_usize) {
        // What is in both is the same in both; the rest comes or goes after the first page.
        let mut later = later;
        for (id, place) in &first {
            later.entry(*id).and_modify(|there| *there = *place);
        }
        let stays: BTreeSet<String> =
            first.keys().filter(|id| later.contains_key(id)).map(|id| format!("n{id}")).collect();
        let (before, after) = (published(&first), published(&later));
        let audience = Audience::default();
        let mut read = Vec::new();
        let (page, mut next) = before.page(&audience, at(NOON), None, limit);
        prop_assert!(page.len() <= limit);
        read.extend(page.iter().map(|notice| notice.id.to_string()));
        while let Some(cursor) = next {
            let cursor: NoticeCursor = cursor.to_string().parse().unwrap();
            let (page, more) = after.page(&audience, at(NOON), Some(&cursor), limit);
            prop_assert!(page.len() == limit || more.is_none());
            read.extend(page.iter().map(|notice| notice.id.to_string()));
            next = more;
        }
        let once: BTreeSet<&String> = read.iter().collect();
        prop_assert_eq!(once.len(), read.len(), "one is repeated");
        if first.len() > limit {
            prop_assert!(stays.iter().all(|id| once.contains(id)), "one is lost");
        }
    }

    #[test]
    fn pages_of_what_does_not_change_are_the_list(items in places(), limit in 1..6_usize) {
        let notices = published(&items);
        let audience = Audience::default();
        let whole: Vec<_> = notices.visible(&audience, at(NOON)).map(|n| &n.id).collect();
        let mut read = Vec::new();
        let mut after = None;
        loop {
            let (page, next) = notices.page(&audience, at(NOON), after.as_ref(), limit);
            read.extend(page.into_iter().map(|notice| &notice.id));
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        prop_assert_eq!(read, whole);
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written(
        pinned: bool, priority: i32, millis: i64, id in "[a-z0-9_-]{1,64}",
    ) {
        let cursor = NoticeCursor {
            pinned,
            priority,
            starts_at: Instant::from_millis(millis),
            id: id.parse().unwrap(),
        };
        let text = cursor.to_string();
        prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        prop_assert_eq!(text.parse::<NoticeCursor>(), Ok(cursor));
    }

    #[test]
    fn no_text_makes_a_cursor_panic(text: String) {
        let _ = text.parse::<NoticeCursor>();
        let _ = BASE64_URL_SAFE_NO_PAD.encode(text).parse::<NoticeCursor>();
    }
}

#[test]
fn what_was_never_handed_out_is_no_cursor() {
    let inside = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    assert!(
        inside("notices\n1\n5\n0\na")
            .parse::<NoticeCursor>()
            .is_ok()
    );
    for bad in [
        String::new(),
        "%%%".to_owned(),
        "한국어".to_owned(),
        inside(""),
        inside("drafts\n1\n5\n0\na"),
        inside("notices\n2\n5\n0\na"),
        inside("notices\ntrue\n5\n0\na"),
        inside("notices\n1\n+5\n0\na"),
        inside("notices\n1\n05\n0\na"),
        inside("notices\n1\n4294967296\n0\na"),
        inside("notices\n1\n5\n1e3\na"),
        inside("notices\n1\n5\n0\nA"),
        inside("notices\n1\n5\n0\n"),
        inside("notices\n1\n5\n0"),
        inside("notices\n1\n5\n0\na\n"),
        format!("{}=", inside("notices\n1\n5\n0\na")),
        inside(&"n".repeat(10_000)),
    ] {
        assert_eq!(bad.parse::<NoticeCursor>(), Err(BadCursor), "{bad}");
    }
}

#[test]
fn a_page_of_none_says_nothing_of_more() {
    let notices = notices(&[("a", json!({}))]);
    let (page, next) = notices.page(&Audience::default(), at(NOON), None, 0);
    assert!(page.is_empty() && next.is_none());
}
