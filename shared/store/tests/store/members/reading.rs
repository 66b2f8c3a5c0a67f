//! What a member has read: marks that come at once and again, made smaller, and gone with them.

use std::sync::{Arc, Mutex};

use domain::{Id, Instant, ReadState, identity::Provider, read_state::Compaction};
use futures_util::future::join_all;
use store::{StoreError, members::PurgeStep};

use super::{DAY, Town};
use crate::harness::{Fault, NOON};

fn id(n: usize) -> Id {
    format!("n{n}").parse().unwrap()
}

fn read(numbers: impl IntoIterator<Item = usize>) -> ReadState {
    ReadState {
        watermark: None,
        ids: numbers.into_iter().map(id).collect(),
    }
}

#[tokio::test]
async fn marks_are_kept_once_each_and_for_each_member_apart() {
    let town = Town::start().await;
    let one = town.sign_in(Provider::Google, "one").await.member.member.id;
    let two = town.sign_in(Provider::Google, "two").await.member.member.id;
    for (n, ids) in [(1, vec![1]), (2, vec![1, 2]), (1, vec![1, 2])] {
        let marked = town.members.mark_read(one, &id(n), NOON).await.unwrap();
        assert_eq!(marked, Some(read(ids)));
    }
    let state = |member| town.members.read_state(member, NOON);
    assert_eq!(state(one).await.unwrap(), read([1, 2]));
    assert_eq!(state(two).await.unwrap(), read([]));
    let forgotten = NOON + 401 * DAY;
    let later = town.members.read_state(one, forgotten).await.unwrap();
    assert_eq!(later, read([]));
}

#[tokio::test]
async fn of_marks_at_once_none_is_lost() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "one").await.member.member.id;
    let marks = (0..12).map(|n| {
        let members = town.members.clone();
        async move { members.mark_read(member, &id(n), NOON).await }
    });
    for marked in join_all(marks).await {
        assert!(marked.unwrap().is_some());
    }
    let state = town.members.read_state(member, NOON).await.unwrap();
    assert_eq!(state, read(0..12));
}

#[tokio::test]
async fn a_mark_that_meets_a_first_one_is_tried_again_and_no_more_often_than_it_has_to_be() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "one").await.member.member.id;
    for n in 0..2 {
        let mut in_the_way = 3;
        town.proxy.set(move |_, request| {
            if in_the_way == 0 || !request.asks_for("UpdateItem") {
                return Fault::None;
            }
            in_the_way -= 1;
            Fault::Contend
        });
        let marked = town.members.mark_read(member, &id(n), NOON).await;
        assert_eq!(marked.unwrap(), Some(read(0..=n)));
    }
    town.proxy.set(|_, _| Fault::Contend);
    let marked = town.members.mark_read(member, &id(2), NOON).await;
    assert!(matches!(marked, Err(StoreError::Throttled { .. })));
}

#[tokio::test]
async fn a_mark_is_seen_by_who_asks_next() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "one").await.member.member.id;
    let asked = Arc::new(Mutex::new(String::new()));
    let last = Arc::clone(&asked);
    town.proxy.set(move |_, request| {
        *last.lock().unwrap() = String::from_utf8_lossy(&request.body).into_owned();
        Fault::None
    });
    town.members.read_state(member, NOON).await.unwrap();
    let asked = asked.lock().unwrap();
    assert!(asked.contains("\"ConsistentRead\":true"), "{asked}");
}

#[tokio::test]
async fn a_state_is_made_smaller_where_nobody_did_so_since_and_no_mark_is_lost() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "one").await.member.member.id;
    let mut before = read([]);
    for n in 0..4 {
        let marked = town.members.mark_read(member, &id(n), NOON).await.unwrap();
        before = marked.unwrap();
    }
    let compaction = Compaction {
        watermark: Some(NOON),
        dropped: read(0..4).ids,
    };
    town.members.mark_read(member, &id(9), NOON).await.unwrap();
    let compacted = town
        .members
        .compact_read(member, &before, &compaction)
        .await;
    compacted.unwrap();
    let after = ReadState {
        watermark: Some(NOON),
        ..read([9])
    };
    let state = || town.members.read_state(member, NOON);
    assert_eq!(state().await.unwrap(), after);
    let late = Compaction {
        watermark: Some(Instant::from_seconds(1)),
        dropped: read([9]).ids,
    };
    let again = town.members.compact_read(member, &before, &late).await;
    assert!(again.unwrap_err().is_conflict());
    assert_eq!(state().await.unwrap(), after);
    let marked = town.members.mark_read(member, &id(5), NOON).await.unwrap();
    let with_one_more = ReadState {
        watermark: Some(NOON),
        ..read([5, 9])
    };
    assert_eq!(marked, Some(with_one_more));
}

#[tokio::test]
async fn nothing_is_marked_for_who_was_forgotten_and_nothing_stays_of_them() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "one").await.member.member.id;
    let stranger = town.id();
    let marked = town.members.mark_read(stranger, &id(1), NOON).await;
    assert_eq!(marked.unwrap(), None);
    assert_eq!(town.count(&format!("member#{stranger}")).await, 0);

    town.members.mark_read(member, &id(1), NOON).await.unwrap();
    town.withdraw(member, DAY).await;
    let marked = town.members.mark_read(member, &id(2), NOON).await.unwrap();
    assert!(marked.is_some(), "they may come back");
    let now = NOON + DAY;
    let due = town.members.due(now, None, 1).await.unwrap();
    let purge = town
        .members
        .begin_purge(&due[0], town.id(), town.stamp(), now);
    let purge = purge.await.unwrap().unwrap();
    // What is there is marked once more, and goes with the rest.
    assert!(
        town.members
            .mark_read(member, &id(3), now)
            .await
            .unwrap()
            .is_some()
    );
    for step in PurgeStep::ALL {
        town.members.purge_step(&purge, *step).await.unwrap();
        let late = town.members.mark_read(member, &id(4), now).await.unwrap();
        let gone = !matches!(
            step,
            PurgeStep::Sessions | PurgeStep::Devices | PurgeStep::Identities | PurgeStep::Exports
        );
        assert_eq!(late.is_none(), gone, "{step:?}");
    }
    let left = town.count(&format!("member#{member}")).await;
    assert_eq!(left, 2, "a tombstone of both items");
}
