//! What members say of themselves, what they agree to, and everything that is kept of them.

use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::{
    people::{NOBODY, Person, at_once, by, guest, phone, proof, refused, told},
    scenario::Scenario,
};

fn patch(scenario: &Scenario, person: &Person, etag: &str, body: &Value) -> Response {
    let patch = Request::new("PATCH", "/v1/me").header("if-match", etag);
    person.send(scenario, patch.json(body))
}

fn me(scenario: &Scenario, person: &Person) -> Value {
    let answer = person.get(scenario, "/v1/me");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let member = answer.json();
    let etag = format!("\"{}\"", member["version"]);
    assert_eq!(answer.header("etag"), Some(&*etag));
    member
}

#[test]
fn a_patch_is_merged_into_what_is_there() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let first = json!({
        "nickname": "귀여운고양이", "locale": "ko-KR", "country": "KR",
        "attributes": { "level": 3, "plan": "pro", "beta": true },
    });
    let mut expected = me(&scenario, &person);
    for (name, value) in first.as_object().unwrap() {
        expected[name] = value.clone();
    }
    for (body, changes) in [
        (first, json!({})),
        (
            json!({ "attributes": { "level": 4, "plan": null, "guild": "cats" } }),
            json!({ "attributes": { "level": 4, "beta": true, "guild": "cats" } }),
        ),
        (json!({ "locale": null }), json!({ "locale": null })),
        (
            json!({ "country": "JP", "locale": "ja" }),
            json!({ "country": "JP", "locale": "ja" }),
        ),
        (
            json!({ "attributes": null, "country": null }),
            json!({ "attributes": {}, "country": null }),
        ),
    ] {
        let version = me(&scenario, &person)["version"].as_u64().unwrap();
        let answer = patch(&scenario, &person, &format!("\"{version}\""), &body);
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        expected["version"] = json!(version + 1);
        for (name, value) in changes.as_object().unwrap() {
            expected[name] = value.clone();
        }
        assert_eq!(answer.json(), expected, "{body}");
        assert_eq!(me(&scenario, &person), expected, "{body}");
    }
    let same = person.patch(&scenario, &json!({}));
    assert_eq!(
        (same.status, same.json()),
        (200, expected),
        "nothing is nothing"
    );
}

#[test]
fn a_patch_says_which_version_it_changes() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let body = json!({ "country": "KR" });
    let without = person.send(&scenario, Request::new("PATCH", "/v1/me").json(&body));
    assert_eq!(told(&without), refused(428, "precondition_required"));
    for etag in ["\"2\"", "\"0\"", "W/\"2\"", "1", "\"\""] {
        let answer = patch(&scenario, &person, etag, &body);
        assert_eq!(told(&answer), refused(412, "version_conflict"), "{etag}");
    }
    let weak = patch(&scenario, &person, "W/\"1\", \"0\"", &json!({}));
    assert_eq!(weak.status, 200, "{}", weak.text());
    let absent = Request::new("PATCH", "/v1/me")
        .header("if-none-match", "*")
        .json(&body);
    let absent = person.send(&scenario, absent);
    assert_eq!(told(&absent), refused(412, "version_conflict"));
    assert_eq!(me(&scenario, &person)["country"], Value::Null);

    let answers = at_once(20, |number| {
        let body = json!({ "attributes": { "winner": number } });
        patch(&scenario, &person, "\"1\"", &body)
    });
    let won: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .collect();
    assert_eq!(won.len(), 1, "one writer of a version");
    let lost = answers.iter().filter(|answer| answer.status != 200);
    for answer in lost {
        assert_eq!(told(answer), refused(412, "version_conflict"));
    }
    assert_eq!(me(&scenario, &person), won[0].json());
}

