//! Signing in, the first time and again.

use std::sync::Arc;

use domain::identity::{MemberStatus, Provider};
use store::members::{Due, NewIdentity, SignIn, SignedIn};

use super::{DAY, TERMS, Town, ban, entered, identity, subject};
use crate::harness::{Fault, NOON};

#[tokio::test]
async fn the_first_sign_in_makes_a_member_and_the_next_finds_them() {
    let town = Town::start().await;
    let first = town.sign_in(Provider::Google, "1").await;
    assert!(first.created);
    assert_eq!(first.member.member.status(NOON), MemberStatus::Active);
    assert_eq!(first.member.identities, 1);
    assert_eq!(first.session.counter, 1);

    let again = town.sign_in(Provider::Google, "1").await;
    assert!(!again.created);
    assert_eq!(again.member, first.member);
    let other = town.sign_in(Provider::Kakao, "1").await;
    assert!(other.created, "a subject is its provider's alone");

    let id = first.member.member.id;
    let standing = town.members.standing(id, again.session.id).await.unwrap();
    assert_eq!(standing, Some((first.member, Some(again.session))));
    let foreign = town.members.standing(id, other.session.id).await.unwrap();
    assert_eq!(foreign.unwrap().1, None);
    let nobody = town.members.standing(town.id(), other.session.id).await;
    assert_eq!(nobody.unwrap(), None);
    let identities = town.members.identities(id).await.unwrap();
    assert_eq!(identities.len(), 1);
    assert_eq!(identities[0].subject, subject("1"));
    assert_eq!(identities[0].linked_at, NOON);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_first_sign_ins_at_once_one_makes_the_member() {
    let town = Arc::new(Town::start().await);
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let town = Arc::clone(&town);
            tokio::spawn(async move { town.sign_in(Provider::Apple, "001.x").await })
        })
        .collect();
    let mut all = Vec::new();
    for tried in tries {
        all.push(tried.await.unwrap());
    }
    let created: Vec<_> = all.iter().filter(|entered| entered.created).collect();
    assert_eq!(created.len(), 1);
    let member = created[0].member.member.id;
    assert!(all.iter().all(|entered| entered.member.member.id == member));
    let sessions = town.members.sessions(member, NOON).await.unwrap();
    assert_eq!(sessions.len(), 20);
    assert_eq!(town.count("identity#").await, 1);
    let everything = town.everything().await;
    assert_eq!(everything.matches("S(\"member\")").count(), 1);
}

#[tokio::test]
async fn a_challenge_is_good_for_one_sign_in() {
    let town = Town::start().await;
    let challenge = town.challenge();
    let (one, other) = (subject("1"), subject("2"));
    let newcomer = town.newcomer();
    let session = town.new_session("phone-0-example-0000");
    let sign_in = SignIn {
        identity: &identity(Provider::Line, &one),
        newcomer: Some(&newcomer),
        session: &session,
        terms: &TERMS,
        challenge: Some(&challenge),
    };
    let first = town.members.sign_in(&sign_in, town.stamp(), NOON).await;
    entered(first.unwrap());
    let before = town.everything().await;
    for who in [&one, &other] {
        let replay = SignIn {
            identity: &identity(Provider::Line, who),
            newcomer: Some(&town.newcomer()),
            session: &town.new_session("phone-0-example-0000"),
            ..sign_in
        };
        let replayed = town.members.sign_in(&replay, town.stamp(), NOON).await;
        assert_eq!(replayed.unwrap(), SignedIn::ChallengeUsed);
    }
    assert_eq!(
        town.everything().await.len(),
        before.len(),
        "nothing stored"
    );
}

#[tokio::test]
async fn a_banned_member_does_not_get_in_and_one_who_is_gone_becomes_a_new_member() {
    let town = Town::start().await;
    let who = subject("1");
    let google = identity(Provider::Google, &who);
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    let for_a_day = ban(Some(NOON + DAY));
    let banned = town.members.ban(member, &for_a_day, town.stamp(), Ok).await;
    let record = banned.unwrap().unwrap();
    assert_eq!(record.member.status(NOON), MemberStatus::Banned);
    let refused = town
        .try_sign_in(&google, "phone-0-example-0000", NOON)
        .await;
    let banned = SignedIn::Banned {
        ban: Box::new(for_a_day.clone()),
        member: Some(member),
    };
    assert_eq!(refused, banned);
    entered(
        town.try_sign_in(&google, "phone-0-example-0000", NOON + DAY)
            .await,
    );

    let for_good = ban(None);
    let banned = town.members.ban(member, &for_good, town.stamp(), Ok).await;
    banned.unwrap().unwrap();
    let unbanned = town.members.unban(member, town.stamp(), NOON, Ok).await;
    assert_eq!(unbanned.unwrap().unwrap().member.ban, None);
    let version = town.version(member).await;
    let again = town.members.unban(member, town.stamp(), NOON, Ok).await;
    assert_eq!(
        again.unwrap().unwrap().member.version,
        version,
        "no ban, no write"
    );

    town.withdraw(member, DAY).await;
    let pending = entered(
        town.try_sign_in(&google, "phone-0-example-0000", NOON)
            .await,
    );
    let status = pending.member.member.status(NOON);
    assert_eq!(
        status,
        MemberStatus::WithdrawalPending,
        "they may come back"
    );
    let due = Due {
        member,
        purge_at: NOON + DAY,
    };
    let purge = town
        .members
        .begin_purge(&due, town.id(), town.stamp(), NOON + DAY);
    purge.await.unwrap().unwrap();
    let again = town.try_sign_in(&google, "phone-0-example-0000", NOON + DAY);
    assert!(entered(again.await).created, "whoever is gone is new");
    let banned = town.members.ban(member, &for_good, town.stamp(), Ok).await;
    assert_eq!(banned.unwrap(), None);
}

