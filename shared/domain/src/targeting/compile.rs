//! From the document's form of targeting to the typed one, with every fault found on the way.

use serde_json::Number;

use super::{
    MAX_RULES, Matcher, Rule, Scalar, Targeting,
    attributes::is_name,
    matcher::{ATTRIBUTES, AttributeTest, Basis, Test, Value},
    operation::{Bad, LONGEST_TEXT, Operand, Operation, build, text, whole, word},
};
use crate::validation::{Fault, FaultCode, child};

pub(super) fn compile(targeting: &Targeting) -> Result<Matcher, Vec<Fault>> {
    let mut compiler = Compiler::default();
    let nested = targeting.all.iter().filter_map(|rule| rule.any.as_ref());
    let count = targeting.all.len() + nested.map(Vec::len).sum::<usize>();
    if count > MAX_RULES {
        compiler.fault("/all", FaultCode::TooMany, "must have at most 50 rules");
        return Err(compiler.faults);
    }
    let tests: Vec<Test> = targeting
        .all
        .iter()
        .enumerate()
        .filter_map(|(place, rule)| compiler.rule(rule, &format!("/all/{place}"), true))
        .collect();
    if compiler.faults.is_empty() {
        Ok(Matcher(tests.into()))
    } else {
        Err(compiler.faults)
    }
}

#[derive(Default)]
pub(super) struct Compiler {
    pub(super) faults: Vec<Fault>,
}

impl Compiler {
    pub(super) fn fault(
        &mut self,
        at: impl std::fmt::Display,
        code: FaultCode,
        message: impl std::fmt::Display,
    ) {
        self.faults.push(Fault::new(at, code, message));
    }

    /// `None` only after a fault was noted.
    fn rule(&mut self, rule: &Rule, at: &str, outermost: bool) -> Option<Test> {
        let forms = [
            ("field", rule.field.is_some()),
            ("percent", rule.percent.is_some()),
            ("any", rule.any.is_some()),
        ];
        let given: Vec<&str> = forms
            .iter()
            .filter(|form| form.1)
            .map(|form| form.0)
            .collect();
        match given.as_slice() {
            ["field"] => self.field_rule(rule, at),
            ["percent"] => self.percent_rule(rule, at),
            ["any"] => self.any_rule(rule, at, outermost),
            [] => {
                self.fault(
                    at,
                    FaultCode::Invalid,
                    "must have one of field, percent, any",
                );
                None
            }
            [_, rest @ ..] => {
                for name in rest {
                    self.fault(
                        child(at, name),
                        FaultCode::NotAllowed,
                        "belongs in a rule of its own",
                    );
                }
                None
            }
        }
    }

    fn percent_rule(&mut self, rule: &Rule, at: &str) -> Option<Test> {
        self.refuse_operators(rule, at);
        let buckets = rule.percent.as_ref().and_then(buckets);
        if buckets.is_none() {
            let message = "must be from 0 to 100 in steps of 0.01";
            self.fault(child(at, "percent"), FaultCode::OutOfRange, message);
        }
        let by = self.basis(rule, at);
        let seed = rule.seed.as_deref().unwrap_or_default();
        match (&rule.seed, seed.chars().count()) {
            (None, _) => self.fault(child(at, "seed"), FaultCode::Required, "is required"),
            (_, 0) => self.fault(child(at, "seed"), FaultCode::TooShort, "must not be empty"),
            (_, length) if length > LONGEST_TEXT => {
                self.fault(
                    child(at, "seed"),
                    FaultCode::TooLong,
                    "must have at most 256 characters",
                );
            }
            _ => {
                let (below, by, seed) = (buckets?, by?, seed.into());
                return Some(match by {
                    None => Test::Percent(below, seed),
                    Some(by) => Test::PercentBy { below, seed, by },
                });
            }
        }
        None
    }

    /// What a share is drawn by, `Some(None)` for the device; `None` after a fault.
    fn basis(&mut self, rule: &Rule, at: &str) -> Option<Option<Basis>> {
        match rule.by.as_deref() {
            None | Some("device") => Some(None),
            Some("member") => Some(Some(Basis::Member)),
            Some(field) if field.strip_prefix(ATTRIBUTES).is_some_and(is_name) => {
                Some(Some(Basis::Attribute(field.into())))
            }
            Some(_) => {
                let message = "must be device, member or attributes.<name>";
                self.fault(child(at, "by"), FaultCode::NotAllowed, message);
                None
            }
        }
    }

    fn any_rule(&mut self, rule: &Rule, at: &str, outermost: bool) -> Option<Test> {
        self.refuse_operators(rule, at);
        self.refuse_seed(rule, at);
        let at = child(at, "any");
        if !outermost {
            self.fault(at, FaultCode::NotAllowed, "may nest one level deep only");
            return None;
        }
        let rules = rule.any.as_deref().unwrap_or_default();
        if rules.is_empty() {
            self.fault(at, FaultCode::TooFew, "must have at least one rule");
            return None;
        }
        let tests: Vec<Option<Test>> = rules
            .iter()
            .enumerate()
            .map(|(place, rule)| self.rule(rule, &child(&at, &place.to_string()), false))
            .collect();
        Some(Test::Any(tests.into_iter().collect::<Option<_>>()?))
    }

