//! Writes of identity whose database answers get lost, and what callers are told while it is out:
//! everything is done once and told as it was done.

use serde_json::{Value, json};
use tests::{
    fault::{Fault, Rule},
    http1::Request,
};

use crate::{
    identities::link,
    people::{Guest, Person, audited, by, guest, refresh, refused, reused, told},
    scenario::{Scenario, eventually},
    tracking::items,
};

/// Does something of which the database's answer to the function's write is lost.
fn losing<T>(
    scenario: &Scenario,
    (function, action): (&str, &str),
    doing: impl FnOnce() -> T,
) -> T {
    let lost = Rule::from(Fault::DropAnswer).of(function).on(action);
    let database = &scenario.courtyard.database;
    database.inject(lost.times(1)).unwrap();
    let done = doing();
    assert_eq!(database.left(), Some(0), "{function} {action}");
    done
}

const PUT: &str = "dynamodb:PutItem";
const UPDATE: &str = "dynamodb:UpdateItem";
const DELETE: &str = "dynamodb:DeleteItem";

fn version(scenario: &Scenario, person: &Person) -> u64 {
    let me = person.get(scenario, "/v1/me");
    assert_eq!(me.status, 200, "{}", me.text());
    me.json()["version"].as_u64().unwrap()
}

fn sessions(scenario: &Scenario, person: &Person) -> usize {
    let of = format!("member#{}", person.id);
    items(scenario, "MembersTable", &of, "session#").len()
}

#[test]
fn a_session_begins_goes_on_and_ends_once() {
    let scenario = Scenario::start();
    let owner = losing(&scenario, ("auth-guest", PUT), || {
        Guest::new(&scenario, "phone-1-example-0001")
    });
    assert_eq!(sessions(&scenario, &owner.person), 1);
    let known = losing(&scenario, ("auth-sign-in", PUT), || {
        by(&scenario, "google", "g-1")
    });
    assert_eq!(sessions(&scenario, &known), 1);

    let second = losing(&scenario, ("auth-refresh", UPDATE), || {
        owner.person.refreshed(&scenario)
    });
    let kept = items(
        &scenario,
        "MembersTable",
        &format!("member#{}", second.id),
        "session#",
    );
    assert_eq!(kept[0]["turn"]["N"], "2");
    let third = second.refreshed(&scenario).refreshed(&scenario);
    let copied = losing(&scenario, ("auth-refresh", DELETE), || {
        refresh(&scenario, &owner.person.refresh)
    });
    assert_eq!(told(&copied), refused(401, "refresh_token_reused"));
    assert_eq!(reused(&scenario, &third.id).len(), 1);
    assert_eq!(
        told(&refresh(&scenario, &third.refresh)),
        refused(401, "token_invalid")
    );

    let (phone, tablet) = (
        owner.on(&scenario, "phone-1-example-0001"),
        owner.on(&scenario, "tablet-1-example-0001"),
    );
    let target = format!("/v1/me/sessions/{}", tablet.session);
    let ended = losing(&scenario, ("me-sessions", DELETE), || {
        phone.delete(&scenario, &target)
    });
    assert_eq!(ended.status, 204);
    assert_eq!(phone.delete(&scenario, &target).status, 404);
    for (scope, action) in [("local", DELETE), ("others", PUT), ("global", PUT)] {
        let session = owner.on(&scenario, "phone-1-example-0001");
        let out = losing(&scenario, ("auth-sign-out", action), || {
            session.post(&scenario, "/v1/auth/sign-out", &json!({ "scope": scope }))
        });
        assert_eq!(out.status, 204, "{scope}: {}", out.text());
        let lives = session.get(&scenario, "/v1/me").status == 200;
        assert_eq!(lives, scope == "others");
    }
}

