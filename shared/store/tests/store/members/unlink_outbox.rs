//! Connections that are still to be ended at their providers.

use std::time::Duration;

use domain::identity::Provider;
use store::members::{Linking, UNLINK_PATIENCE, UnlinkEntry, Unlinking};

use super::{DAY, Town, identity, subject};
use crate::harness::{NOON, put_item, raw::Value};

/// The entry of an identity that its member gave up.
async fn unlinked(town: &Town, provider: Provider) -> Option<UnlinkEntry> {
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    town.link(member, provider, "42").await;
    let unlinking = town
        .members
        .unlink(member, provider, town.stamp(), NOON, Ok)
        .await;
    let Unlinking::Unlinked { entry, .. } = unlinking.unwrap() else {
        panic!("it is not the last");
    };
    entry.map(|entry| *entry)
}

async fn due(town: &Town, days: u32) -> Vec<UnlinkEntry> {
    let page = town.members.due_unlinks(NOON + days * DAY, None, 10).await;
    let page = page.unwrap();
    assert_eq!(page.next, None);
    page.entries.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn an_identity_that_is_given_up_waits_for_its_provider_where_that_can_be_called() {
    for (provider, waits) in [
        (Provider::Kakao, true),
        (Provider::Facebook, true),
        (Provider::Apple, true),
        (Provider::Line, false),
        (Provider::Naver, false),
    ] {
        let town = Town::start().await;
        let entry = unlinked(&town, provider).await;
        assert_eq!(entry.is_some(), waits, "{provider}");
        assert!(due(&town, 0).await.is_empty(), "not at once");
        let found = due(&town, 1).await;
        assert_eq!(found, entry.into_iter().collect::<Vec<_>>(), "{provider}");
    }
}

#[tokio::test]
async fn an_entry_is_put_off_until_it_is_given_up_or_deleted() {
    let town = Town::start().await;
    let entry = unlinked(&town, Provider::Kakao).await.unwrap();
    assert!(!entry.is_given_up(NOON + 2 * DAY));
    town.members
        .postpone_unlink(&entry, NOON + DAY)
        .await
        .unwrap();
    // Another run that had the same entry changes nothing.
    town.members
        .postpone_unlink(&entry, NOON + DAY)
        .await
        .unwrap();
    assert!(due(&town, 1).await.is_empty());
    let found = due(&town, 2).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].identity, entry.identity);
    assert!(found[0].is_given_up(NOON + UNLINK_PATIENCE));
    for _ in 0..2 {
        town.members.delete_unlink(&found[0]).await.unwrap();
    }
    assert_eq!(town.count("unlink-outbox").await, 0);
}

#[tokio::test]
async fn a_user_who_connected_again_is_known() {
    let town = Town::start().await;
    let entry = unlinked(&town, Provider::Kakao).await.unwrap();
    let connected = || town.members.is_connected_again(&entry);
    assert!(!connected().await.unwrap());
    assert!(town.sign_in(Provider::Kakao, "42").await.created);
    assert!(connected().await.unwrap());
}

#[tokio::test]
async fn a_connection_that_the_provider_ended_leaves_no_entry_and_spares_another_identity() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    town.link(member, Provider::Kakao, "42").await;
    let ended = async |who: &str| {
        let who = subject(who);
        let identity = (Provider::Kakao, &who, NOON);
        let ended = town
            .members
            .unlink_ended(member, identity, town.stamp(), NOON, Ok);
        ended.await.unwrap()
    };
    assert_eq!(ended("41").await, Unlinking::NotThere);
    assert!(matches!(
        ended("42").await,
        Unlinking::Unlinked { entry: None, .. }
    ));
    assert_eq!(ended("42").await, Unlinking::NotThere);
    assert_eq!(town.count("unlink-outbox").await, 0);
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_stands_in_the_way_of_no_other() {
    let town = Town::start().await;
    let good = unlinked(&town, Provider::Facebook).await.unwrap();
    for (sk, of) in [
        ("2020-02-02T00:00:00Z#a", "due"),
        ("2020-02-02T00:00:00Z#b", "also due"),
    ] {
        let item = [
            ("pk", "unlink-outbox"),
            ("sk", sk),
            ("id", of),
            ("created_at", "soon"),
        ];
        let item = item.map(|(name, text)| (name.to_owned(), Value::S(text.to_owned())));
        put_item(&town.dynamo, item.into()).await;
    }
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = town.members.due_unlinks(NOON + DAY, after.as_ref(), 1);
        let page = page.await.unwrap();
        found.extend(page.entries.into_iter().map(Result::ok));
        match page.next {
            None => break,
            next => after = next,
        }
    }
    assert_eq!(found, [None, None, Some(good)]);
}

#[tokio::test]
async fn the_age_of_the_outbox_is_that_of_its_oldest_entry_due_or_not() {
    let town = Town::start().await;
    assert_eq!(town.members.oldest_unlink().await.unwrap(), None);
    let old = unlinked(&town, Provider::Apple).await.unwrap();
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    town.link(member, Provider::Kakao, "43").await;
    let later = NOON + 2 * DAY;
    let younger = town
        .members
        .unlink(member, Provider::Kakao, town.stamp(), later, Ok);
    younger.await.unwrap();
    // It becomes due later than the younger one.
    town.members.postpone_unlink(&old, later).await.unwrap();
    let oldest = town.members.oldest_unlink().await.unwrap();
    assert_eq!(oldest, Some(NOON));
}

#[tokio::test]
async fn what_ended_before_a_link_leaves_the_link() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    let who = subject("42");
    let kakao = identity(Provider::Kakao, &who);
    let linked_at = NOON + Duration::from_millis(40_700);
    let linked = town
        .members
        .link(member, &kakao, None, town.stamp(), linked_at, Ok);
    assert!(matches!(linked.await.unwrap(), Linking::Linked(_)));
    let now = linked_at + Duration::from_secs(3_000);
    for (millis, is_about_it) in [(0, false), (40_699, false), (40_700, true), (99_000, true)] {
        let ended_at = NOON + Duration::from_millis(millis);
        let owner = town
            .members
            .owner_since((Provider::Kakao, &who), ended_at)
            .await;
        let expected = is_about_it.then_some(member);
        assert_eq!(owner.unwrap(), expected, "{millis} ms after noon");
        if !is_about_it {
            let ended = (Provider::Kakao, &who, ended_at);
            let left = town
                .members
                .unlink_ended(member, ended, town.stamp(), now, Ok);
            assert_eq!(left.await.unwrap(), Unlinking::NotThere);
        }
    }
    let other = town
        .members
        .owner_since((Provider::Kakao, &subject("43")), now)
        .await;
    assert_eq!(other.unwrap(), None);
    let ended = (Provider::Kakao, &who, linked_at);
    let unlinked = town
        .members
        .unlink_ended(member, ended, town.stamp(), now, Ok);
    assert!(matches!(
        unlinked.await.unwrap(),
        Unlinking::Unlinked { .. }
    ));
}