#[test]
fn what_is_no_profile_is_refused_whole_with_a_pointer() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let before = me(&scenario, &person);
    for (body, pointer) in [
        (json!({ "country": "KR", "surprise": 1 }), "/surprise"),
        (json!({ "id": "me" }), "/id"),
        (json!({ "status": "active" }), "/status"),
        (json!({ "version": 9 }), "/version"),
        (json!({ "country": "Korea" }), "/country"),
        (json!({ "locale": "not a locale" }), "/locale"),
        (json!({ "nickname": 7 }), "/nickname"),
        (json!({ "attributes": [] }), "/attributes"),
        (
            json!({ "attributes": { "fine": 1, "deep": { "er": 1 } } }),
            "/attributes/deep",
        ),
        (
            json!({ "attributes": { "tags": ["a", 1] } }),
            "/attributes/tags/1",
        ),
        (
            json!({ "attributes": { "bio": "x".repeat(257) } }),
            "/attributes/bio",
        ),
        (json!({ "marketing_consent": "yes" }), "/marketing_consent"),
    ] {
        let answer = person.patch(&scenario, &body);
        assert_eq!(told(&answer), refused(422, "validation_failed"), "{body}");
        let errors = answer.json()["errors"].clone();
        let at = errors[0]["pointer"].as_str().unwrap_or_default();
        assert!(at.starts_with(pointer), "{body}: {errors}");
        assert!(!errors.to_string().contains("untagged"), "{errors}");
    }
    let list = person.patch(&scenario, &json!([]));
    assert_eq!(list.status, 422, "{}", list.text());
    assert_eq!(me(&scenario, &person), before);
}

#[test]
fn what_a_member_agreed_to_is_kept_with_its_date() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let agree = |body: Value| {
        let answer = person.post(&scenario, "/v1/me/consents", &body);
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        answer.json()
    };
    let first = agree(json!({ "terms": { "version": "2026-01" }, "privacy": { "version": "3" } }));
    assert_eq!(first["terms"]["version"], "2026-01");
    assert!(first["privacy"]["at"].is_string());
    assert_eq!(first["marketing"], Value::Null);
    let again = agree(json!({ "terms": { "version": "2026-01" } }));
    assert_eq!(again, first, "what was agreed to before keeps its date");
    let newer = agree(
        json!({ "terms": { "version": "2026-02" }, "marketing": { "agreed": true, "night": true } }),
    );
    assert_eq!(newer["terms"]["version"], "2026-02");
    assert_eq!(newer["privacy"], first["privacy"]);
    assert!(newer["marketing"]["night"].is_string());
    let by_day = agree(json!({ "marketing": { "agreed": true } }));
    assert_eq!(by_day["marketing"]["at"], newer["marketing"]["at"]);
    assert_eq!(by_day["marketing"]["night"], Value::Null);
    assert_eq!(me(&scenario, &person)["consents"], by_day);

    let off = person.patch(&scenario, &json!({ "marketing_consent": false }));
    assert_eq!(
        off.json()["consents"]["marketing"],
        Value::Null,
        "{}",
        off.text()
    );
    let on = person.patch(&scenario, &json!({ "marketing_consent": true }));
    assert!(
        on.json()["consents"]["marketing"]["at"].is_string(),
        "{}",
        on.text()
    );
    let none = person.patch(&scenario, &json!({ "marketing_consent": null }));
    assert_eq!(
        none.json()["consents"]["marketing"],
        Value::Null,
        "{}",
        none.text()
    );
    for bad in [
        json!({ "terms": { "version": "" } }),
        json!({ "terms": "2026-01" }),
        json!({ "cookies": true }),
        json!({ "marketing": { "agreed": true, "weekends": true } }),
    ] {
        let answer = person.post(&scenario, "/v1/me/consents", &bad);
        assert_eq!(told(&answer), refused(422, "validation_failed"), "{bad}");
    }
}

fn export(scenario: &Scenario, person: &Person) -> String {
    let asked = person.post(scenario, "/v1/me/exports", &json!({}));
    assert_eq!(asked.status, 202, "{}", asked.text());
    assert_eq!(asked.header("cache-control"), Some("no-store"));
    format!(
        "/v1/me/exports/{}",
        asked.json()["export_id"].as_str().unwrap()
    )
}

