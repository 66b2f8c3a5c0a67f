//! The wish to be forgotten, and the wish to stay.

use std::time::Duration;

use domain::identity::{MemberStatus, Provider};
use store::members::{Cancelling, Choice, Resolution, Withdrawing};

use super::{DAY, Town, identity, subject};
use crate::harness::NOON;

#[tokio::test]
async fn a_member_comes_back_until_the_grace_is_over() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    let cancel = async |at| {
        let cancelled = town.members.cancel_withdrawal(member, town.stamp(), at, Ok);
        cancelled.await.unwrap().unwrap()
    };
    let not_pending = cancel(NOON).await;
    assert!(matches!(not_pending, Cancelling::NotPending(_)));

    town.withdraw(member, 30 * DAY).await;
    let again = town
        .members
        .withdraw(member, DAY, town.stamp(), NOON + DAY, Ok);
    let Some(Withdrawing::Pending(record)) = again.await.unwrap() else {
        panic!("they said so before");
    };
    let purge_at = NOON + 30 * DAY;
    assert_eq!(record.member.withdrawal.unwrap().purge_at, purge_at);
    assert_eq!(record.member.status(NOON), MemberStatus::WithdrawalPending);

    assert_eq!(cancel(purge_at).await, Cancelling::TooLate);
    let last = purge_at - Duration::from_millis(1);
    assert_eq!(town.members.due(last, None, 10).await.unwrap(), []);
    let due = town.members.due(purge_at, None, 10).await.unwrap();
    assert_eq!((due[0].member, due[0].purge_at), (member, purge_at));
    let Cancelling::Cancelled(record) = cancel(last).await else {
        panic!("it is in time");
    };
    assert_eq!(record.member.status(last), MemberStatus::Active);
    assert_eq!(town.members.due(purge_at, None, 10).await.unwrap(), []);
    let purge = town
        .members
        .begin_purge(&due[0], town.id(), town.stamp(), purge_at);
    assert_eq!(
        purge.await.unwrap(),
        None,
        "what was listed before is stale"
    );
    assert_eq!(town.count("withdrawals").await, 0);
}

#[tokio::test]
async fn nobody_stays_without_an_identity() {
    let town = Town::start().await;
    let guest = town.sign_in(Provider::Guest, "g").await.member.member.id;
    let member = town.sign_in(Provider::Apple, "001").await.member.member.id;
    let apple = subject("001");
    let proved = identity(Provider::Apple, &apple);
    let made = town.members.make_ticket("t", guest, &proved, None, NOON);
    made.await.unwrap();
    let keep = Choice::KeepCurrent { grace: DAY };
    let moved = town
        .members
        .resolve("t", guest, &keep, town.stamp(), NOON, Ok);
    assert!(matches!(moved.await.unwrap(), Resolution::Moved { .. }));
    let cancel = || {
        let stamp = town.stamp();
        town.members.cancel_withdrawal(member, stamp, NOON, Ok)
    };
    let refused = cancel().await.unwrap();
    assert_eq!(refused, Some(Cancelling::NoIdentity));
    town.link(member, Provider::Google, "1").await;
    let cancelled = cancel().await.unwrap();
    assert!(matches!(cancelled, Some(Cancelling::Cancelled(_))));
}

#[tokio::test]
async fn those_who_are_due_come_in_the_order_of_their_time() {
    let town = Town::start().await;
    let mut expected = Vec::new();
    for (nth, days) in [3, 1, 2, 0].into_iter().enumerate() {
        let who = town.sign_in(Provider::Google, &nth.to_string()).await;
        let member = who.member.member.id;
        town.withdraw(member, days * DAY).await;
        expected.push((days, member));
    }
    expected.sort();
    let due = town.members.due(NOON + 2 * DAY, None, 10).await.unwrap();
    let members: Vec<_> = due.iter().map(|due| due.member).collect();
    let expected: Vec<_> = expected.iter().map(|(_, member)| *member).collect();
    assert_eq!(members, expected[..3]);
    assert_eq!(
        town.members.due(NOON + 2 * DAY, None, 2).await.unwrap(),
        due[..2]
    );
    assert_eq!(town.members.due(NOON, None, 10).await.unwrap(), due[..1]);
}
