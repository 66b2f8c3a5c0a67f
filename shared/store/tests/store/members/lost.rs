//! Lost answers: a write that happened is known for one's own, and happens once.

use aws::Pace;
use domain::identity::{Provider, SessionsEnded};
use store::{
    StoreError,
    members::{
        Choice, Linking, ProfileChange, Resolution, SignIn, SignedIn, Ticket, Unlinking, Updating,
        Withdrawing,
    },
};

use super::{DAY, TERMS, Town, ban, identity, subject};
use crate::harness::{Fault, NOON, Request};

/// A town where a call is tried once, and where the next transaction's answer is lost.
async fn town() -> Town {
    Town::at(Pace::PROBE).await
}

fn is_transaction(request: &Request) -> bool {
    request.asks_for("TransactWriteItems")
}

fn lose_next(town: &Town, fault: Fault) {
    let mut left = 1;
    town.proxy.set(move |_, request| {
        if left > 0 && is_transaction(request) {
            left -= 1;
            return fault;
        }
        Fault::None
    });
}

#[tokio::test]
async fn a_sign_in_whose_answer_was_lost_is_found_to_have_happened() {
    let town = town().await;
    for created in [true, false] {
        lose_next(&town, Fault::LoseAnswer);
        let entered = town.sign_in(Provider::Google, "1").await;
        assert_eq!(entered.created, created);
    }
    assert_eq!(town.count("identity#").await, 1);
}

#[tokio::test]
async fn a_write_that_never_arrived_is_an_error_and_nothing_is_written() {
    let town = town().await;
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    let before = town.everything().await;
    lose_next(&town, Fault::Refuse);
    let banned = town.members.ban(member, &ban(None), town.stamp(), Ok).await;
    assert!(matches!(banned, Err(StoreError::Unavailable { .. })));
    assert_eq!(town.everything().await.len(), before.len());
}

#[tokio::test]
async fn changes_whose_answers_were_lost_are_made_once() {
    let town = town().await;
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    let members = &town.members;

    lose_next(&town, Fault::LoseAnswer);
    let banned = members.ban(member, &ban(None), town.stamp(), Ok).await;
    assert_eq!(banned.unwrap().unwrap().member.version, 2);

    lose_next(&town, Fault::LoseAnswer);
    let unbanned = members.unban(member, town.stamp(), NOON, Ok).await;
    assert_eq!(unbanned.unwrap().unwrap().member.version, 3);

    lose_next(&town, Fault::LoseAnswer);
    let change = ProfileChange {
        nickname: Some(Some("Courtyard".parse().unwrap())),
        ..ProfileChange::default()
    };
    let updated = members
        .update(member, Some(3), &change, town.stamp(), NOON)
        .await;
    assert!(matches!(updated.unwrap(), Updating::Updated(_)));

    lose_next(&town, Fault::LoseAnswer);
    let linked = town.link(member, Provider::Apple, "001").await;
    assert!(matches!(linked, Linking::Linked(_)), "{linked:?}");

    lose_next(&town, Fault::LoseAnswer);
    let unlinked = members.unlink(member, Provider::Apple, town.stamp(), NOON, Ok);
    assert!(matches!(
        unlinked.await.unwrap(),
        Unlinking::Unlinked { .. }
    ));

    lose_next(&town, Fault::LoseAnswer);
    let ended = SessionsEnded {
        at: NOON,
        except: None,
    };
    let ended = members.end_sessions(member, ended, town.stamp(), Ok);
    assert!(ended.await.unwrap());

    lose_next(&town, Fault::LoseAnswer);
    let withdrawn = members.withdraw(member, DAY, town.stamp(), NOON, Ok).await;
    let begun = withdrawn.unwrap().unwrap();
    assert!(matches!(begun, Withdrawing::Begun(_)), "{begun:?}");
    assert_eq!(town.version(member).await, 8, "each of them once");
}

#[tokio::test]
async fn a_session_whose_end_was_not_answered_is_over() {
    let town = town().await;
    let session = town.sign_in(Provider::Google, "1").await.session;
    lose_next(&town, Fault::LoseAnswer);
    let ended = town
        .members
        .end_session(session.member, session.id, Ok)
        .await;
    assert!(ended.unwrap());
}

#[tokio::test]
async fn a_ticket_whose_making_and_use_were_not_answered_was_made_and_used() {
    let town = town().await;
    let guest = town.sign_in(Provider::Guest, "g").await.member.member.id;
    town.sign_in(Provider::Apple, "001").await;
    let apple = subject("001");
    let challenge = town.challenge();
    lose_next(&town, Fault::LoseAnswer);
    let proved = identity(Provider::Apple, &apple);
    let made = town
        .members
        .make_ticket("t", guest, &proved, Some(&challenge), NOON);
    assert!(matches!(made.await.unwrap(), Ticket::Made(_)));
    lose_next(&town, Fault::LoseAnswer);
    let keep = Choice::KeepCurrent { grace: DAY };
    let resolve = || {
        let stamp = town.stamp();
        town.members.resolve("t", guest, &keep, stamp, NOON, Ok)
    };
    let resolved = resolve().await.unwrap();
    assert!(matches!(resolved, Resolution::Moved { .. }), "{resolved:?}");
    assert_eq!(resolve().await.unwrap(), Resolution::NoTicket);
}

#[tokio::test]
async fn a_refusal_of_a_banned_member_whose_answer_was_lost_is_the_same_refusal() {
    let town = town().await;
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    let held = ban(None);
    let done = town.members.ban(member, &held, town.stamp(), Ok).await;
    done.unwrap().unwrap();
    let who = subject("1");
    let google = identity(Provider::Google, &who);
    let challenge = town.challenge();
    let (session, stamp) = (town.new_session("phone-0-example-0000"), town.stamp());
    let sign_in = SignIn {
        identity: &google,
        newcomer: None,
        session: &session,
        terms: &TERMS,
        challenge: Some(&challenge),
    };
    lose_next(&town, Fault::LoseAnswer);
    let refused = town.members.sign_in(&sign_in, stamp, NOON).await;
    let expected = SignedIn::Banned {
        ban: Box::new(held),
        member: Some(member),
    };
    assert_eq!(refused.unwrap(), expected);
    let copy = town.members.sign_in(&sign_in, town.stamp(), NOON).await;
    assert_eq!(copy.unwrap(), SignedIn::ChallengeUsed);
}
