//! The operation of a rule on a field: which one it is, and its values, read as what the field takes.

use std::str::FromStr;

use super::{
    MAX_VALUES, Rule, Scalar,
    compile::Compiler,
    matcher::{OneOf, Quantity, Range, Test, Within},
};
use crate::{
    define::BadText,
    validation::{FaultCode, child},
};

/// Longest text that a rule may compare with, in characters, and longest seed.
pub(super) const LONGEST_TEXT: usize = 256;

/// What a rule compares its field with.
pub(super) enum Operand<'r> {
    OneOf {
        negated: bool,
        values: &'r [Scalar],
    },
    Within {
        quantity: Quantity,
        values: &'r [Scalar],
    },
    Range {
        gte: Option<&'r Scalar>,
        lt: Option<&'r Scalar>,
    },
}

/// An operand and where it stands.
pub(super) struct Operation<'r> {
    pub(super) operand: Operand<'r>,
    /// The pointer of the rule.
    rule: &'r str,
    /// The operator's name; of a range, the first that is given.
    operator: &'static str,
}

impl Operation<'_> {
    pub(super) fn is_range(&self) -> bool {
        matches!(self.operand, Operand::Range { .. })
    }
}

impl Compiler {
    pub(super) fn operation<'r>(&mut self, rule: &'r Rule, at: &'r str) -> Option<Operation<'r>> {
        let lists = [
            ("in", &rule.r#in),
            ("not_in", &rule.not_in),
            ("any_of", &rule.any_of),
            ("all_of", &rule.all_of),
            ("none_of", &rule.none_of),
        ];
        let mut operations: Vec<Operation<'r>> = lists
            .into_iter()
            .filter_map(|(operator, values)| {
                let values = values.as_deref()?;
                let operand = match operator {
                    "in" => Operand::OneOf {
                        negated: false,
                        values,
                    },
                    "not_in" => Operand::OneOf {
                        negated: true,
                        values,
                    },
                    "any_of" => Operand::Within {
                        quantity: Quantity::Any,
                        values,
                    },
                    "all_of" => Operand::Within {
                        quantity: Quantity::All,
                        values,
                    },
                    _ => Operand::Within {
                        quantity: Quantity::None,
                        values,
                    },
                };
                Some(Operation {
                    operand,
                    rule: at,
                    operator,
                })
            })
            .collect();
        if rule.gte.is_some() || rule.lt.is_some() {
            operations.push(Operation {
                operand: Operand::Range {
                    gte: rule.gte.as_ref(),
                    lt: rule.lt.as_ref(),
                },
                rule: at,
                operator: if rule.gte.is_some() { "gte" } else { "lt" },
            });
        }
        let mut operations = operations.into_iter();
        let Some(first) = operations.next() else {
            let message = "must have one of in, not_in, any_of, all_of, none_of, gte, lt";
            self.fault(at, FaultCode::Invalid, message);
            return None;
        };
        let mut alone = true;
        for another in operations {
            alone = false;
            let message = "belongs in a rule of its own";
            self.fault(child(at, another.operator), FaultCode::NotAllowed, message);
        }
        alone.then_some(first)
    }

    pub(super) fn one_of_or_range<T: PartialOrd>(
        &mut self,
        operation: &Operation<'_>,
        read: impl Fn(&Scalar) -> Result<T, Bad>,
        one_of: fn(OneOf<T>) -> Test,
        range: fn(Range<T>) -> Test,
    ) -> Option<Test> {
        Some(match operation.operand {
            Operand::Range { .. } => range(self.range(operation, read)?),
            _ => one_of(self.one_of(operation, read)?),
        })
    }

    pub(super) fn one_of<T>(
        &mut self,
        operation: &Operation<'_>,
        read: impl Fn(&Scalar) -> Result<T, Bad>,
    ) -> Option<OneOf<T>> {
        let Operand::OneOf { negated, values } = operation.operand else {
            return self.refuse_operator(operation);
        };
        let values = self.values(operation, values, read)?;
        Some(OneOf { negated, values })
    }

    pub(super) fn within(&mut self, operation: &Operation<'_>) -> Option<Within> {
        let Operand::Within { quantity, values } = operation.operand else {
            return self.refuse_operator(operation);
        };
        let values = self.values(operation, values, text)?;
        Some(Within { quantity, values })
    }

    pub(super) fn range<T: PartialOrd>(
        &mut self,
        operation: &Operation<'_>,
        read: impl Fn(&Scalar) -> Result<T, Bad>,
    ) -> Option<Range<T>> {
        let Operand::Range { gte, lt } = operation.operand else {
            return self.refuse_operator(operation);
        };
        let before = self.faults.len();
        let mut bound = |name: &str, value: Option<&Scalar>| match value.map(&read) {
            Some(Ok(bound)) => Some(bound),
            Some(Err(bad)) => {
                self.bad(child(operation.rule, name), &bad);
                None
            }
            None => None,
        };
        let range = Range {
            gte: bound("gte", gte),
            lt: bound("lt", lt),
        };
        if let (Some(gte), Some(lt)) = (&range.gte, &range.lt)
            && gte >= lt
        {
            let message = "must be above gte, or nothing matches";
            self.fault(child(operation.rule, "lt"), FaultCode::OutOfRange, message);
        }
        (self.faults.len() == before).then_some(range)
    }

    fn values<T>(
        &mut self,
        operation: &Operation<'_>,
        values: &[Scalar],
        read: impl Fn(&Scalar) -> Result<T, Bad>,
    ) -> Option<Box<[T]>> {
        let at = child(operation.rule, operation.operator);
        match values.len() {
            0 => self.fault(at, FaultCode::TooFew, "must have at least one value"),
            1..=MAX_VALUES => {
                let mut good = Vec::with_capacity(values.len());
                for (place, value) in values.iter().enumerate() {
                    match read(value) {
                        Ok(value) => good.push(value),
                        Err(bad) => self.bad(child(&at, &place.to_string()), &bad),
                    }
                }
                return (good.len() == values.len()).then(|| good.into());
            }
            _ => self.fault(at, FaultCode::TooMany, "must have at most 1,000 values"),
        }
        None
    }

    fn bad(&mut self, at: String, bad: &Bad) {
        match bad {
            Bad::Type(expected) => {
                self.fault(
                    at,
                    FaultCode::WrongType,
                    format_args!("expected {expected}"),
                );
            }
            Bad::Range(most) => {
                let message = format_args!("must be a whole number from 0 to {most}");
                self.fault(at, FaultCode::OutOfRange, message);
            }
            Bad::Build => {
                let message = "must be a whole number from 0";
                self.fault(at, FaultCode::OutOfRange, message);
            }
            Bad::TooLong => self.fault(at, FaultCode::TooLong, "must have at most 256 characters"),
            Bad::Text(bad) => self.fault(at, FaultCode::NotAllowed, bad),
        }
    }

    fn refuse_operator<T>(&mut self, operation: &Operation<'_>) -> Option<T> {
        let at = child(operation.rule, operation.operator);
        self.fault(at, FaultCode::NotAllowed, "does not go with this field");
        None
    }
}

/// Why a value does not go with its field.
pub(super) enum Bad {
    Type(&'static str),
    Range(u16),
    Build,
    TooLong,
    Text(BadText),
}

pub(super) fn word<T: FromStr<Err = BadText>>(value: &Scalar) -> Result<T, Bad> {
    match value {
        Scalar::Text(text) => text.parse().map_err(Bad::Text),
        _ => Err(Bad::Type("a string")),
    }
}

pub(super) fn text(value: &Scalar) -> Result<Box<str>, Bad> {
    match value {
        Scalar::Text(text) if text.chars().count() <= LONGEST_TEXT => Ok(text.as_str().into()),
        Scalar::Text(_) => Err(Bad::TooLong),
        _ => Err(Bad::Type("a string")),
    }
}

pub(super) fn whole(value: &Scalar, most: u16) -> Result<u16, Bad> {
    match value {
        Scalar::Number(number) => number
            .as_u64()
            .and_then(|number| u16::try_from(number).ok())
            .filter(|number| *number <= most)
            .ok_or(Bad::Range(most)),
        _ => Err(Bad::Type("a number")),
    }
}

pub(super) fn build(value: &Scalar) -> Result<u64, Bad> {
    match value {
        Scalar::Number(number) => number.as_u64().ok_or(Bad::Build),
        _ => Err(Bad::Type("a number")),
    }
}
