//! Which values an app is set by.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Asks, Outcome, matcher, targeted};
use crate::{
    Audience, Instant, Label,
    content::{
        Kind, LoadError,
        config::{Compiled, ParameterKey},
        load_artefact,
    },
    targeting::{Facts, Matcher},
    validation::JsonValue,
};

/// The published parameters.
#[derive(Debug, Default)]
pub struct RemoteConfig {
    /// By their keys.
    parameters: BTreeMap<ParameterKey, Parameter>,
    asks: Asks,
}

#[derive(Debug)]
struct Parameter {
    default: JsonValue,
    conditions: Vec<Condition>,
}

#[derive(Debug)]
struct Condition {
    name: Label,
    matcher: Matcher,
    value: JsonValue,
}

/// Why a parameter has the value that it has.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ExplainedParameter")]
pub struct ExplainedParameter<'s> {
    /// The condition whose value it is; `null` where it is the default.
    pub condition: Option<&'s str>,
    /// What became of each condition, in their order.
    pub conditions: Vec<ExplainedCondition<'s>>,
}

/// What became of a condition.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ExplainedCondition")]
pub struct ExplainedCondition<'s> {
    /// What operators call it.
    pub name: &'s str,
    /// Whether its value counts, or why not.
    pub outcome: Outcome<'s>,
}

impl RemoteConfig {
    /// Loads an artefact.
    ///
    /// # Errors
    /// When the format is unknown, the bytes are not of it, or targeting does not compile.
    pub fn load(format: u16, artefact: &[u8]) -> Result<Self, LoadError> {
        let mut loaded = Self::default();
        for (id, item) in load_artefact::<Compiled>(Kind::Config, format, artefact)? {
            let mut conditions = Vec::with_capacity(item.conditions.len());
            for condition in item.conditions {
                let matcher = matcher(Kind::Config, &id, Some(&condition.targeting))?;
                loaded.asks.note(&matcher);
                conditions.push(Condition {
                    name: condition.name,
                    matcher,
                    value: condition.value,
                });
            }
            let parameter = Parameter {
                default: item.default,
                conditions,
            };
            if loaded.parameters.insert(item.key, parameter).is_some() {
                let kind = Kind::Config;
                return Err(LoadError::Broken { kind, item: id });
            }
        }
        Ok(loaded)
    }

    /// Every parameter's value for an audience: the first condition's that matches, else the default.
    pub fn evaluate(&self, audience: &Audience<'_>, now: Instant) -> BTreeMap<&str, &JsonValue> {
        let facts = audience.facts(now);
        let parameters = self.parameters.iter();
        parameters
            .map(|(key, parameter)| (key.as_str(), parameter.value(&facts)))
            .collect()
    }

    /// Why each parameter has its value.
    pub fn explain(
        &self,
        audience: &Audience<'_>,
        now: Instant,
    ) -> BTreeMap<&str, ExplainedParameter<'_>> {
        let facts = audience.facts(now);
        let parameters = self.parameters.iter();
        parameters
            .map(|(key, parameter)| (key.as_str(), parameter.explain(&facts)))
            .collect()
    }

    /// Whether what is stored of the audience's device could change an answer.
    pub fn asks_profile(&self, audience: &Audience<'_>) -> bool {
        self.asks.profile_of(audience)
    }

    /// Whether the member who is signed in could change an answer.
    pub fn asks_member(&self) -> bool {
        self.asks.member
    }
}

impl Parameter {
    fn value(&self, facts: &Facts<'_>) -> &JsonValue {
        let mut conditions = self.conditions.iter();
        conditions
            .find(|condition| condition.matcher.matches(facts))
            .map_or(&self.default, |condition| &condition.value)
    }

    fn explain(&self, facts: &Facts<'_>) -> ExplainedParameter<'_> {
        let mut winner = None;
        let mut conditions = Vec::with_capacity(self.conditions.len());
        for condition in &self.conditions {
            let name = condition.name.as_str();
            let outcome = match targeted(&condition.matcher, facts) {
                Outcome::Selected if winner.is_some() => Outcome::Shadowed,
                Outcome::Selected => {
                    winner = Some(name);
                    Outcome::Selected
                }
                refused => refused,
            };
            conditions.push(ExplainedCondition { name, outcome });
        }
        ExplainedParameter {
            condition: winner,
            conditions,
        }
    }
}
