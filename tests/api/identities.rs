//! Linking: what a member signs in with.

use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::{
    people::{
        Person, at_once, by, by_with, guest, issued, proof, refused, sandbox, told,
        with_environment,
    },
    scenario::Scenario,
};

const IDENTITIES: &str = "/v1/me/identities";

pub fn link(scenario: &Scenario, person: &Person, provider: &str, sub: &str) -> Response {
    person.post(
        scenario,
        IDENTITIES,
        &proof(scenario, provider, sub, json!({})),
    )
}

pub fn providers(scenario: &Scenario, person: &Person) -> Vec<Value> {
    let member = person.get(scenario, "/v1/me").json();
    let identities = member["identities"].as_array().expect("identities").iter();
    identities
        .map(|identity| identity["provider"].clone())
        .collect()
}

#[test]
fn the_same_email_at_two_providers_is_two_members() {
    let scenario = Scenario::start();
    let claims = json!({ "email": "mina@example.com", "email_verified": true });
    let members: Vec<_> = [
        ("google", "g-1"),
        ("line", "l-1"),
        ("kakao", "k-1"),
        ("apple", "a-1"),
    ]
    .map(|(provider, sub)| by_with(&scenario, provider, sub, claims.clone()))
    .into_iter()
    .inspect(|answer| assert_eq!(answer["created"], true))
    .map(|answer| Person::of(&answer))
    .collect();
    for (number, member) in members.iter().enumerate() {
        assert_eq!(providers(&scenario, member).len(), 1);
        assert!(members[..number].iter().all(|other| other.id != member.id));
    }
    // Nor does linking ask what the address is.
    let answer = members[0].post(
        &scenario,
        IDENTITIES,
        &proof(&scenario, "line", "l-2", claims),
    );
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(providers(&scenario, &members[0]), ["google", "line"]);
    assert_eq!(providers(&scenario, &members[1]), ["line"]);
    let text = members[0].get(&scenario, "/v1/me").text();
    assert!(!text.contains("example.com"), "{text}");
}

#[test]
fn a_linked_identity_signs_its_member_in() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let linked = link(&scenario, &person, "google", "g-1");
    assert_eq!(linked.status, 201, "{}", linked.text());
    assert_eq!(linked.header("cache-control"), Some("no-store"));
    assert_eq!(linked.json()["id"], person.id.as_str());
    assert_eq!(
        link(&scenario, &person, "google", "g-1").status,
        200,
        "theirs already"
    );
    let other = link(&scenario, &person, "google", "g-2");
    assert_eq!(told(&other), refused(409, "provider_already_linked"));
    let again = by_with(&scenario, "google", "g-1", json!({}));
    assert_eq!(again["created"], false);
    assert_eq!(Person::of(&again).id, person.id);
    assert_eq!(providers(&scenario, &person), ["google", "guest"]);
}

#[test]
fn a_proof_links_once() {
    let scenario = Scenario::start();
    let (mina, bora) = (
        guest(&scenario, "phone-1-example-0001"),
        guest(&scenario, "phone-2-example-0002"),
    );
    let body = proof(&scenario, "google", "g-1", json!({}));
    assert_eq!(mina.post(&scenario, IDENTITIES, &body).status, 201);
    let copied = bora.post(&scenario, IDENTITIES, &body);
    assert_eq!(
        told(&copied),
        refused(401, "challenge_used"),
        "{}",
        copied.text()
    );
    assert_eq!(copied.json()["link_ticket"], Value::Null);
    let mut sign_in = body;
    sign_in["device"] = crate::people::phone("phone-3-example-0003");
    let copied = scenario.post("/v1/auth/sign-in", &sign_in);
    assert_eq!(told(&copied), refused(401, "challenge_used"));
}

#[test]
fn the_last_identity_stays_and_one_that_was_given_up_is_nobodys() {
    let scenario = Scenario::start();
    let person = by(&scenario, "google", "g-1");
    let google = format!("{IDENTITIES}/google");
    assert_eq!(
        told(&person.delete(&scenario, &google)),
        refused(409, "last_identity")
    );
    let line = format!("{IDENTITIES}/line");
    assert_eq!(
        told(&person.delete(&scenario, &line)),
        refused(404, "not_found")
    );
    let unknown = person.delete(&scenario, &format!("{IDENTITIES}/myspace"));
    assert_eq!(told(&unknown), refused(400, "invalid_path"));
    assert_eq!(link(&scenario, &person, "line", "l-1").status, 201);
    // Two that are given up at once leave one.
    let mut answers = at_once(2, |number| {
        told(&person.delete(&scenario, [&google, &line][number]))
    });
    answers.sort();
    assert_eq!(
        answers,
        [(204, String::new()), refused(409, "last_identity")]
    );
    let [left] = &providers(&scenario, &person)[..] else {
        panic!("{:?}", providers(&scenario, &person));
    };
    let (gone, kept) = match left == "google" {
        true => (("line", "l-1"), ("google", "g-1")),
        false => (("google", "g-1"), ("line", "l-1")),
    };
    assert_eq!(by(&scenario, kept.0, kept.1).id, person.id);
    let stranger = by_with(&scenario, gone.0, gone.1, json!({}));
    assert_eq!(stranger["created"], true);
    assert_ne!(Person::of(&stranger).id, person.id);
}

#[test]
fn an_identity_that_was_given_up_is_given_up_at_its_provider_too() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let mut apple = proof(&scenario, "apple", "apple-user", json!({}));
    apple["authorization_code"] = json!("apple-user");
    let facebook = issued(&scenario, "facebook", &json!({ "sub": "4001" }));
    let facebook = json!({ "provider": "facebook", "access_token": facebook["access_token"] });
    for (provider, sub, body) in [
        ("apple", "apple-user", apple),
        ("facebook", "4001", facebook),
        (
            "kakao",
            "5001",
            proof(&scenario, "kakao", "5001", json!({})),
        ),
    ] {
        let linked = person.post(&scenario, IDENTITIES, &body);
        assert_eq!(linked.status, 201, "{provider}: {}", linked.text());
        let given_up = person.delete(&scenario, &format!("{IDENTITIES}/{provider}"));
        assert_eq!(given_up.status, 204, "{provider}: {}", given_up.text());
        let unlinked = Request::get(&format!("/{provider}/unlinked"));
        assert_eq!(
            sandbox(&scenario, &unlinked),
            json!({ "subjects": [sub] }),
            "{provider}"
        );
    }
    assert_eq!(providers(&scenario, &person), ["guest"]);
}

#[test]
fn an_identity_is_given_up_here_though_its_provider_cannot_be_told() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", nobody.local_addr().unwrap());
    let scenario = with_environment(&[("KAKAO_API_URL", &silent)]);
    let person = guest(&scenario, "phone-1-example-0001");
    assert_eq!(link(&scenario, &person, "kakao", "5001").status, 201);
    let given_up = person.delete(&scenario, &format!("{IDENTITIES}/kakao"));
    assert_eq!(given_up.status, 204, "{}", given_up.text());
    assert_eq!(providers(&scenario, &person), ["guest"]);
}
