//! What members say of themselves.

use std::time::Duration;

use domain::identity::{
    ConsentAction, ConsentKind, Marketing, MarketingChange, Provider, TermsAgreed,
};
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
    let attributes = json!({"level": 3, "games": ["go"]});
    let change = ProfileChange {
        locale: Some(Some("ja".parse().unwrap())),
        country: Some(None),
        marketing: Some(MarketingChange {
            agreed: true,
            night: None,
        }),
        attributes: Some(Some(serde_json::from_value(attributes.clone()).unwrap())),
        ..ProfileChange::default()
    };
    let update = async |version, change: &ProfileChange| {
        let updated = town
            .members
            .update(member, Some(version), change, town.stamp(), NOON);
        updated.await.unwrap()
    };
    let Updating::Updated(record) = update(1, &change).await else {
        panic!("it is of version 1");
    };
    assert_eq!(record.member.version, 2);
    assert_eq!(record.member.locale.as_ref().unwrap().as_str(), "ja");
    assert_eq!(record.member.country, None);
    assert_eq!(record.member.consents.marketing, Some(marketing));
    assert_eq!(json!(record.member.attributes), attributes);
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
        .update(town.id(), Some(1), &change, town.stamp(), NOON);
    assert_eq!(nobody.await.unwrap(), Updating::NotThere);
}

#[tokio::test]
async fn of_changes_to_one_version_at_once_one_is_made() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    let change = ProfileChange::default();
    let tries = (0..10).map(|_| {
        let members = &town.members;
        members.update(member, Some(1), &change, town.stamp(), NOON)
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
        NOON,
    );
    let privacy = town.members.agree(
        member,
        |consents| consents.privacy = agreed("5"),
        town.stamp(),
        NOON,
    );
    let guardian = town.members.agree(
        member,
        |consents| consents.guardian = Some(NOON),
        town.stamp(),
        NOON,
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_changes_at_once_of_whatever_version_are_all_made() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    let change = |nth: u32| ProfileChange {
        attributes: Some(Some(
            serde_json::from_value(json!({ (format!("a{nth}")): nth })).unwrap(),
        )),
        ..ProfileChange::default()
    };
    let tries = (0..50).map(|nth| {
        let (members, stamp) = (&town.members, town.stamp());
        async move {
            members
                .update(member, None, &change(nth), stamp, NOON)
                .await
        }
    });
    for outcome in futures_util::future::join_all(tries).await {
        assert!(matches!(outcome, Ok(Updating::Updated(_))), "{outcome:?}");
    }
    let record = town.members.member(member).await.unwrap().unwrap();
    assert_eq!(record.member.attributes.len(), 50, "each is merged");
    assert_eq!(record.member.version, 51);
}

#[tokio::test]
async fn consents_have_a_history_of_what_was_given_and_withdrawn() {
    let town = Town::start().await;
    let member = town.sign_in(Provider::Google, "1").await.member.member.id;
    let after = |seconds| NOON + Duration::from_secs(seconds);
    for (version, at) in [("1", after(1)), ("1", after(2)), ("2", after(3))] {
        let agreed = town.members.agree(
            member,
            |consents| {
                let known = consents
                    .terms
                    .take()
                    .filter(|terms| terms.version == version);
                consents.terms = known.or_else(|| {
                    Some(TermsAgreed {
                        version: version.to_owned(),
                        at,
                    })
                });
            },
            town.stamp(),
            at,
        );
        agreed.await.unwrap().unwrap();
    }
    for (agreed, night, at) in [
        (true, Some(true), after(4)),
        (true, Some(false), after(5)),
        (false, None, after(6)),
    ] {
        let change = ProfileChange {
            marketing: Some(MarketingChange { agreed, night }),
            ..ProfileChange::default()
        };
        let updated = town.members.update(member, None, &change, town.stamp(), at);
        assert!(matches!(updated.await.unwrap(), Updating::Updated(_)));
    }
    let document = town.members.document(member, NOON).await.unwrap().unwrap();
    let history: Vec<_> = document
        .consent_history
        .into_iter()
        .map(|event| (event.at, event.consent, event.action, event.version))
        .collect();
    use ConsentAction::{Given, Withdrawn};
    use ConsentKind::{Marketing, MarketingNight, Terms};
    let version = |text: &str| Some(text.to_owned());
    assert_eq!(
        history,
        [
            (after(1), Terms, Given, version("1")),
            (after(3), Terms, Given, version("2")),
            (after(4), Marketing, Given, None),
            (after(4), MarketingNight, Given, None),
            (after(5), MarketingNight, Withdrawn, None),
            (after(6), Marketing, Withdrawn, None),
        ]
    );
}
