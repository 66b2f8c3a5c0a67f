//! Nicknames: one member's each, changed once a week, held for a month.

use std::{sync::Arc, time::Duration};

use domain::{
    Instant,
    identity::{MemberId, Nickname, Provider},
};
use store::members::{Availability, NICKNAME_HELD, NICKNAME_KEPT, ProfileChange, Updating};

use super::{DAY, Town};
use crate::harness::NOON;

fn name(text: &str) -> Nickname {
    text.parse().unwrap()
}

async fn rename(town: &Town, member: MemberId, to: Option<&str>, now: Instant) -> Updating {
    let change = ProfileChange {
        nickname: Some(to.map(name)),
        ..ProfileChange::default()
    };
    let version = town.version(member).await;
    let updated = town
        .members
        .update(member, Some(version), &change, town.stamp(), now);
    updated.await.unwrap()
}

async fn renamed(town: &Town, member: MemberId, to: &str, now: Instant) {
    let updated = rename(town, member, Some(to), now).await;
    let Updating::Updated(record) = updated else {
        panic!("{updated:?}");
    };
    assert_eq!(record.nickname.as_deref(), Some(to));
    assert_eq!(record.nickname_changed_at, Some(now));
}

async fn available(town: &Town, text: &str, who: MemberId, now: Instant) -> Availability {
    let key = name(text).key();
    let available = town.members.nickname_available(&key, Some(who), now);
    available.await.unwrap()
}

async fn member(town: &Town, who: &str) -> MemberId {
    town.sign_in(Provider::Google, who).await.member.member.id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_who_want_one_nickname_at_once_one_gets_it() {
    let town = Arc::new(Town::start().await);
    let mut tries = Vec::new();
    for nth in 0..50 {
        let id = member(&town, &nth.to_string()).await;
        let town = Arc::clone(&town);
        tries.push(tokio::spawn(async move {
            (id, rename(&town, id, Some("마당쇠"), NOON).await)
        }));
    }
    let mut winners = Vec::new();
    for tried in tries {
        match tried.await.unwrap() {
            (id, Updating::Updated(_)) => winners.push(id),
            (_, other) => assert_eq!(other, Updating::NicknameTaken),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(
        available(&town, "마당쇠", winners[0], NOON).await,
        Availability::Free
    );
    let key = name("마당쇠").key();
    let nobody = town.members.nickname_available(&key, None, NOON);
    assert_eq!(nobody.await.unwrap(), Availability::Taken);
    assert_eq!(town.count("nickname#").await, 1);
}

#[tokio::test]
async fn a_nickname_is_changed_once_a_week() {
    let town = Town::start().await;
    let id = member(&town, "1").await;
    renamed(&town, id, "Courtyard", NOON).await;
    let until = NOON + NICKNAME_KEPT;
    let early = until - Duration::from_millis(1);
    for to in [Some("Gatehouse"), Some("courtyard"), None] {
        let refused = rename(&town, id, to, early).await;
        assert_eq!(refused, Updating::NicknameTooSoon(until), "{to:?}");
    }
    let same = rename(&town, id, Some("Courtyard"), early).await;
    assert!(
        matches!(same, Updating::Updated(_)),
        "the same is no change"
    );
    renamed(&town, id, "courtyard", until).await;
    assert_eq!(town.count("nickname#").await, 1, "another spelling of one");
    renamed(&town, id, "Gatehouse", until + NICKNAME_KEPT).await;
}

#[tokio::test]
async fn a_nickname_that_was_given_up_is_held_for_whoever_had_it() {
    let town = Town::start().await;
    let (one, other) = (member(&town, "1").await, member(&town, "2").await);
    renamed(&town, one, "Courtyard", NOON).await;
    let given_up = NOON + 7 * DAY;
    let gone = rename(&town, one, None, given_up).await;
    assert!(matches!(gone, Updating::Updated(record) if record.nickname.is_none()));

    let until = given_up + NICKNAME_HELD;
    let last = until - Duration::from_secs(1);
    assert_eq!(
        available(&town, "Courtyard", other, last).await,
        Availability::Held
    );
    assert_eq!(
        available(&town, "COURTYARD", one, last).await,
        Availability::Free
    );
    let refused = rename(&town, other, Some("courtyard"), last).await;
    assert_eq!(refused, Updating::NicknameTaken);

    renamed(&town, one, "Courtyard", given_up + 7 * DAY).await;
    let theirs = rename(&town, other, Some("Courtyard"), until).await;
    assert_eq!(
        theirs,
        Updating::NicknameTaken,
        "it is held no more but had"
    );
    renamed(&town, one, "Gatehouse", given_up + 14 * DAY).await;
    let until = given_up + 14 * DAY + NICKNAME_HELD;
    renamed(&town, other, "Courtyard", until).await;
    let back = rename(&town, one, Some("Courtyard"), until).await;
    assert_eq!(back, Updating::NicknameTaken);
}
