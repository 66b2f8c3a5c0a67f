//! Sessions, turned and ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::identity::{Provider, Session, SessionsEnded};
use store::members::{MOST_SESSIONS, Refresh};

use super::{DAY, TERMS, Town, entered, identity, ids, subject};
use crate::harness::{Fault, NOON, raw};

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
async fn a_token_is_answered_until_its_successor_is_used_and_betrays_a_copy_after_the_grace() {
    let town = Town::start().await;
    let first = town.sign_in(Provider::Google, "1").await.session;
    let refresh =
        |session: &Session, counter, at| town.members.refresh(session.clone(), counter, at, &TERMS);
    let second = live(refresh(&first, 1, NOON + DAY).await.unwrap());
    assert_eq!((second.counter, second.rotated_at), (2, NOON + DAY));

    // The response was lost, and the phone comes back whenever it does.
    for later in [Duration::ZERO, TERMS.grace, 80 * DAY] {
        for known in [&first, &second] {
            let repeated = live(refresh(known, 1, NOON + DAY + later).await.unwrap());
            assert_eq!(
                repeated, second,
                "whatever was read before, {later:?} later"
            );
        }
    }
    let unheard = refresh(&second, 9, NOON + DAY).await.unwrap();
    assert_eq!(unheard, Refresh::Unheard);

    let used_at = NOON + 2 * DAY;
    let third = live(refresh(&second, 2, used_at).await.unwrap());
    let in_time = used_at + TERMS.grace - Duration::from_millis(1);
    let late_one = live(refresh(&third, 1, in_time).await.unwrap());
    assert_eq!(
        late_one, third,
        "sent with the others and arrived after them"
    );
    let too_late = used_at + TERMS.grace;
    let reused = refresh(&third, 1, too_late).await.unwrap();
    assert_eq!(reused, Refresh::Reused(third.clone()));
    assert_eq!(live(refresh(&third, 2, too_late).await.unwrap()), third);
    let fourth = live(refresh(&third, 3, used_at).await.unwrap());
    assert_eq!(
        refresh(&fourth, 1, used_at).await.unwrap(),
        Refresh::Reused(fourth.clone())
    );

    let last = used_at + TERMS.idle - Duration::from_millis(1);
    live(refresh(&fourth, 4, last).await.unwrap());
    let over = refresh(&fourth, 3, used_at + TERMS.idle).await.unwrap();
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
async fn a_session_of_an_earlier_version_is_read_and_written_without_its_devices_id() {
    let town = Town::start().await;
    let session = town.sign_in(Provider::Google, "1").await.session;
    let of = format!("member#{}", session.member);
    let keys = raw::keys(&town.dynamo.endpoint, &of).await;
    let key = keys.iter().find(|key| {
        let sk = key["sk"].as_s().unwrap();
        sk.starts_with("session#")
    });
    let key = key.unwrap();
    let old = r#"{"id":"phone-0-example-0000","platform":"ios","model":"iPhone17,1"}"#;
    let update = "SET device = :value REMOVE device_key, authenticated_at";
    let old = raw::Value::S(old.into());
    raw::change(&town.dynamo.endpoint, key, update, old).await;

    let read = town.members.sessions(session.member, NOON).await.unwrap();
    assert_eq!(read, std::slice::from_ref(&session));
    assert!(
        town.everything()
            .await
            .contains(r#"\"id\":\"phone-0-example-0000\""#)
    );
    live(
        town.members
            .refresh(read[0].clone(), 1, NOON, &TERMS)
            .await
            .unwrap(),
    );
    let written = town.members.sessions(session.member, NOON).await.unwrap();
    assert_eq!(written[0].device_key, session.device_key);
    assert!(
        !town
            .everything()
            .await
            .contains(r#"\"id\":\"phone-0-example-0000\""#)
    );
}

#[tokio::test]
async fn a_member_has_at_most_twenty_sessions_and_the_least_recently_used_ends() {
    let town = Town::start().await;
    let who = subject("1");
    let google = identity(Provider::Google, &who);
    let mut sessions = Vec::new();
    for minute in 0..20 {
        let at = NOON + minute * Duration::from_secs(60);
        let signed_in = town.try_sign_in(&google, "phone-0-example-0000", at).await;
        sessions.push(entered(signed_in).session);
    }
    let member = sessions[0].member;
    // The oldest is used again, so that the next to the oldest is the one that ends.
    let now = NOON + DAY;
    live(
        town.members
            .refresh(sessions[0].clone(), 1, now, &TERMS)
            .await
            .unwrap(),
    );
    let newest = entered(town.try_sign_in(&google, "phone-0-example-0000", now).await).session;
    let left = ids(&town.members.sessions(member, now).await.unwrap());
    assert_eq!(left.len(), MOST_SESSIONS);
    assert!(left.contains(&newest.id) && left.contains(&sessions[0].id));
    assert!(!left.contains(&sessions[1].id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_ins_at_once_leave_no_more_than_twenty_sessions_and_all_get_in() {
    let town = Arc::new(Town::start().await);
    let member = town.sign_in(Provider::Google, "1").await.session.member;
    let tries: Vec<_> = (0..30)
        .map(|_| {
            let town = Arc::clone(&town);
            tokio::spawn(async move {
                let who = subject("1");
                let google = identity(Provider::Google, &who);
                entered(
                    town.try_sign_in(&google, "phone-0-example-0000", NOON)
                        .await,
                )
            })
        })
        .collect();
    for tried in tries {
        tried.await.unwrap();
    }
    let left = town.members.sessions(member, NOON).await.unwrap();
    assert!((1..=MOST_SESSIONS).contains(&left.len()), "{}", left.len());
}

#[tokio::test]
async fn sessions_are_listed_in_pages_the_newest_first() {
    let town = Town::start().await;
    let who = subject("1");
    let google = identity(Provider::Google, &who);
    let mut all = Vec::new();
    for minute in 0..7 {
        let at = NOON + minute * Duration::from_secs(60);
        all.push(entered(town.try_sign_in(&google, "phone-0-example-0000", at).await).session);
    }
    // Ids sort by the time at which they are made, which is the same for all of these.
    all.sort_by_key(|session| std::cmp::Reverse(session.id));
    let (member, now) = (all[0].member, NOON + DAY);
    let page = async |cursor: Option<&str>, limit| {
        town.members.sessions_page(member, cursor, limit, now).await
    };
    let (mut seen, mut cursor) = (Vec::new(), None);
    for length in [3, 3, 1] {
        let found = page(cursor.as_deref(), 3).await.unwrap();
        assert_eq!(found.items.len(), length);
        seen.extend(ids(&found.items));
        cursor = found.next_cursor;
    }
    assert_eq!((seen, cursor), (ids(&all), None));
    assert_eq!(page(None, 7).await.unwrap().next_cursor, None);
    let stranger = town.sign_in(Provider::Google, "2").await.session.member;
    let theirs = page(None, 3).await.unwrap().next_cursor.unwrap();
    let foreign = town
        .members
        .sessions_page(stranger, Some(&theirs), 3, now)
        .await;
    for refused in [foreign, page(Some("none"), 3).await] {
        assert!(matches!(refused, Err(store::StoreError::BadCursor)));
    }
}

#[tokio::test]
async fn a_proof_makes_a_session_recent_and_a_refresh_does_not() {
    let town = Town::start().await;
    let session = town.sign_in(Provider::Google, "1").await.session;
    let later = NOON + DAY;
    let refreshed = town
        .members
        .refresh(session.clone(), 1, later, &TERMS)
        .await;
    assert_eq!(live(refreshed.unwrap()).authenticated_at, NOON);
    let noted = town
        .members
        .note_authentication(session.member, session.id, later);
    noted.await.unwrap();
    let read = town.members.live_session(session.member, session.id).await;
    assert_eq!(read.unwrap().unwrap().authenticated_at, later);
    let gone = town
        .members
        .note_authentication(session.member, town.id(), later);
    assert!(gone.await.unwrap_err().is_conflict());
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
