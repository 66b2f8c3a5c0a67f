//! A member's standing: written whatever the size of the member's item, read from items of earlier
//! versions, and outliving the member where it is a ban.

use std::collections::HashMap;

use domain::{
    Instant,
    identity::{Ban, IdentityHash, MemberId, MemberStatus, Provider, SessionsEnded, Subject},
    keyring::Keys,
};
use serde_json::json;
use store::{
    Revocations,
    members::{Due, Linking, NewIdentity, PurgeStep, SignIn, SignedIn, secret_sha256},
    revocations::RevocationReader,
};

use super::{DAY, TERMS, Town, ban, entered, identity, subject};
use crate::harness::{NOON, put_item, raw::Value};

/// Stores a member as an earlier version did, with these attributes of their item beside.
async fn old_member(town: &Town, id: MemberId, profile: serde_json::Value, more: &[(&str, Value)]) {
    let text = |text: String| Value::S(text);
    let mut item = HashMap::from([
        ("pk".to_owned(), text(format!("member#{id}"))),
        ("sk".to_owned(), text("member".into())),
        ("created_at".to_owned(), text(NOON.to_string())),
        ("version".to_owned(), Value::N("7".into())),
        ("stamp".to_owned(), text("00000000000000ab".into())),
        ("identities".to_owned(), Value::N("1".into())),
        ("profile".to_owned(), text(profile.to_string())),
    ]);
    let more = more.iter();
    item.extend(more.map(|(name, value)| ((*name).to_owned(), value.clone())));
    put_item(&town.dynamo, item).await;
}

/// What a map is in DynamoDB.
fn map(of: &[(&str, String)]) -> Value {
    let pairs = of.iter();
    let pairs = pairs.map(|(name, text)| ((*name).to_owned(), Value::S(text.clone())));
    Value::M(pairs.collect())
}

fn keys() -> Keys {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    Keys::parse(&json!({ "current": { "id": 1, "key": key } }).to_string()).unwrap()
}

fn hashes(provider: Provider, who: &Subject, secret: Option<&str>) -> Vec<IdentityHash> {
    let secret = secret.map(secret_sha256);
    IdentityHash::all(&keys(), provider, who, secret.as_deref())
}

/// What the worker does.
async fn purge(town: &Town, member: MemberId, now: Instant) {
    let record = town.members.member(member).await.unwrap().unwrap();
    let due = Due {
        member,
        purge_at: record.member.withdrawal.unwrap().purge_at,
    };
    let begun = town.members.begin_purge(&due, town.id(), town.stamp(), now);
    let purge = begun.await.unwrap().unwrap();
    // Twice: what was stored by a run that was killed stays as it is.
    for left in [true, false] {
        let remains = town.members.remains(&purge).await.unwrap();
        if remains.ban.is_some_and(|ban| ban.holds(now)) {
            let hashes: Vec<_> = remains
                .identities
                .iter()
                .map(|of| {
                    let secret = of.secret_sha256.as_deref();
                    IdentityHash::current(&keys(), of.provider, &of.subject, secret)
                })
                .collect();
            let retained = town.members.retain_ban(&purge, &hashes, now).await;
            retained.unwrap();
        }
        if left {
            let step = PurgeStep::Identities;
            town.members.purge_step(&purge, step).await.unwrap();
        }
    }
    for step in PurgeStep::ALL {
        town.members.purge_step(&purge, *step).await.unwrap();
    }
}

async fn try_as(town: &Town, provider: Provider, who: &str, now: Instant) -> SignedIn {
    let who = subject(who);
    let hashes = hashes(provider, &who, None);
    let identity = NewIdentity {
        hashes: &hashes,
        ..identity(provider, &who)
    };
    town.try_sign_in(&identity, "phone-0-example-0000", now)
        .await
}

fn banned(ban: &Ban) -> SignedIn {
    SignedIn::Banned {
        ban: Box::new(ban.clone()),
        member: None,
    }
}

