//! How operators find members.

use domain::{
    DeviceKey,
    identity::{MemberId, NicknameKey, Provider},
};
use store::{
    StoreError,
    members::{ProfileChange, Updating},
};

use super::{DAY, TERMS, Town, subject};
use crate::harness::NOON;

async fn named(town: &Town, text: &str) -> MemberId {
    let member = town.sign_in(Provider::Google, text).await.member.member.id;
    rename(town, member, text).await;
    member
}

async fn rename(town: &Town, member: MemberId, text: &str) {
    let change = ProfileChange {
        nickname: Some(Some(text.parse().unwrap())),
        ..ProfileChange::default()
    };
    let version = town.version(member).await;
    let at = NOON + u32::try_from(version).unwrap() * 7 * DAY;
    let updated = town
        .members
        .update(member, Some(version), &change, town.stamp(), at);
    assert!(matches!(updated.await.unwrap(), Updating::Updated(_)));
}

#[tokio::test]
async fn members_are_found_by_how_their_nicknames_begin_page_by_page() {
    let town = Town::start().await;
    for text in ["Court", "Courtyard", "courtesy", "Cousin", "Gate"] {
        named(&town, text).await;
    }
    let gone = named(&town, "Courtier").await;
    rename(&town, gone, "Gatehouse").await;
    let begin = NicknameKey::of("COURT");
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let page = town
            .members
            .by_nickname(&begin, cursor.as_deref(), 1)
            .await
            .unwrap();
        found.extend(page.items.into_iter().filter_map(|record| record.nickname));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
        let other = NicknameKey::of("gate");
        let foreign = town.members.by_nickname(&other, cursor.as_deref(), 1);
        assert!(matches!(foreign.await, Err(StoreError::BadCursor)));
    }
    assert_eq!(found, ["Court", "courtesy", "Courtyard"]);
    for (nothing, begin) in [("everything", ""), ("nobody", "zebra")] {
        let page = town
            .members
            .by_nickname(&NicknameKey::of(begin), None, 10)
            .await;
        assert_eq!(page.unwrap().items, [], "{nothing}");
    }
}

#[tokio::test]
async fn a_search_goes_on_through_nicknames_of_any_script() {
    let town = Town::start().await;
    for text in ["마당쇠", "마당발", "마당놀이"] {
        let member = town.sign_in(Provider::Line, &town.id().to_string()).await;
        rename(&town, member.member.member.id, text).await;
    }
    let begin = NicknameKey::of("마당");
    let first = town.members.by_nickname(&begin, None, 2).await.unwrap();
    let cursor = first.next_cursor.unwrap();
    let rest = town.members.by_nickname(&begin, Some(&cursor), 2);
    assert_eq!((first.items.len(), rest.await.unwrap().items.len()), (2, 1));
}

#[tokio::test]
async fn members_are_found_by_their_device_and_by_their_subject() {
    let town = Town::start().await;
    let one = town.sign_in(Provider::Google, "1").await.member.member.id;
    let two = town.sign_in(Provider::Google, "2").await.member.member.id;
    town.sign_in(Provider::Google, "1").await;
    let device = DeviceKey::of(&"phone-0-example-0000".parse().unwrap());
    let mut expected = [one, two];
    expected.sort();
    let mut paged = Vec::new();
    let mut cursor = None;
    loop {
        let page = town
            .members
            .by_device_page(device, cursor.as_deref(), 1, NOON);
        let page = page.await.unwrap();
        assert!(page.items.len() <= 1);
        paged.extend(page.items.into_iter().map(|record| record.member.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    paged.sort();
    assert_eq!(paged, expected);
    let foreign = town.members.by_device_page(device, Some("none"), 1, NOON);
    assert!(matches!(foreign.await, Err(store::StoreError::BadCursor)));
    let over = NOON + TERMS.lifetime;
    let over = town.members.by_device_page(device, None, 10, over).await;
    assert_eq!(over.unwrap().items, []);
    let owner = town.members.owner(Provider::Google, &subject("2")).await;
    assert_eq!(owner.unwrap(), Some(two));
    let nobody = town.members.owner(Provider::Google, &subject("3")).await;
    assert_eq!(nobody.unwrap(), None);
}