    fn field_rule(&mut self, rule: &Rule, at: &str) -> Option<Test> {
        self.refuse_seed(rule, at);
        let operation = self.operation(rule, at)?;
        let field = rule.field.as_deref().unwrap_or_default();
        match field {
            "platform" => Some(Test::Platform(self.one_of(&operation, word)?)),
            "store" => Some(Test::Store(self.one_of(&operation, word)?)),
            "country" => Some(Test::Country(self.one_of(&operation, word)?)),
            "gender" => Some(Test::Gender(self.one_of(&operation, word)?)),
            "weekday" => Some(Test::Weekday(self.one_of(&operation, word)?)),
            "locale" => Some(Test::Locale(self.one_of(&operation, word)?)),
            "carrier" => Some(Test::Carrier(self.one_of(&operation, text)?)),
            "model" => Some(Test::Model(self.one_of(&operation, text)?)),
            "app_version" => {
                self.one_of_or_range(&operation, word, Test::AppVersion, Test::AppVersionRange)
            }
            "os_version" => {
                self.one_of_or_range(&operation, word, Test::OsVersion, Test::OsVersionRange)
            }
            "build" => self.one_of_or_range(&operation, build, Test::Build, Test::BuildRange),
            "age" => self.one_of_or_range(&operation, |v| whole(v, 150), Test::Age, Test::AgeRange),
            // The bound above all hours is 24.
            "hour" => self.one_of_or_range(
                &operation,
                |value| {
                    let most = if operation.is_range() { 24 } else { 23 };
                    whole(value, most).map(|hour| u8::try_from(hour).unwrap_or(u8::MAX))
                },
                Test::Hour,
                Test::HourRange,
            ),
            "interests" => Some(Test::Interests(self.within(&operation)?)),
            "segments" => Some(Test::Segments(self.within(&operation)?)),
            "keywords" => Some(Test::Keywords(self.within(&operation)?)),
            _ if field.strip_prefix(ATTRIBUTES).is_some_and(is_name) => {
                let test = self.attribute(&operation)?;
                Some(Test::Attribute {
                    field: field.into(),
                    test,
                })
            }
            _ => {
                self.fault(
                    child(at, "field"),
                    FaultCode::NotAllowed,
                    "is not a known field",
                );
                None
            }
        }
    }

    fn attribute(&mut self, operation: &Operation<'_>) -> Option<AttributeTest> {
        let number = |value: &Scalar| match value {
            Scalar::Number(number) => number.as_f64().ok_or(Bad::Type("a number")),
            _ => Err(Bad::Type("a number")),
        };
        let scalar = |value: &Scalar| match value {
            Scalar::Bool(value) => Ok(Value::Bool(*value)),
            Scalar::Number(_) => number(value).map(Value::Number),
            Scalar::Text(_) => text(value).map(Value::Text),
        };
        Some(match operation.operand {
            Operand::OneOf { .. } => AttributeTest::OneOf(self.one_of(operation, scalar)?),
            Operand::Within { .. } => AttributeTest::Within(self.within(operation)?),
            Operand::Range { .. } => AttributeTest::Range(self.range(operation, number)?),
        })
    }

    /// Refuses the members that only a share has.
    fn refuse_seed(&mut self, rule: &Rule, at: &str) {
        for (name, given) in [("by", rule.by.is_some()), ("seed", rule.seed.is_some())] {
            if given {
                let message = "goes with percent only";
                self.fault(child(at, name), FaultCode::NotAllowed, message);
            }
        }
    }

    fn refuse_operators(&mut self, rule: &Rule, at: &str) {
        for (operator, given) in [
            ("in", rule.r#in.is_some()),
            ("not_in", rule.not_in.is_some()),
            ("any_of", rule.any_of.is_some()),
            ("all_of", rule.all_of.is_some()),
            ("none_of", rule.none_of.is_some()),
            ("gte", rule.gte.is_some()),
            ("lt", rule.lt.is_some()),
        ] {
            if given {
                self.fault(
                    child(at, operator),
                    FaultCode::NotAllowed,
                    "goes with field only",
                );
            }
        }
    }
}

/// How many of the 10,000 buckets a percentage takes; `None` out of range or finer than 0.01.
fn buckets(percent: &Number) -> Option<u16> {
    let buckets = percent.as_f64()? * 100.0;
    let whole = buckets.round();
    let near = (buckets - whole).abs() < 1e-6 && (0.0..=10_000.0).contains(&whole);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 10,000"
    )]
    near.then_some(whole as u16)
}
