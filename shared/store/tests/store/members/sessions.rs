//! Sessions, turned and ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::identity::{Provider, Session, SessionsEnded};
use store::members::Refresh;

use super::{DAY, TERMS, Town, entered, identity, ids, subject};
use crate::harness::{Fault, NOON};

fn live(refresh: Refresh) -> Session {
    match refresh {
        Refresh::Live(session) => session,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_that_present_the_live_token_at_once_are_given_one_next_turn() {
    let town = Arc::new(Town::start().await);
    let session = town.sign_in(Provider::Google, "1").await.session;
    let tries: Vec<_> = (0..50)
        .map(|_| {
            let (town, session) = (Arc::clone(&town), session.clone());
            tokio::spawn(async move { town.members.refresh(session, 1, NOON, &TERMS).await })
        })
        .collect();
    for tried in tries {
        assert_eq!(live(tried.await.unwrap().unwrap()).counter, 2);
    }
    let kept = town.members.sessions(session.member, NOON).await.unwrap();
    assert_eq!(kept[0].counter, 2);
}

#[tokio::test]
async fn the_token_before_is_answered_within_the_grace_and_betrays_a_copy_later() {
    let town = Town::start().await;
    let first = town.sign_in(Provider::Google, "1").await.session;
    let refresh =
        |session: &Session, counter, at| town.members.refresh(session.clone(), counter, at, &TERMS);
    let second = live(refresh(&first, 1, NOON + DAY).await.unwrap());
    assert_eq!((second.counter, second.rotated_at), (2, NOON + DAY));

    let in_time = NOON + DAY + Duration::from_secs(59);
    for known in [&first, &second] {
        let repeated = live(refresh(known, 1, in_time).await.unwrap());
        assert_eq!(repeated, second, "whatever was read before");
    }
    let too_late = NOON + DAY + TERMS.grace;
    let reused = refresh(&second, 1, too_late).await.unwrap();
    assert_eq!(reused, Refresh::Reused(second.clone()));
    let unheard = refresh(&second, 9, in_time).await.unwrap();
    assert_eq!(unheard, Refresh::Unheard);
    let third = live(refresh(&second, 2, in_time).await.unwrap());
    assert_eq!(
        refresh(&third, 1, in_time).await.unwrap(),
        Refresh::Reused(third.clone())
    );

    let last = in_time + TERMS.idle - Duration::from_millis(1);
    live(refresh(&third, 3, last).await.unwrap());
    let over = refresh(&third, 3, in_time + TERMS.idle).await.unwrap();
    assert_eq!(over, Refresh::Ended);
}

#[tokio::test]
async fn a_turn_whose_answer_was_lost_is_taken_once() {
    let town = Town::start().await;
    let session = town.sign_in(Provider::Google, "1").await.session;
    town.proxy.set(|nth, _| match nth {
        0 => Fault::LoseAnswer,
        _ => Fault::None,
    });
    let next = town
        .members
        .refresh(session, 1, NOON, &TERMS)
        .await
        .unwrap();
    assert_eq!(live(next).counter, 2);
}

#[tokio::test]
async fn a_session_is_ended_by_its_member_alone_and_once() {
    let town = Town::start().await;
    let session = town.sign_in(Provider::Google, "1").await.session;
    let stranger = town.sign_in(Provider::Google, "2").await.session;
    let end = |member, session| town.members.end_session(member, session, Ok);
    assert!(!end(stranger.member, session.id).await.unwrap());
    assert!(end(session.member, session.id).await.unwrap());
    assert!(!end(session.member, session.id).await.unwrap());
    let refreshed = town.members.refresh(session.clone(), 1, NOON, &TERMS).await;
    assert_eq!(refreshed.unwrap(), Refresh::Ended);
    let sessions = town.members.sessions(stranger.member, NOON).await.unwrap();
    assert_eq!(ids(&sessions), [stranger.id]);
}

#[tokio::test]
async fn what_is_added_to_a_transaction_may_be_refused_and_then_nothing_is_written() {
    let town = Town::start().await;
    let session = town.sign_in(Provider::Google, "1").await.session;
    let refused = town
        .members
        .end_session(session.member, session.id, |_| {
            Err(store::StoreError::BadCursor)
        })
        .await;
    assert!(matches!(refused, Err(store::StoreError::BadCursor)));
    let sessions = town.members.sessions(session.member, NOON).await.unwrap();
    assert_eq!(sessions.len(), 1);
}

#[tokio::test]
async fn what_is_added_to_a_transaction_is_added_to_each_of_its_tries() {
    let town = Town::start().await;
    let session = town.sign_in(Provider::Google, "1").await.session;
    // The first call looks whether the session is there.
    town.proxy.set(|nth, _| match nth {
        1 => Fault::Contend,
        _ => Fault::None,
    });
    let asked = AtomicUsize::new(0);
    let ended = town
        .members
        .end_session(session.member, session.id, |transaction| {
            asked.fetch_add(1, Ordering::SeqCst);
            Ok(transaction)
        });
    assert!(ended.await.unwrap());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn sessions_end_together_but_one_and_never_begin_again() {
    let town = Town::start().await;
    let who = subject("1");
    let google = identity(Provider::Google, &who);
    let mut sessions = Vec::new();
    for day in 0..3 {
        let device = format!("phone-{day}-example-0001");
        let signed_in = town.try_sign_in(&google, &device, NOON + day * DAY);
        sessions.push(entered(signed_in.await).session);
    }
    let member = sessions[0].member;
    let now = NOON + 2 * DAY;
    let end = async |at, except| {
        let ended = SessionsEnded { at, except };
        let ended = town.members.end_sessions(member, ended, town.stamp(), Ok);
        assert!(ended.await.unwrap());
        ids(&town.members.sessions(member, now).await.unwrap())
    };
    assert_eq!(end(NOON, None).await, [sessions[2].id, sessions[1].id]);
    assert_eq!(end(now, Some(sessions[1].id)).await, [sessions[1].id]);
    let earlier = end(NOON, Some(sessions[1].id)).await;
    assert_eq!(earlier, [sessions[1].id], "what was ended later stays so");
    assert!(end(now, Some(sessions[0].id)).await.is_empty());
    assert!(end(now, Some(sessions[1].id)).await.is_empty());
    let standing = town.members.standing(member, sessions[1].id).await.unwrap();
    assert_eq!(standing.unwrap().1, None);

    let nobody = SessionsEnded {
        at: now,
        except: None,
    };
    let ended = town
        .members
        .end_sessions(town.id(), nobody, town.stamp(), Ok);
    assert!(!ended.await.unwrap());
}

#[tokio::test]
async fn a_session_that_nobody_uses_is_listed_until_it_is_over() {
    let town = Town::start().await;
    let session = town.sign_in(Provider::Google, "1").await.session;
    let list = |at| town.members.sessions(session.member, at);
    let last = NOON + TERMS.idle - Duration::from_secs(1);
    assert_eq!(ids(&list(last).await.unwrap()), [session.id]);
    assert_eq!(list(NOON + TERMS.idle).await.unwrap(), []);
    assert_eq!(
        list(NOON).await.unwrap().len(),
        1,
        "though it's still there"
    );
}
