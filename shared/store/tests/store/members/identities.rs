//! Linking and unlinking.

use std::sync::Arc;

use domain::identity::Provider;
use store::members::{Linking, Unlinking};

use super::{DAY, Town, ban, identity, subject};
use crate::harness::NOON;

#[tokio::test]
async fn an_identity_is_linked_to_one_member_and_one_of_a_provider() {
    let town = Town::start().await;
    let mine = town.sign_in(Provider::Google, "1").await.member.member.id;
    let theirs = town.sign_in(Provider::Kakao, "7").await.member.member.id;
    let linked = town.link(mine, Provider::Apple, "001").await;
    let Linking::Linked(record) = linked else {
        panic!("{linked:?}");
    };
    assert_eq!((record.identities, record.member.version), (2, 2));
    let again = town.link(mine, Provider::Apple, "001").await;
    assert_eq!(again, Linking::AlreadyYours(record));
    let other = town.link(mine, Provider::Apple, "002").await;
    assert_eq!(other, Linking::OtherOfProvider);
    let taken = town.link(mine, Provider::Kakao, "7").await;
    assert_eq!(taken, Linking::TakenBy(theirs));
    let nobody = town.link(town.id(), Provider::Naver, "1").await;
    assert_eq!(nobody, Linking::NotThere);
    assert!(!town.sign_in(Provider::Apple, "001").await.created);
    let providers: Vec<_> = town.members.identities(mine).await.unwrap();
    let providers: Vec<_> = providers.iter().map(|one| one.provider).collect();
    assert_eq!(providers, [Provider::Apple, Provider::Google]);
}

#[tokio::test]
async fn a_challenge_is_good_for_one_link() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    let challenge = town.challenge();
    for (who, used) in [("a", false), ("b", true)] {
        let who = subject(who);
        let provider = if used {
            Provider::Line
        } else {
            Provider::Apple
        };
        let identity = identity(provider, &who);
        let linked = town
            .members
            .link(member, &identity, Some(&challenge), town.stamp(), NOON, Ok);
        let linked = linked.await.unwrap();
        assert_eq!(linked == Linking::ChallengeUsed, used, "{linked:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_members_that_link_one_identity_at_once_one_gets_it() {
    let town = Arc::new(Town::start().await);
    let mut tries = Vec::new();
    for nth in 0..10 {
        let member = town.sign_in(Provider::Google, &nth.to_string()).await;
        let member = member.member.member.id;
        let town = Arc::clone(&town);
        tries.push(tokio::spawn(async move {
            (member, town.link(member, Provider::Apple, "001").await)
        }));
    }
    let mut outcomes = Vec::new();
    for tried in tries {
        outcomes.push(tried.await.unwrap());
    }
    let owner = town.members.owner(Provider::Apple, &subject("001")).await;
    let owner = owner.unwrap().unwrap();
    for (member, outcome) in outcomes {
        if member == owner {
            assert!(matches!(outcome, Linking::Linked(_)), "{outcome:?}");
        } else {
            assert_eq!(outcome, Linking::TakenBy(owner));
        }
    }
}

#[tokio::test]
async fn a_banned_members_identity_is_not_freed_and_the_ban_is_told() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "7").await.member.member.id;
    town.link(member, Provider::Line, "U7").await;
    let held = ban(Some(NOON + DAY));
    let done = town.members.ban(member, &held, town.stamp(), Ok).await;
    done.unwrap().unwrap();
    let unlink = async |at| {
        let stamp = town.stamp();
        let unlinked = town.members.unlink(member, Provider::Line, stamp, at, Ok);
        unlinked.await.unwrap()
    };
    assert_eq!(unlink(NOON).await, Unlinking::Banned(Box::new(held)));
    let after = unlink(NOON + DAY).await;
    assert!(matches!(after, Unlinking::Unlinked { .. }), "{after:?}");
}

#[tokio::test]
async fn the_last_identity_stays() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    let unlink = async |provider| {
        let unlinked = town
            .members
            .unlink(member, provider, town.stamp(), NOON, Ok);
        unlinked.await.unwrap()
    };
    assert_eq!(unlink(Provider::Google).await, Unlinking::LastIdentity);
    assert_eq!(unlink(Provider::Apple).await, Unlinking::NotThere);
    let who = subject("001");
    let linked = town.link(member, Provider::Apple, "001").await;
    assert!(matches!(linked, Linking::Linked(_)));
    let stored = town
        .members
        .store_provider_token(member, (Provider::Apple, &who), b"sealed");
    stored.await.unwrap();
    let Unlinking::Unlinked { identity: gone, .. } = unlink(Provider::Apple).await else {
        panic!("it is not the last");
    };
    assert_eq!(gone.provider_token.as_deref(), Some(b"sealed".as_slice()));
    assert_eq!(unlink(Provider::Google).await, Unlinking::LastIdentity);
    assert!(
        town.sign_in(Provider::Apple, "001").await.created,
        "it is free"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_last_identities_unlinked_at_once_one_stays() {
    for _ in 0..5 {
        let town = Arc::new(Town::start().await);
        let member = town.sign_in(Provider::Google, "1").await.member.member.id;
        town.link(member, Provider::Apple, "001").await;
        let unlink = |provider| {
            let town = Arc::clone(&town);
            tokio::spawn(async move {
                let unlinked = town
                    .members
                    .unlink(member, provider, town.stamp(), NOON, Ok);
                unlinked.await.unwrap()
            })
        };
        let (one, other) = (unlink(Provider::Google), unlink(Provider::Apple));
        let outcomes = [one.await.unwrap(), other.await.unwrap()];
        let refused = outcomes
            .iter()
            .filter(|one| **one == Unlinking::LastIdentity);
        assert_eq!(refused.count(), 1, "{outcomes:?}");
        assert_eq!(town.members.identities(member).await.unwrap().len(), 1);
    }
}
