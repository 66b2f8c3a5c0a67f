//! What a parameter of remote config may be, and what a set of them.

use super::*;

fn told(item: &Value) -> Vec<(String, &'static str)> {
    faults(Kind::Config, item)
}

/// A parameter without a schema and without conditions.
fn plain(of_type: &str, default: Value) -> Value {
    json!({"key": "k", "type": of_type, "default": default})
}

#[test]
fn values_are_of_the_declared_type() {
    let large = 1_i64 << 53;
    for (of_type, good, bad) in [
        (
            "bool",
            vec![json!(true), json!(false)],
            vec![json!(1), json!("true"), json!(null)],
        ),
        (
            "int",
            vec![json!(0), json!(-large), json!(large)],
            vec![json!("1"), json!(1.0), json!(0.5), json!(null), json!([1])],
        ),
        (
            "number",
            vec![json!(0), json!(-0.5), json!(1e300), json!(u64::MAX)],
            vec![json!("1"), json!(true), json!(null)],
        ),
        (
            "string",
            vec![json!(""), json!("한국어")],
            vec![json!(1), json!(null), json!(["a"])],
        ),
        (
            "json",
            vec![json!(null), json!([1, {"a": null}]), json!("x"), json!(1)],
            vec![],
        ),
    ] {
        for value in good {
            assert_eq!(
                told(&plain(of_type, value.clone())),
                [],
                "{of_type} {value}"
            );
        }
        for value in bad {
            let expected = [("/default".to_owned(), "wrong_type")];
            assert_eq!(
                told(&plain(of_type, value.clone())),
                expected,
                "{of_type} {value}"
            );
        }
    }
    for value in [large + 1, -large - 1, i64::MIN] {
        let expected = [("/default".to_owned(), "out_of_range")];
        assert_eq!(told(&plain("int", json!(value))), expected, "{value}");
    }
    let expected = [("/default".to_owned(), "out_of_range")];
    assert_eq!(told(&plain("int", json!(u64::MAX))), expected);
}

#[test]
fn faults_of_parameters_are_told_where_they_are() {
    let condition =
        |name: &str, value: i64| json!({"name": name, "targeting": {"all": []}, "value": value});
    let key = |key: &str| json!({"key": key});
    for (changes, at, code) in [
        (key("1st"), "/key", "bad_format"),
        (key("a b"), "/key", "bad_format"),
        (key(""), "/key", "too_short"),
        (key(&"k".repeat(257)), "/key", "too_long"),
        (json!({"type": "float"}), "/type", "not_allowed"),
        (json!({"default": "two"}), "/default", "wrong_type"),
        (json!({"default": 7}), "/default", "invalid"),
        (
            json!({"conditions": [condition("a", 1), condition("b", 9)]}),
            "/conditions/1/value",
            "invalid",
        ),
        (
            json!({"conditions": [condition("a", 1), condition("a", 1)]}),
            "/conditions/1/name",
            "duplicate",
        ),
        (
            json!({"conditions": [{"name": "a", "value": 1}]}),
            "/conditions/0/targeting",
            "required",
        ),
        (
            json!({"conditions": [{"name": "a", "value": 1, "targeting": {"all": [{"field": "x", "in": []}]}}]}),
            "/conditions/0/targeting/all/0/field",
            "not_allowed",
        ),
        (
            json!({"description": "d".repeat(2001)}),
            "/description",
            "too_long",
        ),
        (json!({"schema": 1}), "/schema", "wrong_type"),
        (
            json!({"schema": {"type": "text"}}),
            "/schema/type",
            "invalid",
        ),
        (
            json!({"schema": {"minimum": "one"}}),
            "/schema/minimum",
            "invalid",
        ),
        (
            json!({"schema": {"minimun": 1}}),
            "/schema/minimun",
            "not_allowed",
        ),
        (
            json!({"schema": {"$id": "https://a.example/"}}),
            "/schema/$id",
            "not_allowed",
        ),
        (
            json!({"schema": {"$dynamicRef": "#a"}}),
            "/schema/$dynamicRef",
            "not_allowed",
        ),
        (
            json!({"schema": {"$schema": "http://json-schema.org/draft-07/schema#"}}),
            "/schema/$schema",
            "not_allowed",
        ),
        (
            json!({"schema": {"$ref": "https://a.example/schema.json"}}),
            "/schema/$ref",
            "not_allowed",
        ),
        (
            json!({"schema": {"$ref": "#/$defs/a"}}),
            "/schema/$ref",
            "not_allowed",
        ),
        (
            json!({"schema": {"$ref": "#"}}),
            "/schema/$ref",
            "not_allowed",
        ),
        (
            json!({"schema": {"description": "d".repeat(16_384)}}),
            "/schema",
            "too_long",
        ),
        (json!({"schema": false}), "/conditions/0/value", "invalid"),
    ] {
        let item = parameter(changes);
        let found = told(&item);
        assert!(found.contains(&(at.to_owned(), code)), "{item}: {found:?}");
        assert!(found.len() <= 2, "{found:?}");
    }
}

