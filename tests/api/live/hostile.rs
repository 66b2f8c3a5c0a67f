//! Texts that mean harm are data: kept and told as they are, or refused with a pointer.

use serde_json::{Value, json};
use tests::http1::Request;

use super::{banner, good, notice, parameter, publish, stack};

const TEXTS: [&str; 6] = [
    "<script>alert('x')</script>",
    "\"><img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "\u{202e}evitisop\u{202c} \u{2067}mixed\u{2069} שלום",
    "🧑‍🚀𝕬𝖓𝖓𝖔 𐍈 e\u{301}\u{200d}",
    "{{constructor.constructor('alert(1)')()}} ${7*7} %00 \\u0000 ' OR 1=1 --",
];

#[test]
fn harmful_texts_are_told_as_they_were_written_and_never_as_a_page() {
    let scenario = stack();
    let names: Vec<String> = (0..TEXTS.len()).map(|n| format!("t{n}")).collect();
    let of = |n: usize| {
        let text = TEXTS[n];
        let notice = notice(json!({"title": {"default": text}, "body": {"default": text}}));
        let banner = banner(json!({"alt": {"default": text},
            "click": {"type": "payload", "value": {"text": text, text: [null, text]}}}));
        let parameter = parameter(&format!("k{n}"), "string", json!(text), json!({}));
        [
            ("notices", notice),
            ("banners", banner),
            ("config", parameter),
        ]
    };
    for kind in ["notices", "banners", "config"] {
        let items: Vec<(&str, Value)> = names
            .iter()
            .enumerate()
            .map(|(n, name)| {
                let item = of(n).into_iter().find(|(of, _)| *of == kind).unwrap().1;
                (name.as_str(), item)
            })
            .collect();
        publish(&scenario, kind, &items);
    }
    let mut answers = vec![
        scenario.get("/v1/notices"),
        scenario.get("/v1/banners"),
        scenario.get("/v1/config"),
        scenario.get("/v1/launch"),
    ];
    let (list, banners, config) = (
        good(answers[0].clone()),
        good(answers[1].clone()),
        good(answers[2].clone()),
    );
    for (n, text) in TEXTS.iter().enumerate() {
        assert_eq!(list["notices"][n]["title"], *text);
        assert_eq!(banners["banners"][n]["alt"], *text);
        let payload = json!({"text": text, *text: [null, text]});
        assert_eq!(banners["banners"][n]["click"]["value"], payload);
        assert_eq!(config["values"][format!("k{n}")], *text);
        let one = scenario.get(&format!("/v1/notices/t{n}"));
        assert_eq!(good(one.clone())["body"], *text);
        answers.push(one);
    }
    for answer in answers {
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[test]
fn texts_that_are_too_long_are_refused_where_they_stand() {
    let scenario = stack();
    let long = "가".repeat(10_000);
    let put = |kind: &str, item: &Value| {
        let target = format!("/admin/v1/content/{kind}/items/long");
        let request = Request::new("PUT", &target).header("if-none-match", "*");
        scenario.service(request.json(item))
    };
    for (kind, item, pointer) in [
        (
            "notices",
            notice(json!({"title": {"default": long}})),
            "/title",
        ),
        (
            "notices",
            notice(json!({"title": {"default": "x", "ko": long}})),
            "/title",
        ),
        (
            "notices",
            notice(json!({"body": {"default": long.repeat(3)}})),
            "/body",
        ),
        ("banners", banner(json!({"alt": {"default": long}})), "/alt"),
    ] {
        let answer = put(kind, &item);
        assert_eq!(answer.status, 422, "{pointer}: {}", answer.text());
        let errors = answer.json()["errors"].clone();
        let found = errors[0]["pointer"].as_str().unwrap();
        assert!(found.starts_with(pointer), "{errors}");
    }
    let fits = notice(json!({"body": {"default": long}}));
    assert_eq!(put("notices", &fits).status, 201);
}

#[test]
fn an_address_that_is_no_page_is_refused() {
    let scenario = stack();
    for url in [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "https://",
    ] {
        let click = json!({"click": {"type": "open_url", "value": url}});
        let target = "/admin/v1/content/banners/items/bad";
        let request = Request::new("PUT", target).header("if-none-match", "*");
        let answer = scenario.service(request.json(&banner(click)));
        assert_eq!(answer.status, 422, "{url}: {}", answer.text());
    }
}
