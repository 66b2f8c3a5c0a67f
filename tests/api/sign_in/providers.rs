//! Which providers there are: those that the app has an id at, and in production the real ones.

use serde_json::{Value, json};
use tests::{courtyard::Courtyard, http1::Request};

use crate::{
    scenario::Scenario,
    sign_in::visitor::{
        GUEST, PROOFS, SIGNING, answering, challenge, enter, good, kept, phone, refused, sandbox,
        sign_in, stack_with,
    },
};

#[test]
fn a_provider_that_is_switched_off_vouches_for_nobody() {
    let off = [
        "APPLE_CLIENT_IDS",
        "GOOGLE_CLIENT_IDS",
        "KAKAO_CLIENT_IDS",
        "NAVER_CLIENT_IDS",
        "FACEBOOK_APP_ID",
        "LINE_CLIENT_IDS",
    ];
    let scenario = stack_with(&off.map(|name| (name, "")));
    for proof in PROOFS {
        let answer = sign_in(&scenario, &good(&scenario, proof, "4711"));
        refused(&answer, 422, "provider_disabled", &format!("{proof:?}"));
    }
    assert_eq!(kept(&scenario), Vec::<Value>::new());
    let guest = scenario.post(GUEST, &json!({"device": phone()}));
    assert_eq!(guest.status, 201, "{}", guest.text());
}

#[test]
fn one_provider_that_is_switched_off_does_not_hinder_the_others() {
    let scenario = stack_with(&[("LINE_CLIENT_IDS", "")]);
    let line = sign_in(&scenario, &good(&scenario, ("line", "id_token"), "4711"));
    refused(&line, 422, "provider_disabled", "line");
    enter(&scenario, &good(&scenario, ("google", "id_token"), "4711"));
}

#[test]
fn production_does_not_start_with_sandboxes_and_names_each() {
    let started = Courtyard::start_with(|options| {
        let public = [
            ("STAGE", "prd"),
            (
                "AWS_ENDPOINT_URL_DYNAMODB",
                "https://dynamodb.amazonaws.com",
            ),
            ("AWS_ENDPOINT_URL_LAMBDA", "https://lambda.amazonaws.com"),
            ("AWS_ENDPOINT_URL_S3", "https://s3.amazonaws.com"),
            (
                "AWS_ENDPOINT_URL_SECRETS_MANAGER",
                "https://secretsmanager.amazonaws.com",
            ),
        ];
        let public = public.map(|(name, value)| (name.to_owned(), value.to_owned()));
        options.environment.extend(public);
    });
    let refused = format!("{:#}", started.err().expect("a refusal"));
    for function in [
        "auth-sign-in",
        "me-identities",
        "provider-events",
        "withdrawal-purge",
    ] {
        let told = refused.split(&format!("function {function}:")).nth(1);
        let told = told.unwrap_or_else(|| panic!("{function} starts: {refused}"));
        let told = told.split("\nfunction ").next().unwrap();
        for variable in [
            "APPLE_JWKS_URL",
            "APPLE_TOKEN_URL",
            "APPLE_REVOKE_URL",
            "GOOGLE_JWKS_URL",
            "KAKAO_JWKS_URL",
            "KAKAO_API_URL",
            "NAVER_API_URL",
            "FACEBOOK_JWKS_URL",
            "FACEBOOK_GRAPH_URL",
            "LINE_JWKS_URL",
        ] {
            assert!(told.contains(variable), "{function}, {variable}: {told}");
        }
    }
}

#[test]
fn a_provider_changes_its_keys_without_one_failed_sign_in() {
    let scenario = Scenario::start();
    for (provider, ..) in SIGNING {
        enter(&scenario, &good(&scenario, (provider, "id_token"), "4711"));
        let challenge = challenge(&scenario);
        let before = answering(&scenario, provider, &challenge, &json!({}));
        let rotate = Request::new("POST", &format!("/{provider}/rotate"));
        assert_eq!(sandbox(&scenario, &rotate).status, 200);
        for body in [good(&scenario, (provider, "id_token"), "4711"), before] {
            let answer = sign_in(&scenario, &body);
            assert_eq!(answer.status, 200, "{provider}: {}", answer.text());
        }
    }
}