#[test]
fn a_declared_schema_holds_the_default_and_every_value() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "title": {"type": "string", "pattern": "^\\p{L}+$", "maxLength": 5},
            "colours": {"type": "array", "items": {"$ref": "#/$defs/colour"}, "uniqueItems": true},
        },
        "required": ["title"],
        "unevaluatedProperties": false,
        "x-owner": "the shop's people",
        "$defs": {"colour": {"enum": ["red", "blue"]}},
    });
    let item = |default: Value, value: Value| {
        json!({
            "key": "k", "type": "json", "schema": schema, "default": default,
            "conditions": [{"name": "a", "targeting": {"all": []}, "value": value}],
        })
    };
    let good = json!({"title": "봄", "colours": ["red", "blue"]});
    assert_eq!(told(&item(good.clone(), good.clone())), []);
    for (bad, below) in [
        (json!({"title": "봄 세일"}), "/title"),
        (json!({"title": "abcdef"}), "/title"),
        (
            json!({"title": "a", "colours": ["red", "green"]}),
            "/colours/1",
        ),
        (json!({"title": "a", "colours": ["red", "red"]}), "/colours"),
        (json!({"title": "a", "size": 1}), ""),
        (json!({}), ""),
        (json!([]), ""),
    ] {
        let expected = [(format!("/default{below}"), "invalid")];
        assert_eq!(told(&item(bad.clone(), good.clone())), expected, "{bad}");
        let expected = [(format!("/conditions/0/value{below}"), "invalid")];
        assert_eq!(told(&item(good.clone(), bad.clone())), expected, "{bad}");
    }
}

