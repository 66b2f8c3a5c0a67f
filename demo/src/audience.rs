//! Whom a campaign is for, said twice: as the targeting document that is published, and as a rule
//! of our own that is held against every answer. The second knows nothing of how the first is evaluated.

use serde_json::{Value, json};

use crate::dataset::Profile;

/// Users who satisfy every rule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Audience(pub(crate) Vec<Rule>);

/// A condition on a user. A number stands for the user feature of that number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rule {
    /// The feature is one of these.
    In(usize, Vec<String>),
    /// The feature is none of these.
    NotIn(usize, Vec<String>),
    /// The user is in at least one of these segments.
    AnyOf(Vec<String>),
    /// The user is in all of these segments.
    AllOf(Vec<String>),
    /// The user is in none of these segments.
    NoneOf(Vec<String>),
    /// At least one of these holds.
    Any(Vec<Rule>),
}

impl Profile {
    /// The segments of a user: each feature once more, as `0:value`, so that there is a list to target.
    pub(crate) fn segments(&self) -> Vec<String> {
        let named = self.features.iter().enumerate();
        named
            .map(|(number, value)| segment(number, value))
            .collect()
    }

    fn has(&self, number: usize, values: &[String]) -> bool {
        self.features
            .get(number)
            .is_some_and(|value| values.contains(value))
    }
}

/// The segment of the users with this value of this feature.
pub(crate) fn segment(number: usize, value: &str) -> String {
    format!("{number}:{value}")
}

impl Audience {
    /// Whether the user belongs to it.
    pub(crate) fn includes(&self, profile: &Profile) -> bool {
        self.0.iter().all(|rule| rule.holds(profile))
    }

    /// The same as the document that operators write.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "all": documents(&self.0) })
    }
}

impl Rule {
    fn holds(&self, profile: &Profile) -> bool {
        let in_segment = |wanted: &String| profile.segments().contains(wanted);
        match self {
            Self::In(number, values) => profile.has(*number, values),
            Self::NotIn(number, values) => !profile.has(*number, values),
            Self::AnyOf(segments) => segments.iter().any(in_segment),
            Self::AllOf(segments) => segments.iter().all(in_segment),
            Self::NoneOf(segments) => !segments.iter().any(in_segment),
            Self::Any(rules) => rules.iter().any(|rule| rule.holds(profile)),
        }
    }

    fn to_json(&self) -> Value {
        let attribute = |number: &usize| format!("attributes.user_feature_{number}");
        match self {
            Self::In(number, values) => json!({ "field": attribute(number), "in": values }),
            Self::NotIn(number, values) => json!({ "field": attribute(number), "not_in": values }),
            Self::AnyOf(segments) => json!({ "field": "segments", "any_of": segments }),
            Self::AllOf(segments) => json!({ "field": "segments", "all_of": segments }),
            Self::NoneOf(segments) => json!({ "field": "segments", "none_of": segments }),
            Self::Any(rules) => json!({ "any": documents(rules) }),
        }
    }
}

fn documents(rules: &[Rule]) -> Vec<Value> {
    rules.iter().map(Rule::to_json).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn each_rule_includes_whom_it_says() {
        let user = Profile {
            features: ["a", "b", "c", "d"].map(str::to_owned),
        };
        let yes = Rule::In(0, texts(&["z", "a"]));
        let no = Rule::In(0, texts(&["b"]));
        for (rule, expected) in [
            (yes.clone(), true),
            (no.clone(), false),
            (Rule::NotIn(0, texts(&["b"])), true),
            (Rule::NotIn(0, texts(&["a"])), false),
            (Rule::AnyOf(texts(&["1:x", "1:b"])), true),
            (Rule::AnyOf(texts(&["1:x", "2:b"])), false),
            (Rule::AllOf(texts(&["0:a", "3:d"])), true),
            (Rule::AllOf(texts(&["0:a", "3:x"])), false),
            (Rule::NoneOf(texts(&["0:x", "3:x"])), true),
            (Rule::NoneOf(texts(&["0:x", "3:d"])), false),
            (Rule::Any(vec![no.clone(), yes.clone()]), true),
            (Rule::Any(vec![no.clone()]), false),
        ] {
            assert_eq!(
                Audience(vec![rule.clone()]).includes(&user),
                expected,
                "{rule:?}"
            );
        }
        assert!(!Audience(vec![yes, no]).includes(&user));
        assert!(Audience(Vec::new()).includes(&user));
    }

    #[test]
    fn the_document_names_fields_and_operators_as_operators_write_them() {
        let audience = Audience(vec![
            Rule::In(1, texts(&["a"])),
            Rule::Any(vec![
                Rule::NotIn(3, texts(&["b"])),
                Rule::NoneOf(texts(&["0:c"])),
            ]),
        ]);
        let document = json!({ "all": [
            { "field": "attributes.user_feature_1", "in": ["a"] },
            { "any": [
                { "field": "attributes.user_feature_3", "not_in": ["b"] },
                { "field": "segments", "none_of": ["0:c"] },
            ] },
        ] });
        assert_eq!(audience.to_json(), document);
    }
}
