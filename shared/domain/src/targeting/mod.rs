//! Targeting: who should see a thing, as operators write it and as it is evaluated.
//!
//! [`Targeting`] is the document's form. [`Targeting::compile`] holds it against the rules and gives a
//! [`Matcher`], whose [`matches`](Matcher::matches) answers for one request's [`Facts`]. What cannot
//! be evaluated does not match: a rule on a value that the request does not have is false, `not_in`
//! and `none_of` included.

mod attributes;
mod compile;
mod facts;
pub(crate) mod matcher;
mod operation;

use garde::{Path, Report, Validate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

pub use attributes::{AttributeValue, Attributes, AttributesPatch};
pub use facts::Facts;
pub use matcher::{Matcher, bucket};

use crate::validation::{self, Fault};

/// At most this many rules in one targeting, those within `any` counted too.
pub const MAX_RULES: usize = 50;
/// At most this many values in one rule.
pub const MAX_VALUES: usize = 1000;

/// Who should see a thing: whoever satisfies all rules.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Targeting {
    /// The rules; none means everybody. At most 50, those within `any` counted.
    pub all: Vec<Rule>,
}

/// One rule, in one of these forms:
/// `{"field": F, "in" | "not_in": [v, …]}` for fields of one value,
/// `{"field": F, "any_of" | "all_of" | "none_of": [v, …]}` for lists,
/// `{"field": F, "gte": x, "lt": y}` (either bound or both) for numbers and versions,
/// `{"percent": 0–100, "seed": "…", "by": "device" | "member" | "attributes.<name>"}` for a stable share
/// of all devices, or of all members, or of all values of an attribute,
/// `{"any": [rule, …]}` for alternatives, one level deep.
///
/// Fields: `platform`, `store`, `app_version`, `build`, `os_version`, `country`, `locale`, `carrier`, `model`,
/// `age`, `gender`, `interests`, `segments`, `keywords`, `hour` (0–23) and `weekday` (`mon` to `sun`)
/// in the device's zone, and `attributes.<name>`. Of an age only the year of birth is known: it counts
/// as the lower of the two that leaves open, so that `gte` 18 takes nobody of 17.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TargetingRule")]
pub struct Rule {
    /// What the rule looks at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The field's value is one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#in: Option<Vec<Scalar>>,
    /// The field has a value, and it is none of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_in: Option<Vec<Scalar>>,
    /// At least one of these is in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any_of: Option<Vec<Scalar>>,
    /// All of these are in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_of: Option<Vec<Scalar>>,
    /// The list is known, and none of these is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none_of: Option<Vec<Scalar>>,
    /// The value is at least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gte: Option<Scalar>,
    /// The value is below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lt: Option<Scalar>,
    /// The share of devices, 0–100 in steps of 0.01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<Number>,
    /// What makes this share a different draw from another's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// What the share is drawn by: `device` (the default), `member` (one answer on all devices of a
    /// member; without an access token the rule does not match) or `attributes.<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// At least one of these rules matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any: Option<Vec<Rule>>,
}

/// A value that a rule compares with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "TargetingValue")]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
}

impl Targeting {
    /// Holds the rules against what their fields allow.
    ///
    /// # Errors
    /// Every fault, with pointers relative to this targeting.
    pub fn compile(&self) -> Result<Matcher, Vec<Fault>> {
        compile::compile(self)
    }
}

impl Validate for Targeting {
    type Context = ();

    fn validate_into(&self, (): &(), path: &mut dyn FnMut() -> Path, report: &mut Report) {
        if let Err(faults) = self.compile()
            && let Err(error) = validation::rule(faults)
        {
            report.append(path(), error);
        }
    }
}

#[cfg(test)]
mod roll_outs;
#[cfg(test)]
mod tests;
