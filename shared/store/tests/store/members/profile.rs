//! What members say of themselves.

use domain::identity::{Marketing, Provider, TermsAgreed};
use serde_json::json;
use store::members::{ProfileChange, Updating};

use super::Town;
use crate::harness::NOON;

#[tokio::test]
async fn a_profile_is_changed_in_the_version_that_was_read() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    let marketing = Marketing {
        at: NOON,
        night: None,
    };
    let change = ProfileChange {
        locale: Some(Some("ja".parse().unwrap())),
        country: Some(None),
        marketing: Some(Some(marketing)),
        attributes: Some(serde_json::from_value(json!({"level": 3, "games": ["go"]})).unwrap()),
        ..ProfileChange::default()
    };
    let update = async |version, change: &ProfileChange| {
        let updated = town
            .members
            .update(member, version, change, town.stamp(), NOON);
        updated.await.unwrap()
    };
    let Updating::Updated(record) = update(1, &change).await else {
        panic!("it is of version 1");
    };
    assert_eq!(record.member.version, 2);
    assert_eq!(record.member.locale.as_ref().unwrap().as_str(), "ja");
    assert_eq!(record.member.country, None);
    assert_eq!(record.member.consents.marketing, Some(marketing));
    assert_eq!(Some(record.member.attributes.clone()), change.attributes);
    let kept = town.members.member(member).await.unwrap();
    assert_eq!(kept.as_ref(), Some(&record));
    let late = update(1, &ProfileChange::default()).await;
    assert_eq!(late, Updating::VersionConflict(record.clone()));
    let nothing = update(2, &ProfileChange::default()).await;
    let Updating::Updated(same) = nothing else {
        panic!("it is of version 2");
    };
    assert_eq!(same.member.attributes, record.member.attributes);
    let nobody = town
        .members
        .update(town.id(), 1, &change, town.stamp(), NOON);
    assert_eq!(nobody.await.unwrap(), Updating::NotThere);
}

#[tokio::test]
async fn of_changes_to_one_version_at_once_one_is_made() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    let change = ProfileChange::default();
    let tries = (0..10).map(|_| {
        let members = &town.members;
        members.update(member, 1, &change, town.stamp(), NOON)
    });
    let outcomes = futures_util::future::join_all(tries).await;
    let made = |outcome: &_| matches!(outcome, &&Ok(Updating::Updated(_)));
    assert_eq!(outcomes.iter().filter(made).count(), 1);
}

#[tokio::test]
async fn consents_are_kept_whatever_else_is_changed_at_once() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    let agreed = |version: &str| {
        Some(TermsAgreed {
            version: version.to_owned(),
            at: NOON,
        })
    };
    let terms = town.members.agree(
        member,
        |consents| consents.terms = agreed("3"),
        town.stamp(),
    );
    let privacy = town.members.agree(
        member,
        |consents| consents.privacy = agreed("5"),
        town.stamp(),
    );
    let guardian = town.members.agree(
        member,
        |consents| consents.guardian = Some(NOON),
        town.stamp(),
    );
    let (one, two, three) = tokio::join!(terms, privacy, guardian);
    for agreed in [one, two, three] {
        assert!(agreed.unwrap().is_some());
    }
    let consents = town.members.member(member).await.unwrap().unwrap();
    let consents = consents.member.consents;
    assert_eq!(consents.terms, agreed("3"));
    assert_eq!(consents.privacy, agreed("5"));
    assert_eq!(consents.guardian, Some(NOON));
}