#[tokio::test]
async fn a_member_whose_item_is_full_is_banned_signed_out_and_purged_all_the_same() {
    let town = Town::start().await;
    let member = town.id();
    // 100 attributes of 100 texts each were possible: they fill the item to DynamoDB's 400 KB.
    let attributes: serde_json::Map<_, _> = (0..16)
        .map(|nth| (format!("a{nth}"), json!(vec!["y".repeat(251); 100])))
        .collect();
    old_member(&town, member, json!({ "attributes": attributes }), &[]).await;

    let banned = town.members.ban(member, &ban(None), town.stamp(), Ok).await;
    let record = banned.unwrap().unwrap();
    assert_eq!(record.member.status(NOON), MemberStatus::Banned);
    let ended = SessionsEnded {
        at: NOON,
        except: None,
    };
    let ended = town.members.end_sessions(member, ended, town.stamp(), Ok);
    assert!(ended.await.unwrap());
    let unbanned = town.members.unban(member, town.stamp(), NOON, Ok).await;
    assert!(unbanned.unwrap().is_some());
    town.withdraw(member, DAY).await;
    purge(&town, member, NOON + DAY).await;
    let left = town.members.member(member).await.unwrap().unwrap();
    assert_eq!(left.member.status(NOON), MemberStatus::Withdrawn);
    assert_eq!(town.count(&format!("member#{member}")).await, 2);
    assert!(!town.everything().await.contains("yyyy"));
}

#[tokio::test]
async fn the_standing_that_an_earlier_version_stored_is_read_until_it_changes() {
    let town = Town::start().await;
    let member = town.id();
    let purge_at = NOON + DAY;
    let profile = json!({
        "country": "KR",
        "ban": ban(None),
    });
    let old = [
        (
            "withdrawal",
            map(&[
                ("requested_at", NOON.to_string()),
                ("purge_at", purge_at.to_string()),
            ]),
        ),
        ("sessions_ended", map(&[("at", NOON.to_string())])),
    ];
    old_member(&town, member, profile, &old).await;
    let record = town.members.member(member).await.unwrap().unwrap();
    assert_eq!(record.member.ban, Some(ban(None)));
    assert_eq!(record.member.withdrawal.unwrap().purge_at, purge_at);
    assert_eq!(record.member.sessions_ended.unwrap().at, NOON);
    assert_eq!(record.member.version, 7);

    // What the member writes leaves it as it is.
    let change = store::members::ProfileChange {
        country: Some(None),
        ..store::members::ProfileChange::default()
    };
    let updated = town
        .members
        .update(member, Some(7), &change, town.stamp(), NOON)
        .await;
    let store::members::Updating::Updated(updated) = updated.unwrap() else {
        panic!("it is of version 7");
    };
    assert_eq!(updated.member.ban, Some(ban(None)));
    let kept = town.members.member(member).await.unwrap().unwrap();
    assert_eq!(kept, updated);

    // Lifting the ban leaves the rest as it was, and nothing of the old ban comes back.
    let unbanned = town.members.unban(member, town.stamp(), NOON, Ok).await;
    let unbanned = unbanned.unwrap().unwrap();
    assert_eq!(unbanned.member.ban, None);
    assert_eq!(unbanned.member.withdrawal.unwrap().purge_at, purge_at);
    assert_eq!(unbanned.member.sessions_ended.unwrap().at, NOON);
    assert_eq!(unbanned.member.version, 9);
    let again = town
        .members
        .update(member, Some(9), &change, town.stamp(), NOON)
        .await;
    assert!(matches!(
        again.unwrap(),
        store::members::Updating::Updated(_)
    ));
    let kept = town.members.member(member).await.unwrap().unwrap();
    assert_eq!((kept.member.ban, kept.member.version), (None, 10));
}

#[tokio::test]
async fn a_member_who_was_closed_by_an_earlier_version_is_purged() {
    let town = Town::start().await;
    let member = town.id();
    let old = [
        (
            "withdrawal",
            map(&[
                ("requested_at", NOON.to_string()),
                ("purge_at", NOON.to_string()),
            ]),
        ),
        ("withdrawn_at", Value::S(NOON.to_string())),
        ("pseudonym", Value::S(town.id().to_string())),
    ];
    old_member(&town, member, json!({}), &old).await;
    let stamp = town.stamp();
    let banned = town.members.ban(member, &ban(None), stamp, Ok).await;
    assert_eq!(banned.unwrap(), None);
    purge(&town, member, NOON).await;
    assert_eq!(town.count(&format!("member#{member}")).await, 2);
}

