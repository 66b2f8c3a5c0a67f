//! Refreshing: what is answered to the live token, to the one before, to copies and to forgeries,
//! and to whoever may not come in any more.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use domain::{identity::RefreshToken, keyring::Keys};
use serde_json::{Value, json};
use tests::http1::Response;

use crate::{
    people::{Guest, Person, at_once, guest, refresh, refused, reused, told, with_environment},
    scenario::{Scenario, eventually},
    tracking::items,
};

fn field(answer: &Response, name: &str) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()[name].as_str().expect(name).to_owned()
}

/// What the table keeps of a member's sessions.
fn kept(scenario: &Scenario, member: &str) -> Vec<Value> {
    items(
        scenario,
        "MembersTable",
        &format!("member#{member}"),
        "session#",
    )
}

#[test]
fn fifty_refreshes_at_once_are_all_told_the_one_live_token() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let answers = at_once(50, |_| refresh(&scenario, &person.refresh));
    let tokens: BTreeSet<_> = answers.iter().map(|a| field(a, "refresh_token")).collect();
    assert_eq!(tokens.len(), 1);
    let access: BTreeSet<_> = answers.iter().map(|a| field(a, "access_token")).collect();
    assert_eq!(access.len(), 50, "access tokens are never told twice");
    let sessions = kept(&scenario, &person.id);
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0]["turn"]["N"], "2");
    let next = refresh(&scenario, tokens.first().unwrap());
    assert_eq!(next.header("cache-control"), Some("no-store"));
    let next = Person {
        access: field(&next, "access_token"),
        ..person
    };
    assert_eq!(next.get(&scenario, "/v1/me").status, 200);
    assert_eq!(reused(&scenario, &next.id), [] as [Value; 0]);
}

#[test]
fn a_lost_response_is_given_again_at_any_time_and_a_copy_ends_its_session_alone() {
    let scenario = with_environment(&[("REFRESH_GRACE_S", "3")]);
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let (first, other) = (&owner.person, owner.on(&scenario, "phone-2-example-0002"));
    let second = first.refreshed(&scenario);
    // The grace passes, and the phone still has the token whose response it did not receive.
    let began = Instant::now();
    eventually("the grace is over", || {
        let again = refresh(&scenario, &first.refresh);
        assert_eq!(field(&again, "refresh_token"), second.refresh);
        (began.elapsed() > Duration::from_secs(4)).then_some(())
    });
    let third = second.refreshed(&scenario);
    eventually("the grace is over after the successor was used", || {
        let late = refresh(&scenario, &first.refresh);
        if late.status == 200 {
            assert_eq!(field(&late, "refresh_token"), third.refresh);
            return None;
        }
        assert_eq!(told(&late), refused(401, "refresh_token_reused"));
        Some(())
    });
    // The live token went down with it: who has the copy is not known.
    assert_eq!(
        told(&refresh(&scenario, &third.refresh)),
        refused(401, "token_invalid")
    );
    for copy in [first, &second] {
        let answer = copy.get(&scenario, "/v1/me");
        assert_eq!(told(&answer), refused(401, "token_invalid"));
    }
    let other = other.refreshed(&scenario);
    assert_eq!(other.get(&scenario, "/v1/me").status, 200);
    let events = reused(&scenario, &first.id);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["action"]["S"], "refresh_token_reused");
    assert_eq!(events[0]["session_id"]["S"], first.session.as_str());
    assert!(events[0]["request_id"]["S"].is_string());
    assert!(events[0]["expires_at"]["N"].is_string());
    // Neither the token nor where it was used, and nothing where it would outlive the member.
    assert!(!json!(events).to_string().contains("mrt_"));
    assert!(!json!(events).to_string().contains("127.0.0.1"));
    assert_eq!(items(&scenario, "OperatorsTable", "audit#", "").len(), 0);
    assert_eq!(
        other
            .get(&scenario, "/v1/devices/phone-2-example-0002/profile")
            .status,
        404
    );
}

#[test]
fn a_token_that_two_others_followed_ends_its_session_at_any_time() {
    let scenario = Scenario::start();
    let first = guest(&scenario, "phone-1-example-0001");
    let third = first.refreshed(&scenario).refreshed(&scenario);
    let late_one = refresh(&scenario, &first.refresh);
    assert_eq!(field(&late_one, "refresh_token"), third.refresh);
    let fourth = third.refreshed(&scenario);
    assert_eq!(
        told(&refresh(&scenario, &first.refresh)),
        refused(401, "refresh_token_reused")
    );
    assert_eq!(
        told(&refresh(&scenario, &fourth.refresh)),
        refused(401, "token_invalid")
    );
    assert_eq!(reused(&scenario, &first.id).len(), 1);
    // The end of a session is one event, however often the copy is presented.
    assert_eq!(
        told(&refresh(&scenario, &first.refresh)),
        refused(401, "token_invalid")
    );
    assert_eq!(reused(&scenario, &first.id).len(), 1);
}