/// Nothing that a schema says makes it dear to check.
#[test]
fn schemas_that_would_cost_too_much_are_refused() {
    let json = |schema: Value| json!({"key": "k", "type": "json", "schema": schema, "default": 1});
    // Each definition is twice the next: 2³⁰ schemas in all.
    let doubling: serde_json::Map<String, Value> = (0..30)
        .map(|n| {
            let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
            (format!("d{n}"), json!({"allOf": [next, next]}))
        })
        .chain([("d30".to_owned(), json!(true))])
        .collect();
    let chain: serde_json::Map<String, Value> = (0..100)
        .map(|n| {
            (
                format!("d{n}"),
                json!({"$ref": format!("#/$defs/d{}", n + 1)}),
            )
        })
        .chain([("d100".to_owned(), json!(true))])
        .collect();
    let circle = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"items": {"$ref": "#/$defs/a"}}}});
    let unused = json!({"$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}});
    for (schema, at, code) in [
        (
            json!({"$ref": "#/$defs/d0", "$defs": doubling}),
            "/schema",
            "too_many",
        ),
        (
            json!({"$ref": "#/$defs/d0", "$defs": chain}),
            "/schema",
            "too_many",
        ),
        (circle, "/schema/$defs/b/items/$ref", "not_allowed"),
        (unused, "/schema/$defs/a/not/$ref", "not_allowed"),
        (json!({"pattern": "(?=a)b"}), "/schema/pattern", "invalid"),
        (json!({"pattern": "(a)\\1"}), "/schema/pattern", "invalid"),
        (json!({"pattern": "("}), "/schema/pattern", "invalid"),
        (
            json!({"pattern": "(\\w{100}){100}"}),
            "/schema/pattern",
            "invalid",
        ),
        (
            json!({"patternProperties": {"(?!a)": true}}),
            "/schema/patternProperties/(?!a)",
            "invalid",
        ),
        (
            json!({"allOf": vec![json!({"pattern": "a"}); 51]}),
            "/schema",
            "too_many",
        ),
    ] {
        let item = json(schema);
        assert_eq!(told(&item), [(at.to_owned(), code)], "{item}");
    }
    // Where a backtracking engine would not come to an end.
    let slow = json!({"key": "k", "type": "string", "schema": {"pattern": "^(a+)+$"}, "default": format!("{}!", "a".repeat(50_000))});
    assert_eq!(told(&slow), [("/default".to_owned(), "invalid")]);
}

#[test]
fn keys_are_unique_and_sets_are_bounded() {
    let found = |items: &[(Id, Value)]| {
        let found = validate_set(Kind::Config, items).unwrap();
        found
            .into_iter()
            .map(|f| (f.item.to_string(), f.pointer, f.code.as_str(), f.message))
            .collect::<Vec<_>>()
    };
    let many = |count: usize, item: &dyn Fn(usize) -> Value| -> Vec<(Id, Value)> {
        (0..count)
            .map(|n| (format!("p{n:05}").parse().unwrap(), item(n)))
            .collect()
    };
    let small = |n: usize| json!({"key": format!("k{n}"), "type": "int", "default": n});
    assert_eq!(found(&many(3000, &small)), []);
    let [fault] = &found(&many(3001, &small))[..] else {
        panic!()
    };
    assert_eq!((&*fault.0, &*fault.1, fault.2), ("p03000", "", "too_many"));
    assert!(fault.3.contains("3,000"), "{}", fault.3);

    let conditional = |n: usize| {
        let conditions: Vec<Value> = (0..100)
            .map(|at| json!({"name": format!("c{at}"), "targeting": {"all": []}, "value": 1}))
            .collect();
        merged(small(n), json!({"conditions": conditions}))
    };
    assert_eq!(found(&many(20, &conditional)), []);
    let [fault] = &found(&many(21, &conditional))[..] else {
        panic!()
    };
    assert_eq!(
        (&*fault.0, &*fault.1, fault.2),
        ("p00020", "/conditions", "too_many")
    );
    assert!(fault.3.contains("2,000"), "{}", fault.3);

    let large = |n: usize| json!({"key": format!("k{n}"), "type": "string", "default": "x".repeat(100_000)});
    assert_eq!(found(&many(10, &large)), []);
    let [fault] = &found(&many(11, &large))[..] else {
        panic!()
    };
    assert_eq!((&*fault.0, &*fault.1, fault.2), ("p00010", "", "too_many"));
    assert!(fault.3.contains("1,048,576"), "{}", fault.3);

    let twice = many(2, &|_| small(0));
    let [fault] = &found(&twice)[..] else {
        panic!()
    };
    assert_eq!(
        (&*fault.0, &*fault.1, fault.2),
        ("p00001", "/key", "duplicate")
    );
}

#[test]
fn the_artefact_says_only_what_readers_need() {
    let item = parameter(json!({"schema": {"minimum": 1}, "description": "secret plans"}));
    let artefact = compile(Kind::Config, &set(&[("a", item)])).unwrap();
    let text = String::from_utf8(artefact).unwrap();
    assert!(
        !text.contains("minimum") && !text.contains("secret"),
        "{text}"
    );
}

/// What readers do not get does not count, and nothing beyond the limit is compiled.
#[test]
fn the_size_that_is_bounded_is_the_artefacts() {
    let item = |n: usize, length: usize| {
        let id = format!("p{n}").parse().unwrap();
        let text = "x".repeat(length);
        let item = json!({
            "key": format!("k{n}"), "type": "string", "default": text,
            "schema": {"description": "d".repeat(15_000)}, "description": "d".repeat(2000),
        });
        (id, item)
    };
    let full = |last: usize| -> Vec<(Id, Value)> {
        let last = item(9, last);
        (0..9).map(|n| item(n, 100_000)).chain([last]).collect()
    };
    let fixed = compile(Kind::Config, &full(0)).unwrap().len();
    let room = 1024 * 1024 - fixed - 100;
    let artefact = compile(Kind::Config, &full(room)).unwrap();
    assert!((1024 * 1024 - 200..=1024 * 1024).contains(&artefact.len()));
    assert!(compile(Kind::Config, &full(room + 200)).is_err());
}