#[tokio::test]
async fn a_guest_comes_back_by_their_secret_and_nobody_comes_who_is_not_known() {
    let town = Town::start().await;
    let guest = subject("guest-1");
    let secret = "correct-horse-battery-staple";
    let with_secret = NewIdentity {
        guest_secret: Some(secret),
        ..identity(Provider::Guest, &guest)
    };
    let created = entered(
        town.try_sign_in(&with_secret, "phone-0-example-0000", NOON)
            .await,
    );
    assert!(town.members.knows_guest(&guest, secret).await.unwrap());
    for (who, what) in [
        ("guest-1", "correct-horse-battery-stapler"),
        ("guest-1", ""),
        ("guest-2", secret),
    ] {
        let known = town.members.knows_guest(&subject(who), what).await;
        assert!(!known.unwrap(), "{who} {what}");
    }
    let session = town.new_session("phone-0-example-0000");
    let come_back = async |identity: &NewIdentity<'_>| {
        let sign_in = SignIn {
            identity,
            newcomer: None,
            session: &session,
            terms: &TERMS,
            challenge: None,
        };
        let signed_in = town.members.sign_in(&sign_in, town.stamp(), NOON);
        signed_in.await.unwrap()
    };
    let back = entered(come_back(&with_secret).await);
    assert_eq!(back.member, created.member);
    let with_another = NewIdentity {
        guest_secret: Some("wrong-horse-battery-staple"),
        ..with_secret
    };
    let session = town.new_session("phone-0-example-0000");
    let sign_in = SignIn {
        identity: &with_another,
        newcomer: None,
        session: &session,
        terms: &TERMS,
        challenge: None,
    };
    // The function checks the secret first; a transfer may replace it before the sign-in is stored.
    let signed_in = town.members.sign_in(&sign_in, town.stamp(), NOON).await;
    assert_eq!(signed_in.unwrap(), SignedIn::Unknown);
    let member = created.session.member;
    let begun = town.members.live_session(member, session.id).await;
    assert_eq!(begun.unwrap(), None, "no session begins");
    assert!(town.members.knows_guest(&guest, secret).await.unwrap());
    let stranger = subject("guest-2");
    let unknown = come_back(&identity(Provider::Guest, &stranger)).await;
    assert_eq!(unknown, SignedIn::Unknown);
    assert!(!town.everything().await.contains(secret));
}

#[tokio::test]
async fn a_providers_token_is_kept_as_it_is_given_and_renewed() {
    let town = Town::start().await;
    let who = subject("001");
    let mut last = None;
    let apple = identity(Provider::Apple, &who);
    for token in [Some(b"one".as_slice()), None, Some(b"two")] {
        let entered = entered(town.try_sign_in(&apple, "phone-0-example-0000", NOON).await);
        let member = entered.member.member.id;
        if let Some(token) = token {
            let place = (Provider::Apple, &who);
            let stored = town.members.store_provider_token(member, place, token);
            stored.await.unwrap();
        }
        last = token.or(last);
        let identities = town.members.identities(member).await.unwrap();
        assert_eq!(identities[0].provider_token.as_deref(), last);
    }
}

#[tokio::test]
async fn a_sign_in_that_meets_another_write_is_tried_again() {
    let town = Town::start().await;
    town.proxy.set(|nth, _| match nth {
        1 => Fault::Contend,
        _ => Fault::None,
    });
    assert!(town.sign_in(Provider::Google, "1").await.created);
}

#[tokio::test]
async fn a_clock_that_lags_makes_no_session_that_is_over_before_it_begins() {
    let town = Town::start().await;
    let first = town.sign_in(Provider::Google, "1").await;
    let member = first.member.member.id;
    let ended = domain::identity::SessionsEnded {
        at: NOON + DAY,
        except: None,
    };
    let ended = town.members.end_sessions(member, ended, town.stamp(), Ok);
    assert!(ended.await.unwrap());
    let second = town.sign_in(Provider::Google, "1").await;
    let sessions = town.members.sessions(member, NOON).await.unwrap();
    assert_eq!(super::ids(&sessions), [second.session.id]);
}