#[tokio::test]
async fn a_ban_outlives_its_member_for_every_identity_and_lapses_at_its_end() {
    let town = Town::start().await;
    for (who, ends_at) in [("forever", None), ("for-a-week", Some(NOON + 7 * DAY))] {
        let member = town.sign_in(Provider::Google, who).await.member.member.id;
        town.link(member, Provider::Kakao, who).await;
        let ban = ban(ends_at);
        let done = town.members.ban(member, &ban, town.stamp(), Ok).await;
        done.unwrap().unwrap();
        town.withdraw(member, DAY).await;
        purge(&town, member, NOON + DAY).await;
        for provider in [Provider::Google, Provider::Kakao] {
            let refused = try_as(&town, provider, who, NOON + 2 * DAY).await;
            assert_eq!(refused, banned(&ban), "{provider} {who}");
        }
        let other = try_as(&town, Provider::Line, who, NOON + 2 * DAY).await;
        let other = entered(other).member.member.id;

        // Nor does it come back in as somebody else's.
        let google = subject(who);
        let hashes = hashes(Provider::Google, &google, None);
        let google = NewIdentity {
            hashes: &hashes,
            ..identity(Provider::Google, &google)
        };
        let at = NOON + 2 * DAY;
        let linked = town
            .members
            .link(other, &google, None, town.stamp(), at, Ok);
        assert_eq!(
            linked.await.unwrap(),
            Linking::Banned(Box::new(ban.clone()))
        );

        let later = NOON + 8 * DAY;
        match ends_at {
            Some(_) => {
                let signed_in = try_as(&town, Provider::Google, who, later).await;
                assert!(entered(signed_in).created);
            }
            None => {
                let refused = try_as(&town, Provider::Google, who, later).await;
                assert_eq!(refused, banned(&ban));
                let stamp = town.stamp();
                let lifted = town.members.lift_retained_ban(member, stamp, Ok).await;
                assert!(lifted.unwrap().is_some());
                for provider in [Provider::Google, Provider::Kakao] {
                    let signed_in = try_as(&town, provider, who, later).await;
                    assert!(entered(signed_in).created, "{provider}");
                }
            }
        }
    }
    let stored = town.everything().await;
    assert!(!stored.contains("banned-identity#forever"));
}

#[tokio::test]
async fn a_guests_ban_outlives_them_for_who_knows_their_secret() {
    let town = Town::start().await;
    let guest = subject("guest-1");
    let with_secret = NewIdentity {
        guest_secret: Some("secret"),
        ..identity(Provider::Guest, &guest)
    };
    let member = entered(
        town.try_sign_in(&with_secret, "phone-0-example-0000", NOON)
            .await,
    );
    let member = member.member.member.id;
    let for_good = ban(None);
    let done = town.members.ban(member, &for_good, town.stamp(), Ok).await;
    done.unwrap().unwrap();
    town.withdraw(member, DAY).await;
    purge(&town, member, NOON + DAY).await;
    let retained = async |secret: &str| {
        let hashes = hashes(Provider::Guest, &guest, Some(secret));
        let retained = town.members.retained_ban(&hashes, NOON + DAY).await;
        retained.unwrap()
    };
    assert_eq!(retained("secret").await, Some(for_good));
    assert_eq!(retained("another").await, None);
}

#[tokio::test]
async fn after_the_grace_a_sign_in_makes_a_new_member_whether_or_not_the_purge_has_run() {
    let town = Town::start().await;
    let old = town.sign_in(Provider::Google, "1").await;
    let member = old.member.member.id;
    town.withdraw(member, DAY).await;
    let last = NOON + DAY - std::time::Duration::from_millis(1);
    let pending = entered(try_as(&town, Provider::Google, "1", last).await);
    assert_eq!(pending.member.member.id, member);

    let over = NOON + DAY;
    let new = entered(try_as(&town, Provider::Google, "1", over).await);
    assert!(new.created);
    let new = new.member.member.id;
    assert_ne!(new, member);
    // Not even a clock that lags lets the old one come back.
    let cancelled = town
        .members
        .cancel_withdrawal(member, town.stamp(), NOON, Ok);
    assert_eq!(cancelled.await.unwrap(), None);

    purge(&town, member, over).await;
    let again = entered(try_as(&town, Provider::Google, "1", over).await);
    assert_eq!((again.created, again.member.member.id), (false, new));
    assert_eq!(town.count(&format!("member#{member}")).await, 2);
    let identities = town.members.identities(new).await.unwrap();
    assert_eq!(identities.len(), 1);
}

