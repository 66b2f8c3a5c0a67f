//! What needs a recent sign-in: a stolen access token plants nothing and ends nothing.

use std::time::Duration;

use kit::{Clock, clock::Course};
use serde_json::{Value, json};
use tests::courtyard::Courtyard;

use crate::{
    identities::link,
    people::{Guest, Person, by, refused, told},
    scenario::{Scenario, eventually},
};

/// How much faster than the tests' the stack's time goes.
const SPEED: u32 = 150;

/// A stack whose time goes fast, and its clock.
fn fast() -> (Scenario, Clock) {
    let course = Course {
        speed: SPEED,
        since: Clock::system().now(),
    };
    let courtyard = Courtyard::start_with(|options| options.course = Some(course));
    let courtyard = courtyard.expect("the stack starts");
    (Scenario { courtyard }, Clock::fast(course))
}

fn wait(clock: &Clock, minutes: u64) {
    let began = clock.now();
    eventually("the time is over", || {
        let over = clock.now().since(began) > Duration::from_secs(minutes * 60);
        over.then_some(())
    });
}

fn withdraw(scenario: &Scenario, person: &Person) -> (u16, String) {
    told(&person.post(scenario, "/v1/me/withdrawal", &json!({})))
}

#[test]
fn a_sign_in_of_more_than_ten_minutes_ago_links_unlinks_and_ends_nothing() {
    let (scenario, clock) = fast();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let recent = link(&scenario, &owner.person, "google", "g-1");
    assert_eq!(recent.status, 201, "{}", recent.text());
    wait(&clock, 11);
    // A refresh is no sign-in.
    let person = owner.person.refreshed(&scenario);
    let stale = refused(403, "reauthentication_required");
    for provider in ["apple", "google"] {
        let foreign = link(&scenario, &person, provider, "attacker");
        assert_eq!(told(&foreign), stale, "{provider}");
    }
    let unlink = person.delete(&scenario, "/v1/me/identities/google");
    assert_eq!(told(&unlink), stale);
    assert_eq!(withdraw(&scenario, &person), stale);
    let code = person.post(&scenario, "/v1/me/transfer-code", &json!({}));
    assert_eq!(told(&code), stale);
    // The refused proof was not used up, and the account is as it was.
    let me: Value = person.get(&scenario, "/v1/me").json();
    assert_eq!(me["status"], "active");
    assert_eq!(me["identities"].as_array().unwrap().len(), 2, "{me}");
    let attacker = by(&scenario, "apple", "attacker");
    assert_ne!(attacker.id, person.id);

    // A sign-in on the same phone is enough.
    let back = owner.on(&scenario, "phone-1-example-0001");
    let unlink = back.delete(&scenario, "/v1/me/identities/google");
    assert_eq!(unlink.status, 204, "{}", unlink.text());
    assert_eq!(withdraw(&scenario, &back).0, 202);
}

#[test]
fn a_proof_of_ones_own_identity_is_as_good_as_a_sign_in() {
    let (scenario, clock) = fast();
    let person = by(&scenario, "google", "g-1");
    wait(&clock, 11);
    let person = person.refreshed(&scenario);
    assert_eq!(
        withdraw(&scenario, &person),
        refused(403, "reauthentication_required")
    );
    let proved = link(&scenario, &person, "google", "g-1");
    assert_eq!(proved.status, 200, "{}", proved.text());
    let another = link(&scenario, &person, "line", "l-1");
    assert_eq!(another.status, 201, "{}", another.text());
    assert_eq!(withdraw(&scenario, &person).0, 202);
}
