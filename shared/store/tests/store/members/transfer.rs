//! Transfer codes: made, tried, used and purged.

use std::sync::Arc;

use domain::identity::{Provider, Session, TransferCode};
use store::members::{NewIdentity, NewSession, NewTransferCode, SignIn, Transfer, Transferring};

use super::{TERMS, Town, ban, entered, identity, ids, subject};
use crate::harness::{Fault, NOON};

/// A guest who has the secret `old-secret`.
async fn guest(town: &Town, name: &str) -> Session {
    let who = subject(name);
    let with_secret = NewIdentity {
        guest_secret: Some("old-secret"),
        ..identity(Provider::Guest, &who)
    };
    entered(
        town.try_sign_in(&with_secret, "old-phone-example-01", NOON)
            .await,
    )
    .session
}

fn code(town: &Town) -> TransferCode {
    TransferCode::new(&mut *town.rng.lock().unwrap())
}

async fn made(town: &Town, session: &Session) -> TransferCode {
    let code = code(town);
    let made = town
        .members
        .make_transfer_code(session.member, &code, town.stamp(), NOON, Ok);
    let until = NOON + TransferCode::LIFETIME;
    assert_eq!(made.await.unwrap(), NewTransferCode::Made(until));
    code
}

async fn present(town: &Town, code: &TransferCode, session: &NewSession) -> Transferring {
    at(town, code, session, NOON).await
}

async fn at(
    town: &Town,
    code: &TransferCode,
    session: &NewSession,
    now: domain::Instant,
) -> Transferring {
    let transfer = Transfer {
        code,
        session,
        terms: &TERMS,
        guest_secret: "new-secret",
    };
    let transferring = town
        .members
        .transfer(&transfer, now, |transaction, _, _| Ok(transaction));
    transferring.await.unwrap()
}

#[tokio::test]
async fn a_code_moves_a_guest_to_another_phone_once_and_ends_the_old_one() {
    let town = Town::start().await;
    let old = guest(&town, "g-1").await;
    let code = made(&town, &old).await;
    assert!(!town.everything().await.contains(&code.text()));
    let moved = present(&town, &code, &town.new_session("new-phone-example-01")).await;
    let Transferring::Entered(entered, who) = moved else {
        panic!("{moved:?}");
    };
    assert_eq!((entered.session.member, who.as_str()), (old.member, "g-1"));
    let live = town.members.sessions(old.member, NOON).await.unwrap();
    assert_eq!(ids(&live), [entered.session.id]);
    for (secret, known) in [("old-secret", false), ("new-secret", true)] {
        let knows = town.members.knows_guest(&who, secret).await.unwrap();
        assert_eq!(knows, known, "{secret}");
    }
    let again = present(&town, &code, &town.new_session("third-phone")).await;
    assert_eq!(again, Transferring::Invalid);
}

