//! An identity of another member: which of the two to go on as.

use std::{sync::Arc, time::Duration};

use domain::identity::{MemberId, MemberStatus, Provider};
use store::members::{Choice, Entrance, Linking, Resolution, TICKET_LIFETIME, Ticket, Unlinking};

use super::{DAY, TERMS, Town, ban, identity, ids, subject};
use crate::harness::NOON;

const SECRET: &str = "ticket-secret";
const KEEP: Choice<'static> = Choice::KeepCurrent { grace: DAY };

/// A guest, and a member whose identity the guest has proved to have.
async fn guest_and_member(town: &Town) -> (MemberId, MemberId) {
    let guest = town.sign_in(Provider::Guest, "g").await.member.member.id;
    let member = town.sign_in(Provider::Apple, "001").await.member.member.id;
    let taken = town.link(guest, Provider::Apple, "001").await;
    assert_eq!(taken, Linking::TakenBy(member));
    assert_eq!(
        ticket(town, guest).await,
        Ticket::Made(NOON + TICKET_LIFETIME)
    );
    (guest, member)
}

async fn ticket(town: &Town, current: MemberId) -> Ticket {
    let (apple, challenge) = (subject("001"), town.challenge());
    let proved = identity(Provider::Apple, &apple);
    let made = town
        .members
        .make_ticket(SECRET, current, &proved, Some(&challenge), NOON);
    made.await.unwrap()
}

async fn resolve_at(
    town: &Town,
    current: MemberId,
    choice: &Choice<'_>,
    after: Duration,
) -> Resolution {
    let resolved = town
        .members
        .resolve(SECRET, current, choice, town.stamp(), NOON + after, Ok);
    resolved.await.unwrap()
}

async fn resolve(town: &Town, current: MemberId, choice: &Choice<'_>) -> Resolution {
    resolve_at(town, current, choice, Duration::ZERO).await
}

#[tokio::test]
async fn keeping_the_current_member_moves_the_identity_and_lets_the_other_leave_slowly() {
    let town = Town::start().await;
    let (guest, member) = guest_and_member(&town).await;
    let Resolution::Moved { current, other } = resolve(&town, guest, &KEEP).await else {
        panic!("it is good");
    };
    assert_eq!((current.member.id, current.identities), (guest, 2));
    assert_eq!((other.member.id, other.identities), (member, 0));
    let withdrawal = other.member.withdrawal.unwrap();
    assert_eq!(withdrawal.purge_at, NOON + DAY, "nothing is lost at once");
    let entered = town.sign_in(Provider::Apple, "001").await;
    assert_eq!(entered.member, *current);
    assert_eq!(
        town.members.due(NOON + DAY, None, 10).await.unwrap().len(),
        1
    );
    let sessions = town.members.sessions(member, NOON).await.unwrap();
    assert_eq!(sessions.len(), 1, "they can come back by it");

    assert_eq!(resolve(&town, guest, &KEEP).await, Resolution::NoTicket);
}

#[tokio::test]
async fn a_member_who_has_another_identity_just_loses_one() {
    let town = Town::start().await;
    let (guest, member) = guest_and_member(&town).await;
    town.link(member, Provider::Google, "1").await;
    let Resolution::Moved { other, .. } = resolve(&town, guest, &KEEP).await else {
        panic!("it is good");
    };
    assert_eq!(other.identities, 1);
    assert_eq!(other.member.status(NOON), MemberStatus::Active);
}

#[tokio::test]
async fn using_the_other_member_gives_a_session_of_theirs_and_leaves_the_guest_alone() {
    let town = Town::start().await;
    let (guest, member) = guest_and_member(&town).await;
    let before = town.members.member(guest).await.unwrap();
    let session = town.new_session("phone-0-example-0000");
    let choice = Choice::UseOther(Entrance {
        session: &session,
        terms: &TERMS,
    });
    let Resolution::Switched(entered) = resolve(&town, guest, &choice).await else {
        panic!("it is good");
    };
    assert_eq!(entered.member.member.id, member);
    assert!(!entered.created);
    let sessions = town.members.sessions(member, NOON).await.unwrap();
    assert!(ids(&sessions).contains(&entered.session.id));
    assert_eq!(town.members.member(guest).await.unwrap(), before);
    assert_eq!(town.members.identities(guest).await.unwrap().len(), 1);
    assert_eq!(resolve(&town, guest, &choice).await, Resolution::NoTicket);
}

