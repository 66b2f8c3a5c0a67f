//! Nicknames: which are accepted, whose they are, and how often they change.

use std::fmt::Write;

use serde_json::{Value, json};
use tests::http1::Request;

use crate::{
    people::{Person, at_once, guest, refused, told},
    scenario::Scenario,
};

fn rename(scenario: &Scenario, person: &Person, nickname: &str) -> (u16, String) {
    told(&person.patch(scenario, &json!({ "nickname": nickname })))
}

fn availability(scenario: &Scenario, person: &Person, nickname: &str) -> Value {
    let encoded = nickname.bytes().fold(String::new(), |mut text, byte| {
        write!(text, "%{byte:02X}").unwrap();
        text
    });
    let target = format!("/v1/nicknames/availability?nickname={encoded}");
    let answer = person.get(scenario, &target);
    assert_eq!(answer.status, 200, "{nickname}: {}", answer.text());
    answer.json()
}

#[test]
fn of_fifty_who_want_a_name_at_once_one_has_it() {
    let scenario = Scenario::start();
    let people = at_once(50, |number| {
        guest(&scenario, &format!("phone-{number}-example-0001"))
    });
    // To whoever meets them these are one.
    let names = ["Alice", "ALICE", "aIice", "Ａｌｉｃｅ", "a1ice"];
    let answers = at_once(50, |number| {
        rename(&scenario, &people[number], names[number % names.len()])
    });
    let won: Vec<_> = (0..50).filter(|number| answers[*number].0 == 200).collect();
    let [winner] = won[..] else {
        panic!("{answers:?}");
    };
    for (number, answer) in answers.iter().enumerate() {
        if number != winner {
            assert_eq!(*answer, refused(409, "nickname_taken"));
        }
    }
    for (number, person) in people.iter().enumerate() {
        let nickname = person.get(&scenario, "/v1/me").json()["nickname"].clone();
        let expected = match number == winner {
            true => json!(names[number % names.len()]),
            false => Value::Null,
        };
        assert_eq!(nickname, expected);
    }
}

#[test]
fn names_that_look_like_one_that_is_taken_are_taken_or_refused() {
    let scenario = Scenario::start();
    let other = guest(&scenario, "phone-0-example-0000");
    for (number, (taken, alike)) in [
        ("mina", &["MINA", "ｍｉｎａ", "m i n a", "𝐦𝐢𝐧𝐚"][..]),
        ("김철수", &["김 철수", "\u{1100}\u{1175}\u{11b7}철수"]),
        ("가나", &["ㄱㅏㄴㅏ", "ﾡￂﾤￂ"]),
        ("タロウ", &["ﾀﾛｳ", "タ口ウ"]),
        ("José", &["JOSÉ", "Jose\u{301}"]),
    ]
    .into_iter()
    .enumerate()
    {
        guest(&scenario, &format!("phone-{number}-taken")).named(&scenario, taken);
        for name in alike {
            assert_eq!(
                availability(&scenario, &other, name),
                json!({ "available": false, "reason": "taken" }),
                "{name}"
            );
            let answer = rename(&scenario, &other, name);
            assert_eq!(answer, refused(409, "nickname_taken"), "{name}");
        }
    }
    for (name, reason) in [
        ("mіna", "confusable"),
        ("Αlpha", "confusable"),
        ("раура", "confusable"),
        ("mi\u{200b}na", "character_refused"),
        ("김\u{3164}철수", "character_refused"),
        ("mi\u{202e}na", "character_refused"),
        ("관리자", "reserved"),
        ("adm1n", "reserved"),
        ("4dm1n", "reserved"),
        ("5upp0rt", "reserved"),
        ("0ff1c14l", "reserved"),
        ("m4n4g3r", "reserved"),
        ("null", "reserved"),
        ("Undefined", "reserved"),
        ("NaN", "reserved"),
        ("마 당", "reserved"),
        ("매니저", "reserved"),
        ("fuckyou", "blocked"),
        ("a", "too_short"),
        ("", "too_short"),
        ("abcdefghijklmnopqrstu", "too_long"),
    ] {
        let answer = other.patch(&scenario, &json!({ "nickname": name }));
        assert_eq!(told(&answer), refused(422, "nickname_invalid"), "{name:?}");
        assert_eq!(
            answer.json()["errors"][0]["pointer"],
            "/nickname",
            "{name:?}"
        );
        let found = availability(&scenario, &other, name);
        assert_eq!(
            found,
            json!({ "available": false, "reason": reason }),
            "{name:?}"
        );
    }
    assert_eq!(
        other.get(&scenario, "/v1/me").json()["nickname"],
        Value::Null
    );
}

#[test]
fn names_that_people_expect_are_theirs_as_they_typed_them() {
    let scenario = Scenario::start();
    let names = [
        "귀여운고양이",
        "ㅋㅋㅋ",
        "나의の꿈",
        "たろう",
        "山田 太郎",
        "ラーメン",
        "🐱냥이",
        "🇰🇷🇯🇵",
        "👨‍👩‍👧아빠",
        "★별★",
        "Łukasz",
        "2nd",
    ];
    for name in names {
        let person = guest(&scenario, "phone-1-example-0001");
        assert_eq!(
            availability(&scenario, &person, name),
            json!({ "available": true })
        );
        let person = person.named(&scenario, name);
        let member = person.get(&scenario, "/v1/me").json();
        assert_eq!(member["nickname"], name);
        assert_eq!(
            availability(&scenario, &person, name),
            json!({ "available": true }),
            "their own"
        );
    }
}

