//! Link tickets: whose an identity is when two members want it.

use std::time::Duration;

use kit::{Clock, clock::Course};
use serde_json::{Value, json};
use tests::{courtyard::Courtyard, http1::Response};

use crate::{
    identities::{link, providers},
    people::{Guest, Person, at_once, by, guest, refresh, refused, told},
    scenario::{Scenario, eventually},
};

const RESOLVE: &str = "/v1/me/identities/resolve";

/// A ticket of `person` for an identity that is another's.
fn ticket(scenario: &Scenario, person: &Person, provider: &str, sub: &str) -> String {
    let answer = link(scenario, person, provider, sub);
    assert_eq!(
        told(&answer),
        refused(409, "identity_in_use"),
        "{}",
        answer.text()
    );
    answer.json()["link_ticket"].as_str().unwrap().to_owned()
}

fn resolve(scenario: &Scenario, person: &Person, ticket: &str, choice: &str) -> Response {
    let body = json!({ "link_ticket": ticket, "choice": choice });
    person.post(scenario, RESOLVE, &body)
}

#[test]
fn of_the_other_member_just_enough_is_told_to_know_them_again() {
    let scenario = Scenario::start();
    by(&scenario, "google", "secret-subject").named(&scenario, "미나리꽃");
    let person = guest(&scenario, "phone-1-example-0001");
    let answer = link(&scenario, &person, "google", "secret-subject");
    assert_eq!(told(&answer), refused(409, "identity_in_use"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let other = answer.json()["other"].clone();
    assert_eq!(other["nickname"], "미***");
    assert_eq!(other["providers"], json!(["google"]));
    assert!(other["created_at"].is_string());
    assert_eq!(other.as_object().unwrap().len(), 3, "{other}");
    for secret in ["secret-subject", "나리꽃", "@"] {
        assert!(!answer.text().contains(secret), "{}", answer.text());
    }
}

#[test]
fn who_keeps_the_current_account_takes_the_identity_over() {
    let scenario = Scenario::start();
    let other = by(&scenario, "google", "g-1");
    let person = guest(&scenario, "phone-1-example-0001").named(&scenario, "mina");
    let ticket = ticket(&scenario, &person, "google", "g-1");
    let resolved = resolve(&scenario, &person, &ticket, "keep_current");
    assert_eq!(resolved.status, 200, "{}", resolved.text());
    assert_eq!(resolved.header("cache-control"), Some("no-store"));
    assert_eq!(resolved.json()["member"]["id"], person.id.as_str());
    assert_eq!(
        resolved.json()["access_token"],
        Value::Null,
        "the session goes on"
    );
    assert_eq!(providers(&scenario, &person), ["google", "guest"]);
    assert_eq!(by(&scenario, "google", "g-1").id, person.id);
    // The other has nothing left to sign in with, and a while to find something.
    let left = other.get(&scenario, "/v1/me").json();
    assert_eq!(left["status"], "withdrawal_pending", "{left}");
    assert_eq!(left["identities"], json!([]));
    let stay = other.delete(&scenario, "/v1/me/withdrawal");
    assert_eq!(told(&stay), refused(409, "last_identity"));
    assert_eq!(link(&scenario, &other, "line", "l-1").status, 201);
    assert_eq!(other.delete(&scenario, "/v1/me/withdrawal").status, 204);
    assert_eq!(by(&scenario, "line", "l-1").id, other.id);
    let used = resolve(&scenario, &person, &ticket, "use_other");
    assert_eq!(told(&used), refused(409, "link_ticket_invalid"));
}

#[test]
fn who_uses_the_other_account_is_signed_in_to_it() {
    let scenario = Scenario::start();
    let other = by(&scenario, "google", "g-1").named(&scenario, "bora");
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let person = &owner.person;
    let ticket = ticket(&scenario, person, "google", "g-1");
    let resolved = resolve(&scenario, person, &ticket, "use_other");
    assert_eq!(resolved.status, 200, "{}", resolved.text());
    let switched = Person::of(&resolved.json());
    assert_eq!(switched.id, other.id);
    let me = switched.get(&scenario, "/v1/me").json();
    assert_eq!(
        (&me["nickname"], &me["status"]),
        (&json!("bora"), &json!("active"))
    );
    // On the phone that they hold, which the session that is over was on.
    let target = "/v1/devices/phone-1-example-0001/profile";
    assert_eq!(switched.get(&scenario, target).status, 404);
    assert_eq!(
        told(&person.get(&scenario, "/v1/me")),
        refused(401, "token_invalid")
    );
    assert_eq!(
        told(&refresh(&scenario, &person.refresh)),
        refused(401, "token_invalid")
    );
    let switched = switched.refreshed(&scenario);
    assert_eq!(
        other.refreshed(&scenario).id,
        switched.id,
        "both sessions live"
    );
    // The guest is as they were.
    assert_eq!(owner.on(&scenario, "phone-1-example-0001").id, person.id);
    let used = resolve(&scenario, &switched, &ticket, "use_other");
    assert_eq!(told(&used), refused(409, "link_ticket_invalid"));
}

#[test]
fn a_ticket_is_used_once_however_many_use_it_at_once() {
    let scenario = Scenario::start();
    for (number, choice) in ["keep_current", "use_other"].into_iter().enumerate() {
        let sub = format!("g-{number}");
        let other = by(&scenario, "google", &sub);
        let owner = Guest::new(&scenario, &format!("phone-{number}-example-0001"));
        let ticket = ticket(&scenario, &owner.person, "google", &sub);
        let answers = at_once(10, |_| resolve(&scenario, &owner.person, &ticket, choice));
        let won: Vec<_> = answers
            .iter()
            .filter(|answer| answer.status == 200)
            .collect();
        assert_eq!(
            won.len(),
            1,
            "{choice}: {:?}",
            answers.iter().map(told).collect::<Vec<_>>()
        );
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            let over = choice == "use_other" && told(answer) == refused(401, "token_invalid");
            assert!(
                over || told(answer) == refused(409, "link_ticket_invalid"),
                "{}",
                answer.text()
            );
        }
        let listed = scenario
            .service_get(&format!("/admin/v1/members/{}", other.id))
            .json();
        let sessions = listed["sessions"].as_array().unwrap().len();
        assert_eq!(
            sessions,
            if choice == "use_other" { 2 } else { 1 },
            "{listed}"
        );
    }
}

#[test]
fn a_ticket_is_of_use_to_nobody_else() {
    let scenario = Scenario::start();
    by(&scenario, "google", "g-1");
    let (mina, thief) = (
        guest(&scenario, "phone-1-example-0001"),
        guest(&scenario, "phone-2-example-0002"),
    );
    let ticket = ticket(&scenario, &mina, "google", "g-1");
    for choice in ["keep_current", "use_other"] {
        let stolen = resolve(&scenario, &thief, &ticket, choice);
        assert_eq!(told(&stolen), refused(409, "link_ticket_invalid"));
    }
    for made_up in ["", "x", &"A".repeat(43)] {
        let answer = resolve(&scenario, &mina, made_up, "use_other");
        assert_eq!(
            told(&answer),
            refused(409, "link_ticket_invalid"),
            "{made_up}"
        );
    }
    let choice = resolve(&scenario, &mina, &ticket, "both");
    assert_eq!(told(&choice), refused(422, "validation_failed"));
    assert_eq!(
        resolve(&scenario, &mina, &ticket, "keep_current").status,
        200
    );
    assert_eq!(by(&scenario, "google", "g-1").id, mina.id);
}

#[test]
fn a_ticket_is_good_for_nothing_once_the_identity_has_changed_hands() {
    let scenario = Scenario::start();
    by(&scenario, "google", "g-1");
    let (mina, bora) = (
        guest(&scenario, "phone-1-example-0001"),
        guest(&scenario, "phone-2-example-0002"),
    );
    let tickets = [&mina, &bora].map(|person| ticket(&scenario, person, "google", "g-1"));
    let first = resolve(&scenario, &mina, &tickets[0], "keep_current");
    assert_eq!(first.status, 200, "{}", first.text());
    let late = resolve(&scenario, &bora, &tickets[1], "use_other");
    assert_eq!(told(&late), refused(409, "link_ticket_invalid"));
    assert_eq!(providers(&scenario, &mina), ["google", "guest"]);
}

#[test]
fn a_banned_members_identity_is_no_way_round_the_ban() {
    let scenario = Scenario::start();
    let banned = by(&scenario, "google", "g-1");
    let person = guest(&scenario, "phone-1-example-0001");
    let ticket = ticket(&scenario, &person, "google", "g-1");
    let ban = json!({ "reason": "fraud", "template": "fraud" });
    let target = format!("/admin/v1/members/{}/ban", banned.id);
    assert_eq!(scenario.service_post(&target, &ban).status, 200);
    for choice in ["use_other", "keep_current"] {
        let answer = resolve(&scenario, &person, &ticket, choice);
        assert_eq!(told(&answer), refused(403, "forbidden"), "{choice}");
    }
    assert_eq!(providers(&scenario, &person), ["guest"]);
}

#[test]
fn a_ticket_lapses_in_ten_minutes() {
    let course = Course {
        speed: 150,
        since: Clock::system().now(),
    };
    let courtyard = Courtyard::start_with(|options| options.course = Some(course));
    let scenario = Scenario {
        courtyard: courtyard.expect("the stack starts"),
    };
    let clock = Clock::fast(course);
    by(&scenario, "google", "g-1");
    let person = guest(&scenario, "phone-1-example-0001");
    let asked_at = clock.now();
    let ticket = ticket(&scenario, &person, "google", "g-1");
    eventually("ten minutes are over", || {
        (clock.now().since(asked_at) > Duration::from_secs(660)).then_some(())
    });
    let person = person.refreshed(&scenario);
    for choice in ["use_other", "keep_current"] {
        let late = resolve(&scenario, &person, &ticket, choice);
        assert_eq!(told(&late), refused(409, "link_ticket_invalid"), "{choice}");
    }
    assert_eq!(providers(&scenario, &person), ["guest"]);
}