#[tokio::test]
async fn a_ticket_is_its_members_alone_and_lapses() {
    let town = Town::start().await;
    let (guest, member) = guest_and_member(&town).await;
    let stranger = town.sign_in(Provider::Guest, "h").await.member.member.id;
    for thief in [member, stranger, town.id()] {
        assert_eq!(resolve(&town, thief, &KEEP).await, Resolution::NoTicket);
    }
    let late = resolve_at(&town, guest, &KEEP, TICKET_LIFETIME).await;
    assert_eq!(late, Resolution::NoTicket);
    let in_time = TICKET_LIFETIME - Duration::from_millis(1);
    let moved = resolve_at(&town, guest, &KEEP, in_time).await;
    assert!(matches!(moved, Resolution::Moved { .. }), "{moved:?}");
    assert!(!town.everything().await.contains(SECRET));
}

#[tokio::test]
async fn a_ticket_is_for_the_identity_that_was_proved_and_not_for_another_in_its_place() {
    let town = Town::start().await;
    let (guest, member) = guest_and_member(&town).await;
    town.link(member, Provider::Google, "1").await;
    let unlinked = town
        .members
        .unlink(member, Provider::Apple, town.stamp(), NOON, Ok);
    assert!(matches!(
        unlinked.await.unwrap(),
        Unlinking::Unlinked { .. }
    ));
    town.link(member, Provider::Apple, "002").await;
    let session = town.new_session("phone-0-example-0000");
    let switch = Choice::UseOther(Entrance {
        session: &session,
        terms: &TERMS,
    });
    assert_eq!(resolve(&town, guest, &KEEP).await, Resolution::NoTicket);
    let resolved = town
        .members
        .resolve(SECRET, guest, &switch, town.stamp(), NOON, Ok);
    assert_eq!(resolved.await.unwrap(), Resolution::NoTicket);
    assert_eq!(town.members.identities(member).await.unwrap().len(), 2);
}

#[tokio::test]
async fn no_ticket_is_made_for_an_identity_that_is_nobody_elses_or_by_a_used_challenge() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Apple, "001").await.member.member.id;
    assert_eq!(ticket(&town, member).await, Ticket::Moved, "it is theirs");
    let guest = town.sign_in(Provider::Guest, "g").await.member.member.id;
    let (apple, nobodys, challenge) = (subject("001"), subject("002"), town.challenge());
    let make = async |secret, subject, challenge| {
        let proved = identity(Provider::Apple, subject);
        let made = town
            .members
            .make_ticket(secret, guest, &proved, challenge, NOON);
        made.await.unwrap()
    };
    assert_eq!(make("a", &nobodys, None).await, Ticket::Moved);
    let made = make("b", &apple, Some(&challenge)).await;
    assert!(matches!(made, Ticket::Made(_)));
    let replayed = make("c", &apple, Some(&challenge)).await;
    assert_eq!(replayed, Ticket::ChallengeUsed);
}

#[tokio::test]
async fn neither_a_banned_members_identity_nor_a_second_of_a_provider_changes_hands() {
    let town = Town::start().await;
    let (guest, member) = guest_and_member(&town).await;
    let for_a_minute = ban(Some(NOON + Duration::from_secs(60)));
    let banned = town.members.ban(member, &for_a_minute, town.stamp(), Ok);
    banned.await.unwrap().unwrap();
    assert_eq!(resolve(&town, guest, &KEEP).await, Resolution::OtherBanned);
    town.link(guest, Provider::Apple, "003").await;
    let after = Duration::from_secs(60);
    let second = resolve_at(&town, guest, &KEEP, after).await;
    assert_eq!(second, Resolution::OtherOfProvider);
    let unlinked = town
        .members
        .unlink(guest, Provider::Apple, town.stamp(), NOON, Ok);
    unlinked.await.unwrap();
    let moved = resolve_at(&town, guest, &KEEP, after).await;
    assert!(matches!(moved, Resolution::Moved { .. }), "{moved:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_choices_made_at_once_by_one_ticket_one_counts() {
    let town = Arc::new(Town::start().await);
    let (guest, member) = guest_and_member(&town).await;
    let tries: Vec<_> = (0..10)
        .map(|nth| {
            let town = Arc::clone(&town);
            tokio::spawn(async move {
                let session = town.new_session("phone-0-example-0000");
                let switch = Choice::UseOther(Entrance {
                    session: &session,
                    terms: &TERMS,
                });
                let choice = if nth % 2 == 0 { KEEP } else { switch };
                resolve(&town, guest, &choice).await
            })
        })
        .collect();
    let mut counted = 0;
    for tried in tries {
        let resolution = tried.await.unwrap();
        counted += usize::from(resolution != Resolution::NoTicket);
    }
    assert_eq!(counted, 1);
    let mut identities = 0;
    for id in [guest, member] {
        let found = town.members.identities(id).await.unwrap().len();
        let record = town.members.member(id).await.unwrap().unwrap();
        assert_eq!(usize::try_from(record.identities).unwrap(), found);
        identities += found;
    }
    assert_eq!(identities, 2);
}