#[test]
fn a_copy_that_is_presented_many_times_at_once_is_audited_once() {
    let scenario = Scenario::start();
    let first = guest(&scenario, "phone-1-example-0001");
    let third = first.refreshed(&scenario).refreshed(&scenario);
    third.refreshed(&scenario);
    let answers = at_once(10, |_| told(&refresh(&scenario, &first.refresh)));
    for answer in &answers {
        assert_eq!(answer.0, 401, "{answers:?}");
    }
    assert!(answers.contains(&refused(401, "refresh_token_reused")));
    assert_eq!(reused(&scenario, &first.id).len(), 1);
}

/// A token for a session as whoever knows its ids alone would make one.
fn forged(person: &Person, counter: u64, key: u8) -> String {
    let secret =
        json!({ "current": { "id": key, "key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" } });
    let token = RefreshToken {
        member: person.id.parse().unwrap(),
        session: person.session.parse().unwrap(),
        counter,
    };
    token.sign(&Keys::parse(&secret.to_string()).unwrap())
}

#[test]
fn whoever_knows_a_session_by_its_id_alone_can_do_nothing_to_it() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001").refreshed(&scenario);
    let before = kept(&scenario, &person.id);
    let own = &person.refresh;
    let mut tokens: Vec<String> = Vec::new();
    for key in [0, 1, 2, 255] {
        tokens.extend([0, 1, 2, 3, u64::MAX].map(|counter| forged(&person, counter, key)));
    }
    for at in [4, 10, 30, own.len() - 30, own.len() - 1] {
        let mut altered = own.clone();
        let letter = if &own[at..=at] == "w" { "g" } else { "w" };
        altered.replace_range(at..=at, letter);
        tokens.push(altered);
    }
    let others = [
        "",
        "mrt_",
        "mrt_AAAA",
        "not a token",
        &person.access,
        &person.session,
    ];
    tokens.extend(others.map(str::to_owned));
    tokens.push(own[..own.len() - 1].to_owned());
    tokens.push(format!("{own}A"));
    tokens.push(own.replacen("mrt_", "MRT_", 1));
    for token in &tokens {
        let answer = refresh(&scenario, token);
        assert_eq!(told(&answer), refused(401, "token_invalid"), "{token}");
    }
    let long = refresh(&scenario, &"m".repeat(513));
    assert_eq!(told(&long), refused(422, "validation_failed"));
    assert_eq!(kept(&scenario, &person.id), before);
    assert_eq!(reused(&scenario, &person.id), [] as [Value; 0]);
    person.refreshed(&scenario);
}

#[test]
fn a_ban_stops_the_next_refresh_and_lifting_it_lets_it_go_on() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let path = format!("/admin/v1/members/{}", owner.person.id);
    let ban = json!({ "reason": "speed hack", "template": "cheating" });
    let banned = scenario.service_post(&format!("{path}/ban"), &ban);
    assert_eq!(banned.status, 200, "{}", banned.text());
    for _ in 0..2 {
        let answer = refresh(&scenario, &owner.person.refresh);
        assert_eq!(told(&answer), refused(403, "member_banned"));
        assert_eq!(
            told(&owner.try_on(&scenario, "phone-2-example-0002")),
            refused(403, "member_banned")
        );
    }
    let lifted = scenario.service_post(&format!("{path}/unban"), &json!({ "reason": "appeal" }));
    assert_eq!(lifted.status, 200, "{}", lifted.text());
    owner.person.refreshed(&scenario);
}