#[test]
fn an_export_has_everything_of_its_member_and_is_nobody_elses() {
    let scenario = Scenario::start();
    let person = by(&scenario, "google", "mina-at-google").named(&scenario, "미나");
    let linked = proof(&scenario, "line", "mina-at-line", json!({}));
    let answer = person.post(&scenario, "/v1/me/identities", &linked);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let consents = json!({ "terms": { "version": "7" }, "marketing": { "agreed": true } });
    person.post(&scenario, "/v1/me/consents", &consents);
    person.patch(
        &scenario,
        &json!({ "attributes": { "guild": "cats" }, "country": "KR" }),
    );
    let device = "mina-at-google-phone-example-01";
    for (of, body) in [
        (
            "profile",
            json!({ "birth_year": 1990, "interests": ["golf"] }),
        ),
        (
            "content-config",
            json!({ "categories": { "games": false }, "frequency": "less" }),
        ),
    ] {
        let target = format!("/v1/devices/{device}/{of}");
        let put = person.send(&scenario, Request::new("PUT", &target).json(&body));
        assert_eq!(put.status, 200, "{}", put.text());
    }
    let theirs = export(&scenario, &person);
    let document = person.get(&scenario, &theirs);
    assert_eq!(document.status, 200, "{}", document.text());
    assert_eq!(document.header("cache-control"), Some("no-store"));
    let document = document.json();
    assert_eq!(document["member"], me(&scenario, &person));
    assert_eq!(document["member"]["nickname"], "미나");
    assert_eq!(document["member"]["attributes"], json!({ "guild": "cats" }));
    assert_eq!(document["member"]["consents"]["terms"]["version"], "7");
    let identities = document["identities"].as_array().unwrap().iter();
    let subjects: Vec<_> = identities
        .map(|identity| identity["subject"].clone())
        .collect();
    assert_eq!(subjects, ["mina-at-google", "mina-at-line"]);
    assert_eq!(document["sessions"][0]["id"], person.session.as_str());
    let shown = &document["sessions"][0]["device"];
    assert_eq!(
        (&shown["platform"], &shown["id"]),
        (&json!("ios"), &Value::Null)
    );
    let [kept] = document["devices"].as_array().unwrap().as_slice() else {
        panic!("{document}");
    };
    assert_eq!(kept["profile"]["birth_year"], 1990);
    assert_eq!(kept["content_config"]["frequency"], "less");

    assert_eq!(document["under_14"], false);

    let child = json!({
        "device": phone("phone-2-example-0002"), "under_14": true, "guardian_consent": true,
    });
    let other = Person::of(&scenario.post("/v1/auth/guest", &child).json());
    let others = export(&scenario, &other);
    let nobodys = format!("/v1/me/exports/{NOBODY}");
    for (who, target) in [
        (&other, &*theirs),
        (&person, &*others),
        (&person, &*nobodys),
    ] {
        assert_eq!(
            told(&who.get(&scenario, target)),
            refused(404, "not_found"),
            "{target}"
        );
    }
    let own = other.get(&scenario, &others);
    assert_eq!(own.json()["under_14"], true);
    assert!(own.json()["member"]["consents"]["guardian"].is_string());
    let text = own.text();
    assert!(
        !text.contains("mina-at-google") && !text.contains("미나"),
        "{text}"
    );
}

#[test]
fn who_withdraws_is_told_until_when_they_can_come_back() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let stay = || person.delete(&scenario, "/v1/me/withdrawal");
    assert_eq!(told(&stay()), refused(409, "withdrawal_not_pending"));
    let begun = person.post(&scenario, "/v1/me/withdrawal", &json!({}));
    assert_eq!(begun.status, 202, "{}", begun.text());
    let begun = begun.json();
    assert_eq!(begun["status"], "withdrawal_pending");
    let again = person.post(&scenario, "/v1/me/withdrawal", &json!({}));
    assert_eq!(
        (again.status, again.json()),
        (202, begun.clone()),
        "it began once"
    );
    let member = me(&scenario, &person);
    assert_eq!(
        (&member["status"], &member["purge_at"]),
        (&begun["status"], &begun["purge_at"])
    );
    assert_eq!(stay().status, 204);
    assert_eq!(me(&scenario, &person)["status"], "active");
    assert_eq!(told(&stay()), refused(409, "withdrawal_not_pending"));
}

