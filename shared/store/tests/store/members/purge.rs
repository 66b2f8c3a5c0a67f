//! Being forgotten: all of it, however often it is begun, and nobody else.

use aws::Pace;
use domain::{
    DeviceKey,
    identity::{MemberId, MemberStatus, NicknameKey, Provider, TransferCode},
};
use store::{
    StoreError,
    members::{
        Due, Export, NewIdentity, NewTransferCode, ProfileChange, PurgeStep, Refresh, Updating,
    },
};

use super::{DAY, TERMS, Town, entered, identity, subject};
use crate::harness::{Fault, NOON};

const SECRETS: [&str; 7] = [
    "001.subject",
    "guest-of-old",
    "guest-secret",
    "Courtyard",
    "Gatehouse",
    "old-phone-example-01",
    "new-phone-example-01",
];

/// A member of whom something is kept in every way there is, and who is about to be due.
async fn somebody(town: &Town) -> Due {
    let guest = subject("guest-of-old");
    let guest = NewIdentity {
        guest_secret: Some("guest-secret"),
        ..identity(Provider::Guest, &guest)
    };
    let member = entered(town.try_sign_in(&guest, "old-phone-example-01", NOON).await);
    let member = member.member.member.id;
    let code = TransferCode::new(&mut *town.rng.lock().unwrap());
    let made = town
        .members
        .make_transfer_code(member, &code, town.stamp(), NOON, Ok);
    assert!(matches!(made.await.unwrap(), NewTransferCode::Made(_)));
    let apple_id = subject("001.subject");
    let apple = identity(Provider::Apple, &apple_id);
    let linked = town
        .members
        .link(member, &apple, None, town.stamp(), NOON, Ok);
    linked.await.unwrap();
    let place = (Provider::Apple, &apple_id);
    let stored = town.members.store_provider_token(member, place, b"sealed");
    stored.await.unwrap();
    entered(town.try_sign_in(&apple, "new-phone-example-01", NOON).await);
    for (text, at) in [("Courtyard", NOON), ("Gatehouse", NOON + 7 * DAY)] {
        let change = ProfileChange {
            nickname: Some(Some(text.parse().unwrap())),
            ..ProfileChange::default()
        };
        let version = town.version(member).await;
        let updated = town
            .members
            .update(member, Some(version), &change, town.stamp(), at);
        assert!(matches!(updated.await.unwrap(), Updating::Updated(_)));
    }
    let export = Export {
        requested_at: NOON,
        good_until: NOON + DAY,
    };
    let id = town.id();
    let requested = town.members.request_export(member, id, export).await;
    assert!(requested.unwrap());
    let kept = town.members.export(member, id, NOON).await.unwrap();
    assert_eq!(kept, Some(export));
    let over = town.members.export(member, id, NOON + DAY).await.unwrap();
    assert_eq!(over, None);
    let notice = "a-notice".parse().unwrap();
    let marked = town.members.mark_read(member, &notice, NOON).await;
    assert!(marked.unwrap().is_some());
    town.withdraw(member, 8 * DAY).await;
    Due {
        member,
        purge_at: NOON + 8 * DAY,
    }
}

/// What the worker does, but for what it tells others; it stops after so many steps.
async fn purge(town: &Town, steps: usize) -> Result<(), StoreError> {
    let now = NOON + 8 * DAY;
    for due in town.members.due(now, None, 10).await? {
        let purge = town.members.begin_purge(&due, town.id(), town.stamp(), now);
        let purge = purge.await?.unwrap();
        for step in PurgeStep::ALL.iter().take(steps) {
            town.members.purge_step(&purge, *step).await?;
        }
    }
    Ok(())
}

async fn assert_forgotten(town: &Town, member: MemberId, when: &str) {
    let kept = town.everything().await;
    for secret in SECRETS {
        assert!(!kept.contains(secret), "{secret} {when}");
    }
    for name in ["Courtyard", "Gatehouse"] {
        let key = NicknameKey::of(name);
        assert!(!kept.contains(key.as_str()), "{name} {when}");
    }
    for device in ["old-phone-example-01", "new-phone-example-01"] {
        let key = DeviceKey::of(&device.parse().unwrap()).to_string();
        assert!(!kept.contains(&key), "{device} {when}");
    }
    assert!(!kept.contains("c2VhbGVk"), "the provider's token {when}");
    let left = town.count(&format!("member#{member}")).await;
    assert_eq!(left, 2, "a tombstone of both items {when}");
    let tombstone = town.members.member(member).await.unwrap().unwrap();
    assert_eq!(tombstone.member.status(NOON), MemberStatus::Withdrawn);
    assert_eq!((tombstone.nickname, tombstone.identities), (None, 0));
    assert_eq!(tombstone.member.locale, None);
    let due = town.members.due(NOON + 100 * DAY, None, 10).await.unwrap();
    assert!(due.is_empty(), "{when}");
    for partition in ["nickname#", "withdrawals", "transfer-code#"] {
        assert_eq!(town.count(partition).await, 0, "{partition} {when}");
    }
}