#[tokio::test]
async fn after_the_grace_an_identity_can_be_linked_and_a_ban_holds() {
    let town = Town::start().await;
    let gone = town.sign_in(Provider::Google, "1").await.member.member.id;
    town.withdraw(gone, DAY).await;
    let other = town.sign_in(Provider::Kakao, "2").await.member.member.id;
    let who = subject("1");
    let google = identity(Provider::Google, &who);
    let link = async |at| {
        let linked = town
            .members
            .link(other, &google, None, town.stamp(), at, Ok);
        linked.await.unwrap()
    };
    assert_eq!(link(NOON).await, Linking::TakenBy(gone));
    let for_two_days = ban(Some(NOON + 2 * DAY));
    let done = town
        .members
        .ban(gone, &for_two_days, town.stamp(), Ok)
        .await;
    done.unwrap().unwrap();
    let refused = link(NOON + DAY).await;
    assert!(matches!(refused, Linking::Banned(_)), "{refused:?}");
    let refused = try_as(&town, Provider::Google, "1", NOON + DAY).await;
    assert_eq!(refused, banned(&ban(Some(NOON + 2 * DAY))));
    let linked = link(NOON + 2 * DAY).await;
    assert!(matches!(linked, Linking::Linked(_)), "{linked:?}");
    assert_eq!(
        town.members.owner(Provider::Google, &who).await.unwrap(),
        Some(other)
    );
    purge(&town, gone, NOON + 2 * DAY).await;
    assert_eq!(
        town.members.owner(Provider::Google, &who).await.unwrap(),
        Some(other)
    );
}