#[test]
fn a_member_is_changed_once() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let me = |method: &str, target: &str, body: Value| {
        let request = Request::new(method, target).header("if-match", "*");
        person.send(&scenario, request.json(&body))
    };
    for (method, target, body, status) in [
        ("PATCH", "/v1/me", json!({ "nickname": "mina" }), 200),
        ("PATCH", "/v1/me", json!({ "country": "KR" }), 200),
        (
            "POST",
            "/v1/me/consents",
            json!({ "terms": { "version": "1" } }),
            200,
        ),
        ("POST", "/v1/me/withdrawal", json!({}), 202),
        ("DELETE", "/v1/me/withdrawal", json!({}), 204),
    ] {
        let before = version(&scenario, &person);
        let answer = losing(&scenario, ("me", PUT), || me(method, target, body));
        assert_eq!(
            answer.status,
            status,
            "{method} {target}: {}",
            answer.text()
        );
        assert_eq!(version(&scenario, &person), before + 1, "{method} {target}");
    }
    assert_eq!(
        me("PATCH", "/v1/me", json!({ "nickname": "mina" })).json()["nickname"],
        "mina"
    );
    let asked = losing(&scenario, ("me-exports", PUT), || {
        me("POST", "/v1/me/exports", json!({}))
    });
    assert_eq!(asked.status, 202, "{}", asked.text());
}

#[test]
fn an_identity_is_linked_moved_and_given_up_once() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let linked = losing(&scenario, ("me-identities", PUT), || {
        link(&scenario, &person, "google", "g-1")
    });
    assert_eq!(linked.status, 201, "{}", linked.text());
    let google = "/v1/me/identities/google";
    let unlinked = losing(&scenario, ("me-identities", DELETE), || {
        person.delete(&scenario, google)
    });
    assert_eq!(unlinked.status, 204, "{}", unlinked.text());
    for (provider, choice) in [("line", "keep_current"), ("kakao", "use_other")] {
        let sub = format!("{provider}-user");
        let other = by(&scenario, provider, &sub);
        let taken = losing(&scenario, ("me-identities", PUT), || {
            link(&scenario, &person, provider, &sub)
        });
        assert_eq!(told(&taken), refused(409, "identity_in_use"));
        let body = json!({ "link_ticket": taken.json()["link_ticket"], "choice": choice });
        let resolved = losing(&scenario, ("me-identities", UPDATE), || {
            person.post(&scenario, "/v1/me/identities/resolve", &body)
        });
        assert_eq!(resolved.status, 200, "{choice}: {}", resolved.text());
        let goes_on_as = match choice {
            "keep_current" => &person.id,
            _ => &other.id,
        };
        assert_eq!(resolved.json()["member"]["id"], goes_on_as.as_str());
        assert_eq!(&by(&scenario, provider, &sub).id, goes_on_as);
    }
}

#[test]
fn what_an_operator_does_is_done_and_written_down_once() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    for (action, name) in [
        ("ban", "member.ban"),
        ("unban", "member.unban"),
        ("sign-out", "member.sign_out"),
    ] {
        let target = format!("/admin/v1/members/{}/{action}", person.id);
        let answer = losing(&scenario, ("admin-members", PUT), || {
            scenario.service_post(&target, &json!({ "reason": "why" }))
        });
        assert!(answer.status < 300, "{action}: {}", answer.text());
        assert_eq!(audited(&scenario, name).len(), 1, "{action}");
    }
}

#[test]
fn while_the_database_is_out_everybody_is_told_when_to_come_back_and_loses_nothing() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let person = owner.person.clone().named(&scenario, "mina");
    // Whatever the functions hold in memory, they hold now.
    for target in ["/v1/me", "/v1/me/sessions"] {
        assert_eq!(person.get(&scenario, target).status, 200);
    }
    for fault in [Fault::Refuse, Fault::Throttle, Fault::ServerError] {
        scenario.courtyard.database.inject(fault).unwrap();
        let out = json!({ "scope": "global" });
        for (what, answer) in [
            ("me", person.get(&scenario, "/v1/me")),
            (
                "patch",
                person.patch(&scenario, &json!({ "country": "KR" })),
            ),
            ("sessions", person.get(&scenario, "/v1/me/sessions")),
            (
                "sign-out",
                person.post(&scenario, "/v1/auth/sign-out", &out),
            ),
            ("refresh", refresh(&scenario, &person.refresh)),
            ("guest", owner.try_on(&scenario, "phone-1-example-0001")),
        ] {
            assert_eq!(
                told(&answer),
                refused(503, "unavailable"),
                "{what} {fault:?}"
            );
            let wait = answer.header("retry-after").map(str::parse::<u32>);
            assert!(matches!(wait, Some(Ok(1..))), "{what} {fault:?}: {wait:?}");
        }
        scenario.courtyard.database.heal().unwrap();
        eventually("it answers once the database does", || {
            (person.get(&scenario, "/v1/me").status == 200).then_some(())
        });
    }
    person.refreshed(&scenario);
}