#[tokio::test]
async fn between_whichever_steps_the_purge_is_cut_off_the_next_run_ends_the_same() {
    for steps in 0..=PurgeStep::ALL.len() {
        let town = Town::start().await;
        let due = somebody(&town).await;
        let neighbour = town.sign_in(Provider::Google, "neighbour").await;
        let before = town.everything().await;
        for secret in SECRETS {
            let hashed = [
                "guest-secret",
                "Courtyard",
                "old-phone-example-01",
                "new-phone-example-01",
            ];
            let in_clear = !hashed.contains(&secret);
            assert_eq!(before.contains(secret), in_clear, "{secret}");
        }
        let held = NicknameKey::of("Courtyard");
        assert!(before.contains(held.as_str()));
        purge(&town, steps).await.unwrap();
        purge(&town, PurgeStep::ALL.len()).await.unwrap();

        assert_forgotten(&town, due.member, &format!("after {steps} steps")).await;
        let id = neighbour.member.member.id;
        let standing = town.members.standing(id, neighbour.session.id).await;
        let expected = (neighbour.member, Some(neighbour.session));
        assert_eq!(standing.unwrap(), Some(expected));
    }
}

#[tokio::test]
async fn whichever_call_of_the_purge_fails_the_next_run_ends_the_same() {
    for fault in [Fault::Refuse, Fault::LoseAnswer] {
        for failing in 0.. {
            let town = Town::at(Pace::PROBE).await;
            let due = somebody(&town).await;
            town.proxy.set(move |nth, _| match nth {
                nth if nth == failing => fault,
                _ => Fault::None,
            });
            // Its failure is what is tried, and some writes are found to have happened all the same.
            let _ = purge(&town, PurgeStep::ALL.len()).await;
            let reached = town.proxy.seen() > failing;
            town.proxy.set(|_, _| Fault::None);
            purge(&town, PurgeStep::ALL.len()).await.unwrap();
            let when = format!("after {fault:?} of call {failing}");
            assert_forgotten(&town, due.member, &when).await;
            if !reached {
                assert!(failing > 10, "the faults were there");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_pseudonym_is_given_once_and_others_are_told_of_what_is_left() {
    let town = Town::start().await;
    let due = somebody(&town).await;
    let now = due.purge_at;
    let begin = || {
        let (pseudonym, stamp) = (town.id(), town.stamp());
        town.members.begin_purge(&due, pseudonym, stamp, now)
    };
    let early = town
        .members
        .begin_purge(&due, town.id(), town.stamp(), NOON);
    assert_eq!(early.await.unwrap(), None);
    let purge = begin().await.unwrap().unwrap();
    assert_eq!(begin().await.unwrap(), Some(purge));
    let remains = town.members.remains(&purge).await.unwrap();
    let told: Vec<_> = remains
        .identities
        .iter()
        .map(|identity| (identity.provider, identity.provider_token.as_deref()))
        .collect();
    let sealed = Some(b"sealed".as_slice());
    assert_eq!(told, [(Provider::Apple, sealed), (Provider::Guest, None)]);
    assert_eq!(remains.devices.len(), 2);
    for step in PurgeStep::ALL {
        town.members.purge_step(&purge, *step).await.unwrap();
    }
    assert_eq!(begin().await.unwrap(), Some(purge));
    assert!(
        town.everything()
            .await
            .contains(&purge.pseudonym().to_string())
    );
}

#[tokio::test]
async fn nothing_about_a_member_begins_anew_once_the_purge_has_begun() {
    let town = Town::start().await;
    let due = somebody(&town).await;
    let sessions = town.members.sessions(due.member, NOON).await.unwrap();
    purge(&town, PurgeStep::ALL.len() - 1).await.unwrap();
    for session in sessions {
        let refreshed = town.members.refresh(session, 1, NOON, &TERMS).await;
        assert_eq!(refreshed.unwrap(), Refresh::Ended);
    }
    let cancelled = town
        .members
        .cancel_withdrawal(due.member, town.stamp(), NOON, Ok);
    assert_eq!(cancelled.await.unwrap(), None);
    let export = Export {
        requested_at: NOON,
        good_until: NOON + DAY,
    };
    let requested = town
        .members
        .request_export(due.member, town.id(), export)
        .await;
    assert!(!requested.unwrap());
    assert_eq!(town.members.document(due.member, NOON).await.unwrap(), None);
    let again = town.sign_in(Provider::Apple, "001.subject").await;
    assert!(again.created, "whoever was forgotten is new");
    assert_ne!(again.member.member.id, due.member);
    purge(&town, PurgeStep::ALL.len()).await.unwrap();
    assert!(!town.sign_in(Provider::Apple, "001.subject").await.created);
}

#[tokio::test]
async fn a_document_has_everything_of_its_member() {
    let town = Town::start().await;
    let due = somebody(&town).await;
    town.sign_in(Provider::Google, "neighbour").await;
    let document = town
        .members
        .document(due.member, NOON)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(document.member.nickname.as_deref(), Some("Gatehouse"));
    assert_eq!(document.identities.len(), 2);
    assert_eq!(document.sessions.len(), 2);
    assert_eq!(document.devices.len(), 2);
    assert_eq!(document.notices_read.ids.len(), 1);
}