#[test]
fn signing_out_stops_the_next_refresh_of_whichever_sessions_it_means() {
    let scenario = Scenario::start();
    for (scope, lives) in [
        ("local", [false, true, true]),
        ("others", [true, false, false]),
        ("global", [false, false, false]),
    ] {
        let owner = Guest::new(&scenario, "phone-1-example-0001");
        let more = ["phone-2-example-0002", "phone-3-example-0003"]
            .map(|device| owner.on(&scenario, device));
        let sessions: Vec<_> = [owner.person.clone()].into_iter().chain(more).collect();
        let out = json!({ "scope": scope });
        let answer = owner.person.post(&scenario, "/v1/auth/sign-out", &out);
        assert_eq!(answer.status, 204, "{}", answer.text());
        for (session, lives) in sessions.iter().zip(lives) {
            let me = session.get(&scenario, "/v1/me");
            let refreshed = refresh(&scenario, &session.refresh);
            if lives {
                assert_eq!((me.status, refreshed.status), (200, 200), "{scope}");
            } else {
                assert_eq!(told(&me), refused(401, "token_invalid"), "{scope}");
                assert_eq!(told(&refreshed), refused(401, "token_invalid"), "{scope}");
            }
        }
        assert_eq!(
            owner.on(&scenario, "phone-4-example-0004").id,
            owner.person.id,
            "{scope}"
        );
    }
}

#[test]
fn a_refresh_raced_by_a_sign_out_leaves_nobody_in() {
    let scenario = Scenario::start();
    for scope in ["local", "global"] {
        let person = guest(&scenario, "phone-1-example-0001");
        let answers = at_once(10, |number| match number {
            0 => person.post(&scenario, "/v1/auth/sign-out", &json!({ "scope": scope })),
            _ => refresh(&scenario, &person.refresh),
        });
        assert_eq!(answers[0].status, 204, "{}", answers[0].text());
        for answer in &answers[1..] {
            if answer.status == 200 {
                let next = field(answer, "refresh_token");
                assert_eq!(
                    told(&refresh(&scenario, &next)),
                    refused(401, "token_invalid")
                );
            } else {
                assert_eq!(told(answer).0, 401, "{}", answer.text());
            }
        }
        assert_eq!(
            told(&person.get(&scenario, "/v1/me")),
            refused(401, "token_invalid")
        );
    }
}

#[test]
fn a_refresh_raced_by_a_ban_leaves_nobody_in() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let ban = json!({ "reason": "speed hack" });
    let target = format!("/admin/v1/members/{}/ban", person.id);
    let answers = at_once(10, |number| match number {
        0 => scenario.service_post(&target, &ban),
        _ => refresh(&scenario, &person.refresh),
    });
    assert_eq!(answers[0].status, 200, "{}", answers[0].text());
    for answer in &answers[1..] {
        let token = match answer.status {
            200 => field(answer, "refresh_token"),
            _ => person.refresh.clone(),
        };
        assert_eq!(
            told(&refresh(&scenario, &token)),
            refused(403, "member_banned")
        );
    }
}

#[test]
fn who_withdraws_is_refreshed_no_more_unless_they_come_back() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let person = &owner.person;
    let leaving = person.post(&scenario, "/v1/me/withdrawal", &json!({}));
    assert_eq!(leaving.status, 202, "{}", leaving.text());
    let answer = refresh(&scenario, &person.refresh);
    assert_eq!(told(&answer), refused(403, "withdrawal_pending"));
    let back = owner.on(&scenario, "phone-1-example-0001");
    let stayed = back.delete(&scenario, "/v1/me/withdrawal");
    assert_eq!(stayed.status, 204, "{}", stayed.text());
    back.refreshed(&scenario);
}

#[test]
fn a_session_that_is_not_used_is_over_by_itself() {
    let scenario = with_environment(&[("SESSION_IDLE_S", "3")]);
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let (idle, mut used) = (&owner.person, owner.on(&scenario, "phone-2-example-0002"));
    let began = Instant::now();
    eventually("the idle one is over", || {
        used = used.refreshed(&scenario);
        (began.elapsed() >= Duration::from_secs(3)).then_some(())
    });
    let listed = used.get(&scenario, "/v1/me/sessions").json();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1, "{listed}");
    let late = refresh(&scenario, &idle.refresh);
    assert_eq!(told(&late), refused(401, "token_expired"));
    used.refreshed(&scenario);
}

#[test]
fn a_session_is_over_after_its_life_however_much_it_is_used() {
    let scenario = with_environment(&[("SESSION_LIFETIME_S", "3")]);
    let mut person = guest(&scenario, "phone-1-example-0001");
    let over = eventually("the life is over", || {
        let answer = refresh(&scenario, &person.refresh);
        if answer.status != 200 {
            return Some(told(&answer));
        }
        assert!(answer.json()["refresh_expires_in"].as_u64().unwrap() <= 3);
        person.refresh = field(&answer, "refresh_token");
        None
    });
    assert_eq!(over, refused(401, "token_expired"));
}