#[tokio::test]
async fn a_guest_who_is_gone_is_unknown() {
    let town = Town::start().await;
    let guest = subject("guest-1");
    let member = town.sign_in(Provider::Guest, "guest-1").await;
    let member = member.member.member.id;
    town.withdraw(member, DAY).await;
    let sign_in = SignIn {
        identity: &identity(Provider::Guest, &guest),
        newcomer: None,
        session: &town.new_session("phone-0-example-0000"),
        terms: &TERMS,
        challenge: None,
    };
    let signed_in = town
        .members
        .sign_in(&sign_in, town.stamp(), NOON + DAY)
        .await;
    assert_eq!(signed_in.unwrap(), SignedIn::Unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_bans_at_once_all_succeed_and_verifiers_know_all_of_them() {
    let town = Town::start().await;
    let mut people = Vec::new();
    for nth in 0..64 {
        people.push(town.sign_in(Provider::Google, &nth.to_string()).await);
    }
    let bans = people.iter().map(|person| {
        let (members, stamp) = (&town.members, town.stamp());
        let member = person.member.member.id;
        async move { members.ban(member, &ban(None), stamp, Ok).await }
    });
    for banned in futures_util::future::join_all(bans).await {
        assert!(banned.unwrap().is_some());
    }
    assert_eq!(town.count("revocations#").await, 64);
    let reader = RevocationReader::new(Revocations::new(town.dynamo.table()));
    let list = reader.current(NOON).await.unwrap();
    for person in &people {
        let claims = domain::identity::AccessClaims {
            iss: "madang".into(),
            aud: "app".into(),
            sub: person.member.member.id,
            sid: person.session.id,
            dev: Some(domain::DeviceKey::from_bytes([0; 16])),
            jti: town.id(),
            iat: NOON.as_seconds(),
            exp: NOON.as_seconds() + 900,
        };
        assert!(list.check(&claims, NOON).is_err());
        assert_eq!(list.check_session(&claims), Ok(()));
    }
}

/// A banned member of Google and Kakao whose purge has begun.
async fn banned_and_closed(town: &Town, who: &str) -> (MemberId, store::members::Purge) {
    let member = town.sign_in(Provider::Google, who).await.member.member.id;
    town.link(member, Provider::Kakao, who).await;
    let done = town.members.ban(member, &ban(None), town.stamp(), Ok).await;
    done.unwrap().unwrap();
    town.withdraw(member, DAY).await;
    let due = Due {
        member,
        purge_at: NOON + DAY,
    };
    let begun = town
        .members
        .begin_purge(&due, town.id(), town.stamp(), NOON + DAY);
    (member, begun.await.unwrap().unwrap())
}

fn hashes_of(who: &str) -> Vec<IdentityHash> {
    let who = subject(who);
    let of = |provider| IdentityHash::current(&keys(), provider, &who, None);
    vec![of(Provider::Google), of(Provider::Kakao)]
}

#[tokio::test]
async fn a_ban_that_is_lifted_while_its_member_is_being_purged_stays_lifted() {
    let town = Town::start().await;
    let over = NOON + DAY;
    for (who, is_stored) in [("before-it-is-stored", false), ("after-it-is-stored", true)] {
        let (member, purge) = banned_and_closed(&town, who).await;
        let hashes = hashes_of(who);
        if is_stored {
            let stored = town.members.retain_ban(&purge, &hashes, over).await;
            stored.unwrap();
        }
        let unbanned = town.members.unban(member, town.stamp(), over, Ok).await;
        assert_eq!(unbanned.unwrap(), None, "they are closed");
        let lifted = town.members.lift_retained_ban(member, town.stamp(), Ok);
        let lifted = lifted.await.unwrap().unwrap();
        assert_eq!(lifted.member.ban, None);
        // What the run has read before does not bring it back.
        let stored = town.members.retain_ban(&purge, &hashes, over).await;
        stored.unwrap();
        for step in PurgeStep::ALL {
            town.members.purge_step(&purge, *step).await.unwrap();
        }
        for provider in [Provider::Google, Provider::Kakao] {
            let signed_in = try_as(&town, provider, who, over).await;
            assert!(entered(signed_in).created, "{provider} {who}");
        }
    }
    assert_eq!(town.count("banned-identit").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_that_is_stored_and_lifted_at_once_is_lifted() {
    for round in 0..10 {
        let town = Town::start().await;
        let who = format!("race-{round}");
        let (member, purge) = banned_and_closed(&town, &who).await;
        let hashes = hashes_of(&who);
        let stored = town.members.retain_ban(&purge, &hashes, NOON + DAY);
        let lifted = town.members.lift_retained_ban(member, town.stamp(), Ok);
        let (stored, lifted) = Box::pin(futures_util::future::join(stored, lifted)).await;
        stored.unwrap();
        assert!(lifted.unwrap().is_some());
        assert_eq!(town.count("banned-identit").await, 0, "round {round}");
    }
}

#[tokio::test]
async fn who_reads_a_members_two_items_on_either_side_of_a_purge_does_not_revive_them() {
    let town = Town::start().await;
    let (member, purge) = banned_and_closed(&town, "torn").await;
    let record = stored_item(&town, member, "member").await;
    for step in PurgeStep::ALL {
        town.members.purge_step(&purge, *step).await.unwrap();
    }
    // The member's item of before the purge, with the standing of after it.
    let tombstone = stored_item(&town, member, "member").await;
    put_item(&town.dynamo, record).await;
    let torn = town.members.member(member).await.unwrap().unwrap();
    assert_eq!(torn.member.status(NOON + DAY), MemberStatus::Withdrawn);
    let again = town.members.ban(member, &ban(None), town.stamp(), Ok).await;
    assert_eq!(again.unwrap(), None);
    let ended = SessionsEnded {
        at: NOON,
        except: None,
    };
    let ended = town.members.end_sessions(member, ended, town.stamp(), Ok);
    assert!(!ended.await.unwrap());
    put_item(&town.dynamo, tombstone).await;
    let left = town.members.member(member).await.unwrap().unwrap();
    assert_eq!(left.member.status(NOON), MemberStatus::Withdrawn);
    assert_eq!((left.member.ban, left.member.withdrawal), (None, None));
}

async fn stored_item(town: &Town, member: MemberId, sk: &str) -> HashMap<String, Value> {
    let items = crate::harness::items(&town.dynamo).await;
    let key = (
        Value::S(format!("member#{member}")),
        Value::S(sk.to_owned()),
    );
    let found = items
        .into_iter()
        .find(|item| (&item["pk"], &item["sk"]) == (&key.0, &key.1));
    found.unwrap()
}
