//! What a token says, read and checked.

use std::time::Duration;

use domain::Instant;
use jose::{ClaimFault, Claims, Expected, Refused};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

fn now() -> Instant {
    Instant::from_seconds(NOW)
}

fn expected() -> Expected<'static> {
    Expected {
        issuers: &["https://issuer.example", "issuer.example"],
        audiences: &["us", "us-too"],
        skew: Duration::from_secs(60),
        max_age: Some(Duration::from_secs(3600)),
    }
}

/// Good claims with some of them replaced, or left out when `null`.
fn claims(changes: Value) -> Claims {
    let mut claims = json!({
        "iss": "https://issuer.example", "aud": "us", "sub": "1", "iat": NOW, "exp": NOW + 3600,
    });
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    Claims::parse(claims.to_string().as_bytes()).unwrap()
}

#[test]
fn claims_are_accepted_or_refused_with_the_first_fault() {
    use ClaimFault::{Audience, Expired, Issuer, Malformed, NotYetValid, TooOld};
    for (changes, outcome) in [
        (json!({}), Ok(())),
        (json!({ "iss": "issuer.example" }), Ok(())),
        (json!({ "iss": "https://issuer.example/" }), Err(Issuer)),
        (json!({ "iss": null }), Err(Issuer)),
        (json!({ "iss": "x", "aud": "x", "exp": 0 }), Err(Issuer)),
        (json!({ "aud": ["us"] }), Ok(())),
        (json!({ "aud": ["us", "us-too"] }), Ok(())),
        (json!({ "aud": ["us", "others"] }), Err(Audience)),
        (json!({ "aud": "others", "exp": 0 }), Err(Audience)),
        (json!({ "aud": "US" }), Err(Audience)),
        (json!({ "aud": "" }), Err(Audience)),
        (json!({ "aud": [] }), Err(Audience)),
        (json!({ "aud": null }), Err(Audience)),
        (json!({ "exp": null }), Err(Malformed("exp"))),
        (json!({ "iat": null }), Err(Malformed("iat"))),
        (json!({ "exp": NOW - 59 }), Ok(())),
        (json!({ "exp": NOW - 60 }), Err(Expired)),
        (json!({ "exp": NOW - 60, "nbf": NOW + 99 }), Err(Expired)),
        (json!({ "exp": NOW as f64 - 59.5 }), Ok(())),
        (json!({ "exp": 0 }), Err(Expired)),
        (json!({ "nbf": NOW }), Ok(())),
        (json!({ "nbf": NOW + 60 }), Ok(())),
        (json!({ "nbf": NOW + 61 }), Err(NotYetValid)),
        (json!({ "iat": NOW + 60 }), Ok(())),
        (json!({ "iat": NOW + 61 }), Err(NotYetValid)),
        (json!({ "iat": NOW - 3660 }), Ok(())),
        (json!({ "iat": NOW - 3661 }), Err(TooOld)),
        (json!({ "iat": NOW as f64 - 3660.5 }), Err(TooOld)),
        (json!({ "exp": 100_000_000_000_u64 }), Ok(())),
    ] {
        assert_eq!(
            claims(changes.clone()).check(&expected(), now()),
            outcome,
            "{changes}"
        );
    }
}

#[test]
fn without_a_greatest_age_times_may_be_missing_but_still_count() {
    let expected = Expected {
        max_age: None,
        ..expected()
    };
    for (changes, outcome) in [
        (json!({ "exp": null, "iat": null }), Ok(())),
        (json!({ "exp": null, "iat": 0 }), Ok(())),
        (json!({ "exp": NOW - 60 }), Err(ClaimFault::Expired)),
        (json!({ "iat": NOW + 61 }), Err(ClaimFault::NotYetValid)),
    ] {
        assert_eq!(
            claims(changes.clone()).check(&expected, now()),
            outcome,
            "{changes}"
        );
    }
}

#[test]
fn nobody_is_accepted_where_nobody_is_expected() {
    let nobody = Expected::<&str> {
        issuers: &[],
        ..expected()
    };
    assert_eq!(
        claims(json!({})).check(&nobody, now()),
        Err(ClaimFault::Issuer)
    );
    let nobody = Expected::<&str> {
        audiences: &[],
        ..expected()
    };
    for aud in [json!("us"), json!([])] {
        let claims = claims(json!({ "aud": aud }));
        assert_eq!(claims.check(&nobody, now()), Err(ClaimFault::Audience));
    }
}

#[test]
fn claims_of_the_wrong_type_are_malformed() {
    for payload in [
        "",
        "[]",
        "null",
        "\"{}\"",
        "{",
        "{}x",
        r#"{"iss":"a","iss":"b"}"#,
        r#"{"x":{"y":[{"z":1,"z":1}]}}"#,
        r#"{"iss":1}"#,
        r#"{"iss":null}"#,
        r#"{"sub":1}"#,
        r#"{"sub":{}}"#,
        r#"{"jti":false}"#,
        r#"{"aud":1}"#,
        r#"{"aud":null}"#,
        r#"{"aud":{}}"#,
        r#"{"aud":["us",1]}"#,
        r#"{"aud":[["us"]]}"#,
        r#"{"exp":"1800000000"}"#,
        r#"{"exp":null}"#,
        r#"{"exp":true}"#,
        r#"{"exp":-1}"#,
        r#"{"iat":-0.5}"#,
        r#"{"nbf":100000000001}"#,
        r#"{"exp":1e12}"#,
        r#"{"exp":1e400}"#,
        r#"{"exp":18446744073709551616}"#,
        r#"{"exp":NaN}"#,
        r#"{"sub":"\ud800"}"#,
    ] {
        let result = Claims::parse(payload.as_bytes());
        assert!(matches!(result, Err(Refused::Malformed(_))), "{payload}");
    }
    assert!(Claims::parse(b"{\"sub\":\"\xff\"}").is_err());
}

#[test]
fn other_claims_are_read_as_text_flags_and_values() {
    let claims = claims(json!({
        "email": "a@b.example", "email_verified": "true", "is_private_email": false,
        "events": { "type": "x" }, "odd": "yes", "iat": 1.9999,
    }));
    assert_eq!(claims.subject(), Ok("1"));
    assert_eq!(claims.text("email"), Some("a@b.example"));
    assert_eq!(claims.text("events"), None);
    assert_eq!(claims.text("missing"), None);
    assert_eq!(claims.flag("email_verified"), Some(true));
    assert_eq!(claims.flag("is_private_email"), Some(false));
    assert_eq!(claims.flag("odd"), None);
    assert_eq!(claims.flag("missing"), None);
    assert_eq!(claims.value("events"), Some(&json!({ "type": "x" })));
    assert_eq!(claims.issued_at(), Some(Instant::from_millis(1999)));
    assert_eq!(claims.expires_at(), Some(Instant::from_seconds(NOW + 3600)));
}

#[test]
fn a_subject_must_be_there() {
    for changes in [json!({ "sub": null }), json!({ "sub": "" })] {
        assert_eq!(claims(changes).subject(), Err(ClaimFault::Malformed("sub")));
    }
}