#[test]
fn fifty_patches_at_once_of_whatever_version_are_all_merged() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let answers = at_once(50, |number| {
        person.patch(
            &scenario,
            &json!({ "attributes": { (format!("a{number}")): number } }),
        )
    });
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let member = me(&scenario, &person);
    assert_eq!(member["attributes"].as_object().unwrap().len(), 50);
    assert_eq!(member["version"], 51);
}

#[test]
fn attributes_are_bounded_in_sum_and_a_member_who_fills_them_can_still_be_banned() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let texts = |from: usize, count: usize| -> Value {
        let all = (from..from + count).map(|n| (format!("t{n}"), json!("가".repeat(200))));
        Value::Object(all.collect())
    };
    let first = person.patch(&scenario, &json!({ "attributes": texts(0, 26) }));
    assert_eq!(first.status, 200, "{}", first.text());
    let lists = vec!["x".repeat(256); 100];
    for more in [json!({ "list": lists }), texts(26, 2), texts(100, 74)] {
        let answer = person.patch(&scenario, &json!({ "attributes": more }));
        assert_eq!(told(&answer), refused(422, "validation_failed"));
        let errors = answer.json()["errors"].clone();
        assert_eq!(errors[0]["pointer"], "/attributes", "{errors}");
    }
    let twice = r#"{"attributes":{"level":1,"level":2}}"#;
    let twice = Request::new("PATCH", "/v1/me")
        .header("if-match", "*")
        .header("content-type", "application/json")
        .body(twice.to_owned());
    let twice = person.send(&scenario, twice);
    assert_eq!(told(&twice), refused(422, "validation_failed"));
    let errors = twice.json()["errors"].clone();
    assert_eq!(errors[0]["pointer"], "/attributes/level", "{errors}");
    assert_eq!(errors[0]["code"], "duplicate", "{errors}");

    for action in ["ban", "unban", "sign-out"] {
        let target = format!("/admin/v1/members/{}/{action}", person.id);
        let answer = scenario.service_post(&target, &json!({ "reason": "x" }));
        assert!(answer.status < 300, "{action}: {}", answer.text());
    }
}

#[test]
fn an_export_has_the_history_of_consents_and_of_copied_tokens() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    for body in [
        json!({ "terms": { "version": "1" }, "marketing": { "agreed": true, "night": true } }),
        json!({ "terms": { "version": "1" } }),
        json!({ "terms": { "version": "2" }, "marketing": { "agreed": true } }),
    ] {
        let answer = person.post(&scenario, "/v1/me/consents", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let off = person.patch(&scenario, &json!({ "marketing_consent": false }));
    assert_eq!(off.status, 200, "{}", off.text());
    let document = person.get(&scenario, &export(&scenario, &person)).json();
    let history = document["consent_history"].as_array().unwrap();
    let mut told: Vec<_> = history
        .iter()
        .map(|event| {
            let word = |name: &str| event[name].as_str().unwrap_or("-").to_owned();
            assert!(event["at"].is_string(), "{event}");
            format!("{} {} {}", word("consent"), word("action"), word("version"))
        })
        .collect();
    let times: Vec<_> = history.iter().map(|event| event["at"].as_str()).collect();
    assert!(times.is_sorted(), "{times:?}");
    told.sort();
    assert_eq!(
        told,
        [
            "marketing given -",
            "marketing withdrawn -",
            "marketing_night given -",
            "marketing_night withdrawn -",
            "terms given 1",
            "terms given 2",
        ]
    );
    assert_eq!(document["security_events"], json!([]));
}
