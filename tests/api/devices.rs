//! Device profiles and content-configs.

use serde_json::json;
use tests::http1::Request;

use crate::scenario::Scenario;

const PATH: &str = "/v1/devices/phone-1-example-0001/profile";

#[test]
fn a_profile_is_put_read_and_erased() {
    let scenario = Scenario::start();
    assert_eq!(scenario.service_get(PATH).status, 404);
    let profile = json!({
        "country": "KR", "birth_year": 1990, "gender": "female", "interests": ["golf"],
        "segments": ["new"], "attributes": {"plan": "pro", "level": 3, "beta": true},
    });
    let put = scenario.service(Request::new("PUT", PATH).json(&profile));
    assert_eq!(put.status, 200, "{}", put.text());
    let got = scenario.service_get(PATH);
    assert_eq!(got.status, 200);
    let mut expected = profile.clone();
    expected["updated_at"] = got.json()["updated_at"].clone();
    assert_eq!(got.json(), expected);
    assert!(expected["updated_at"].is_string());

    for _ in 0..2 {
        assert_eq!(scenario.service(Request::new("DELETE", PATH)).status, 204);
    }
    assert_eq!(scenario.service_get(PATH).status, 404);
}

#[test]
fn an_insert_never_overwrites() {
    let scenario = Scenario::start();
    let profile = json!({"device_id": "phone-2-example-0002", "segments": ["a"]});
    let first = scenario.service_post("/v1/profiles", &profile);
    assert_eq!(
        (first.status, &first.json()["device_id"]),
        (201, &"phone-2-example-0002".into())
    );
    let second = scenario.service_post(
        "/v1/profiles",
        &json!({"device_id": "phone-2-example-0002"}),
    );
    assert_eq!(
        (second.status, &second.json()["code"]),
        (409, &"profile_exists".into())
    );
    let kept = scenario
        .service_get("/v1/devices/phone-2-example-0002/profile")
        .json();
    assert_eq!(kept["segments"], json!(["a"]));
}

#[test]
fn only_whom_the_route_wants_may_call_it() {
    let scenario = Scenario::start();
    let key = &scenario.courtyard.description().service_key;
    let (last, rest) = key.split_at(key.len() - 1);
    let altered = format!("{last}{}", if rest == "A" { "E" } else { "A" });
    let unknown = key.replacen("msk_dev_", "msk_other_", 1);
    for (authorization, code) in [
        (None, "token_missing"),
        (Some("Basic eDp5".to_owned()), "token_invalid"),
        (Some("Bearer not-a-key".to_owned()), "token_invalid"),
        (Some("Bearer msk_short".to_owned()), "service_key_invalid"),
        (Some(format!("Bearer {altered}")), "service_key_invalid"),
        (Some(format!("Bearer {unknown}")), "service_key_invalid"),
    ] {
        let mut request = Request::get(PATH);
        if let Some(value) = &authorization {
            request = request.header("authorization", value);
        }
        let answer = scenario.send(&request);
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (401, &code.into()),
            "{authorization:?}"
        );
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
}

#[test]
fn a_device_may_be_written_so_often_a_minute() {
    let scenario = Scenario::start();
    let put = || scenario.service(Request::new("PUT", PATH).json(&json!({})));
    let limited = (0..260)
        .map(|_| put())
        .find(|answer| answer.status == 429)
        .expect("a limit");
    assert_eq!(limited.json()["code"], "rate_limited");
    let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert!(
        limited
            .header("ratelimit-policy")
            .unwrap()
            .contains("q=120;w=60")
    );
    let other = Request::new("PUT", "/v1/devices/phone-9-example-0009/profile").json(&json!({}));
    assert_eq!(scenario.service(other).status, 200);
}

const CONFIG: &str = "/v1/devices/phone-1-example-0001/content-config";

#[test]
fn a_content_config_has_defaults_and_is_put_whole() {
    let scenario = Scenario::start();
    let got = scenario.service_get(CONFIG);
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.json(), json!({"categories": {}, "frequency": "normal"}));

    let config = json!({"categories": {"games": false, "news": true}, "frequency": "less"});
    let put = scenario.service(Request::new("PUT", CONFIG).json(&config));
    assert_eq!(put.status, 200, "{}", put.text());
    let mut expected = config.clone();
    expected["updated_at"] = put.json()["updated_at"].clone();
    assert!(expected["updated_at"].is_string());
    assert_eq!(put.json(), expected);
    assert_eq!(scenario.service_get(CONFIG).json(), expected);

    let put = scenario.service(Request::new("PUT", CONFIG).json(&json!({"frequency": "off"})));
    assert_eq!(put.json()["categories"], json!({}), "nothing of before");
    for bad in [
        json!({"frequency": "often"}),
        json!({"categories": {"games": 1}}),
        json!({"categories": ["games"]}),
        json!({"surprise": 1}),
    ] {
        let refused = scenario.service(Request::new("PUT", CONFIG).json(&bad));
        assert_eq!(refused.status, 422, "{bad}");
    }
    assert_eq!(scenario.send(&Request::get(CONFIG)).status, 401);

    let erase = Request::new("DELETE", PATH);
    assert_eq!(scenario.service(erase).status, 204);
    assert_eq!(
        scenario.service_get(CONFIG).json(),
        json!({"categories": {}, "frequency": "normal"})
    );
}
