//! What the document says of parameters, bodies and defaults.

use super::*;

fn headers(endpoint: Endpoint) -> Vec<String> {
    let parameters = header_parameters(&endpoint).into_iter();
    parameters
        .inspect(|parameter| assert_eq!(parameter["required"], false))
        .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_closes_for_maintenance_lists_the_headers_of_the_gate_once() {
    const GET: Endpoint = Endpoint::new(Method::Get, "/things", "getThings", "Things");
    assert_eq!(
        headers(
            GET.headers(&["x-device-id"])
                .answers(&[200, 304])
                .idempotent()
        ),
        [
            "x-device-id",
            "If-None-Match",
            "X-App-Platform",
            "X-App-Store",
            "Idempotency-Key"
        ]
    );
    assert_eq!(headers(GET), GATE_HEADERS);
    for open in [
        GET.during_maintenance(),
        GET.caller(Caller::Operator("things")),
    ] {
        assert_eq!(headers(open), [""; 0]);
    }
}

#[test]
fn a_header_is_a_parameter_where_it_changes_the_response_and_openapi_reads_it() {
    const POST: Endpoint =
        Endpoint::new(Method::Post, "/hook", "postHook", "Hook").caller(Caller::Hook);
    let declared = POST.headers(&["authorization", "Accept", "X-Signature"]);
    assert_eq!(headers(declared), ["X-Signature"]);
    assert_eq!(headers(declared.answers(&[204])), ["X-Signature"]);
    let conditional = POST.answers(&[200, 304]);
    assert_eq!(headers(conditional), ["If-None-Match"]);
}

#[test]
fn a_parameter_has_no_default_that_no_query_can_have() {
    let schema = Schema::try_from(json!({"type": "object", "properties": {
        "locale": {"type": ["string", "null"], "default": []},
        "store": {"type": ["string", "null"], "default": null, "description": "The store."},
        "limit": {"type": "integer", "default": 20},
    }}))
    .unwrap();
    let described = parameters_of(Some(&schema), "query");
    let schema_of = |name: &str| {
        let mut parameters = described.iter();
        let found = parameters.find(|parameter| parameter["name"] == name);
        found.unwrap()["schema"].clone()
    };
    assert_eq!(schema_of("locale"), json!({"type": "string"}));
    assert_eq!(schema_of("store"), json!({"type": "string"}));
    assert_eq!(
        schema_of("limit"),
        json!({"type": "integer", "default": 20})
    );
}

#[test]
fn no_member_has_null_for_its_default() {
    let mut schema = json!({"oneOf": [{"properties": {
        "default": {"type": "boolean", "default": false},
        "nickname": {"type": ["string", "null"], "default": null},
    }}]});
    drop_null_defaults(&mut schema);
    assert_eq!(
        schema,
        json!({"oneOf": [{"properties": {
            "default": {"type": "boolean", "default": false},
            "nickname": {"type": ["string", "null"]},
        }}]})
    );
}

#[test]
fn every_media_type_has_a_schema() {
    for (media_type, r#type) in [
        ("text/csv", "string"),
        ("application/secevent+jwt", "string"),
        ("application/x-www-form-urlencoded", "object"),
    ] {
        let described = media(media_type, None);
        assert_eq!(
            described,
            json!({"schema": {"type": r#type}}),
            "{media_type}"
        );
    }
}