#[tokio::test]
async fn a_code_bears_ten_wrong_tries_and_seven_days() {
    let town = Town::start().await;
    let old = guest(&town, "g-1").await;
    let code = made(&town, &old).await;
    let wrong: TransferCode = format!("{}{}", code.handle(), "0".repeat(14))
        .parse()
        .unwrap();
    let phone = town.new_session("new-phone-example-01");
    let late = at(&town, &code, &phone, NOON + TransferCode::LIFETIME).await;
    assert_eq!(late, Transferring::Invalid);
    for _ in 0..8 {
        assert_eq!(present(&town, &wrong, &phone).await, Transferring::Invalid);
    }
    let banned = town
        .members
        .ban(old.member, &ban(None), town.stamp(), Ok)
        .await;
    banned.unwrap().unwrap();
    let kept_out = present(&town, &code, &phone).await;
    assert!(matches!(kept_out, Transferring::Banned(_)), "{kept_out:?}");
    town.members
        .unban(old.member, town.stamp(), NOON, Ok)
        .await
        .unwrap();
    assert_eq!(present(&town, &code, &phone).await, Transferring::Invalid);
    assert!(
        town.members
            .knows_guest(&subject("g-1"), "old-secret")
            .await
            .unwrap()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_present_a_code_at_once_one_gets_in() {
    let town = Arc::new(Town::start().await);
    let old = guest(&town, "g-1").await;
    let code = made(&town, &old).await;
    let tries: Vec<_> = (0..8)
        .map(|nth| {
            let (town, code) = (Arc::clone(&town), code.clone());
            tokio::spawn(async move {
                let phone = town.new_session(&format!("phone-{nth}-example-0001"));
                present(&town, &code, &phone).await
            })
        })
        .collect();
    let mut entered = 0;
    for tried in tries {
        entered += usize::from(tried.await.unwrap() != Transferring::Invalid);
    }
    assert_eq!(entered, 1);
    let live = town.members.sessions(old.member, NOON).await.unwrap();
    assert_eq!(live.len(), 1);
}

#[tokio::test]
async fn a_new_code_replaces_the_one_before_and_only_guests_have_one() {
    let town = Town::start().await;
    let old = guest(&town, "g-1").await;
    let (first, second) = (made(&town, &old).await, made(&town, &old).await);
    assert_eq!(town.count("transfer-code#").await, 1);
    let phone = town.new_session("new-phone-example-01");
    assert_eq!(present(&town, &first, &phone).await, Transferring::Invalid);
    town.link(old.member, Provider::Google, "1").await;
    let another = code(&town);
    let refused = town
        .members
        .make_transfer_code(old.member, &another, town.stamp(), NOON, Ok);
    assert_eq!(refused.await.unwrap(), NewTransferCode::NotGuest);
    let nobody = town
        .members
        .make_transfer_code(town.id(), &another, town.stamp(), NOON, Ok);
    assert_eq!(nobody.await.unwrap(), NewTransferCode::NotThere);
    // The code is older than the link: it would hand an account with a provider to whoever has it.
    let survived = present(&town, &second, &phone).await;
    assert_eq!(survived, Transferring::Invalid);
    let unlinked = town
        .members
        .unlink(old.member, Provider::Google, town.stamp(), NOON, Ok);
    unlinked.await.unwrap();
    let moved = present(&town, &second, &phone).await;
    assert!(matches!(moved, Transferring::Entered(..)), "{moved:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_and_a_transfer_at_once_leave_no_linked_account_to_a_code() {
    for _ in 0..5 {
        let town = Arc::new(Town::start().await);
        let old = guest(&town, "g-1").await;
        let code = made(&town, &old).await;
        let linking = {
            let town = Arc::clone(&town);
            tokio::spawn(async move { town.link(old.member, Provider::Google, "1").await })
        };
        let phone = town.new_session("new-phone-example-01");
        let moved = present(&town, &code, &phone).await;
        linking.await.unwrap();
        let first = matches!(moved, Transferring::Entered(..));
        let who = subject("g-1");
        let knows = town.members.knows_guest(&who, "new-secret").await;
        assert_eq!(knows.unwrap(), first, "{moved:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_ins_with_the_former_secret_leave_no_session_beside_the_transfers() {
    for _ in 0..5 {
        let town = Arc::new(Town::start().await);
        let old = guest(&town, "g-1").await;
        let code = made(&town, &old).await;
        let sign_ins: Vec<_> = (0..6)
            .map(|_| {
                let town = Arc::clone(&town);
                tokio::spawn(async move {
                    let who = subject("g-1");
                    let identity = NewIdentity {
                        guest_secret: Some("old-secret"),
                        ..identity(Provider::Guest, &who)
                    };
                    let sign_in = SignIn {
                        identity: &identity,
                        newcomer: None,
                        session: &town.new_session("old-phone-example-01"),
                        terms: &TERMS,
                        challenge: None,
                    };
                    let signed_in = town.members.sign_in(&sign_in, town.stamp(), NOON).await;
                    signed_in.unwrap();
                })
            })
            .collect();
        let moved = present(&town, &code, &town.new_session("new-phone-example-01")).await;
        for sign_in in sign_ins {
            sign_in.await.unwrap();
        }
        let Transferring::Entered(entered, _) = moved else {
            panic!("{moved:?}");
        };
        let live = town.members.sessions(old.member, NOON).await.unwrap();
        assert_eq!(ids(&live), [entered.session.id]);
    }
}

#[tokio::test]
async fn a_transfer_that_is_stored_is_told_whatever_fails_afterwards() {
    let town = Town::start().await;
    let old = guest(&town, "g-1").await;
    let code = made(&town, &old).await;
    let mut stored = false;
    town.proxy.set(move |_, request| {
        let was_stored = stored;
        stored = stored || request.asks_for("TransactWriteItems");
        match was_stored {
            true => Fault::Refuse,
            false => Fault::None,
        }
    });
    let moved = present(&town, &code, &town.new_session("new-phone-example-01")).await;
    assert!(matches!(moved, Transferring::Entered(..)), "{moved:?}");
}

#[tokio::test]
async fn a_code_whose_response_was_lost_is_made_and_used_once() {
    let town = Town::start().await;
    let old = guest(&town, "g-1").await;
    let lose_one = || {
        let mut lost = false;
        town.proxy.set(move |_, request| {
            let writes = request.asks_for("TransactWriteItems");
            if !writes || lost {
                return Fault::None;
            }
            lost = true;
            Fault::LoseAnswer
        });
    };
    lose_one();
    let code = made(&town, &old).await;
    lose_one();
    let moved = present(&town, &code, &town.new_session("new-phone-example-01")).await;
    assert!(matches!(moved, Transferring::Entered(..)), "{moved:?}");
}