#[test]
fn a_name_is_changed_once_a_week_at_most_and_kept_until_then() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001").named(&scenario, "mina");
    let too_soon = refused(409, "nickname_change_too_soon");
    assert_eq!(rename(&scenario, &person, "bora"), too_soon);
    assert_eq!(
        told(&person.patch(&scenario, &json!({ "nickname": null }))),
        too_soon
    );
    // What it is already is no change, whatever else is.
    let same = json!({ "nickname": "mina", "country": "KR" });
    assert_eq!(person.patch(&scenario, &same).json()["country"], "KR");
    let both = json!({ "nickname": "bora", "country": "JP" });
    assert_eq!(told(&person.patch(&scenario, &both)), too_soon);
    let member = person.get(&scenario, "/v1/me").json();
    assert_eq!(
        (&member["nickname"], &member["country"]),
        (&json!("mina"), &json!("KR"))
    );
    let other = guest(&scenario, "phone-2-example-0002");
    assert_eq!(
        availability(&scenario, &other, "bora"),
        json!({ "available": true })
    );
    assert_eq!(
        rename(&scenario, &other, "mina"),
        refused(409, "nickname_taken")
    );
}

#[test]
fn who_wants_ten_names_at_once_has_one_and_keeps_none_of_the_others() {
    let scenario = Scenario::start();
    let (person, other) = (
        guest(&scenario, "phone-1-example-0001"),
        guest(&scenario, "phone-2-example-0002"),
    );
    let names = [
        "mina", "bora", "sora", "yuna", "hana", "jisu", "suji", "nari", "dami", "gaon",
    ];
    let answers = at_once(10, |number| rename(&scenario, &person, names[number]));
    let won: Vec<_> = (0..10).filter(|number| answers[*number].0 == 200).collect();
    let [winner] = won[..] else {
        panic!("{answers:?}");
    };
    for (number, answer) in answers.iter().enumerate() {
        let lost = [
            refused(412, "version_conflict"),
            refused(409, "nickname_change_too_soon"),
        ];
        assert!(number == winner || lost.contains(answer), "{answers:?}");
        let free = availability(&scenario, &other, names[number]);
        assert_eq!(free["available"], number != winner, "{}", names[number]);
    }
}

#[test]
fn operators_reserve_and_block_names_by_publishing_rules() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let free = json!({ "available": true });
    let refused_for = |reason: &str| json!({ "available": false, "reason": reason });
    for name in ["Hanok", "dagnabbit"] {
        assert_eq!(availability(&scenario, &person, name), free, "{name}");
    }
    assert_eq!(
        availability(&scenario, &person, "병신"),
        refused_for("blocked")
    );
    let owner = guest(&scenario, "phone-2-example-0002").named(&scenario, "hanok1");

    scenario.create(
        "nickname_rules",
        "house",
        &json!({ "reserved": ["Hanok"], "blocked": ["dagnab"] }),
    );
    scenario.create(
        "nickname_rules",
        "starter",
        &json!({ "starter_list": false }),
    );
    scenario.publish_live("nickname_rules", |scenario| {
        availability(scenario, &person, "Hanok") == refused_for("reserved")
    });
    for (name, reason) in [
        ("h4n0k", "reserved"),
        ("Hanok fan", "reserved"),
        ("d4gn4bb1t", "blocked"),
    ] {
        assert_eq!(
            availability(&scenario, &person, name),
            refused_for(reason),
            "{name}"
        );
        let answer = person.patch(&scenario, &json!({ "nickname": name }));
        assert_eq!(told(&answer), refused(422, "nickname_invalid"), "{name}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(reason), "{detail}");
    }
    assert_eq!(
        availability(&scenario, &person, "병신"),
        free,
        "switched off"
    );
    assert_eq!(
        availability(&scenario, &person, "admin"),
        refused_for("reserved"),
        "built in"
    );
    // Who has a name already may send it again with other changes.
    let again = owner.patch(&scenario, &json!({ "nickname": "hanok1", "locale": "ko" }));
    assert_eq!(again.status, 200, "{}", again.text());

    for (id, item, pointer) in [
        ("empty", json!({ "blocked": [""] }), "/blocked/0"),
        ("more", json!({ "words": [] }), "/words"),
    ] {
        let put = scenario.service(
            Request::new(
                "PUT",
                &format!("/admin/v1/content/nickname_rules/items/{id}"),
            )
            .header("if-none-match", "*")
            .json(&item),
        );
        assert_eq!(put.status, 422, "{}", put.text());
        assert_eq!(put.json()["errors"][0]["pointer"], pointer);
    }
    scenario.create("nickname_rules", "second", &json!({ "starter_list": true }));
    let publication = scenario.publish("nickname_rules");
    assert_eq!(publication["state"], "failed", "{publication}");
    let faults = publication["faults"].to_string();
    assert!(faults.contains("/starter_list"), "{faults}");
}
