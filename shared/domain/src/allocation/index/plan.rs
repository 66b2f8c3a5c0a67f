//! What of a campaign's targeting goes into which dimension of the index, and what does not.

use std::borrow::Cow;

use super::{
    ranges::Real,
    terms::{Sign, Term},
};
use crate::targeting::AttributeValue;
use crate::{
    Version,
    targeting::{
        Facts, Matcher,
        matcher::{ATTRIBUTES, AttributeTest, OneOf, Quantity, Range, Test, Value, Within},
    },
};

/// What a dimension of values looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Field {
    Platform,
    Store,
    Country,
    Gender,
    Weekday,
    Hour,
    Age,
    Build,
    Locale,
    Carrier,
    Model,
    Interests,
    Segments,
    Keywords,
    /// An attribute that is one value.
    Attribute(Box<str>),
    /// An attribute that is a list.
    AttributeList(Box<str>),
}

/// What a dimension of bounds looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum RangeField {
    Hour,
    Age,
    Build,
    AppVersion,
    OsVersion,
    Attribute(Box<str>),
}

/// What a campaign demands of one dimension.
pub(super) enum Demand<'m> {
    Terms(Field, Sign, Vec<Term<'m>>),
    Numbers(RangeField, Option<Real>, Option<Real>),
    Versions(RangeField, Option<Version>, Option<Version>),
}

impl Demand<'_> {
    /// The attribute that it is about.
    pub(super) fn attribute(&self) -> Option<&str> {
        match self {
            Self::Terms(Field::Attribute(name) | Field::AttributeList(name), ..)
            | Self::Numbers(RangeField::Attribute(name), ..) => Some(name),
            _ => None,
        }
    }
}

/// The demands of a targeting, each with a rule that it came of, and the rules that are left. A
/// dimension is demanded of at most once.
pub(super) fn demands(matcher: &Matcher) -> (Vec<(Demand<'_>, &Test)>, Vec<Test>) {
    let mut demands: Vec<(Demand<'_>, &Test)> = Vec::with_capacity(matcher.0.len());
    let mut rest = Vec::new();
    for test in &matcher.0 {
        let test = match test {
            Test::Any(tests) => match &**tests {
                [only] => only,
                _ => test,
            },
            _ => test,
        };
        let Some((demand, whole)) = demand(test) else {
            rest.push(test.clone());
            continue;
        };
        let mut known = demands.iter_mut();
        let merged = match known.find(|(known, _)| known.is_of_the_dimension_of(&demand)) {
            Some((known, _)) => known.merge(demand),
            None => {
                demands.push((demand, test));
                true
            }
        };
        if !merged || !whole {
            rest.push(test.clone());
        }
    }
    (demands, rest)
}

impl<'m> Demand<'m> {
    fn is_of_the_dimension_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Terms(a, a_sign, _), Self::Terms(b, b_sign, _)) => a == b && a_sign == b_sign,
            (Self::Numbers(a, ..), Self::Numbers(b, ..))
            | (Self::Versions(a, ..), Self::Versions(b, ..)) => a == b,
            _ => false,
        }
    }

    /// Adds another demand of the same dimension; `false` where the two cannot be one.
    fn merge(&mut self, other: Self) -> bool {
        match (self, other) {
            (Self::Terms(_, Sign::NotIn, terms), Self::Terms(_, _, more)) => {
                terms.extend(more);
                true
            }
            (Self::Terms(field, Sign::In, terms), Self::Terms(_, _, others)) => {
                let one_value = !field.is_list();
                if one_value {
                    terms.retain(|term| others.contains(term));
                }
                one_value
            }
            (Self::Numbers(_, gte, lt), Self::Numbers(_, other_gte, other_lt)) => {
                narrow(gte, lt, other_gte, other_lt);
                true
            }
            (Self::Versions(_, gte, lt), Self::Versions(_, other_gte, other_lt)) => {
                narrow(gte, lt, other_gte, other_lt);
                true
            }
            _ => false,
        }
    }
}

fn narrow<T: Ord>(
    gte: &mut Option<T>,
    lt: &mut Option<T>,
    other_gte: Option<T>,
    other_lt: Option<T>,
) {
    // `None` is below everything, as an open lower bound is.
    *gte = gte.take().max(other_gte);
    *lt = match (lt.take(), other_lt) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
}

impl Field {
    /// Whether a request can have several values: a language comes with its more general forms.
    const fn is_list(&self) -> bool {
        matches!(
            self,
            Self::Locale
                | Self::Interests
                | Self::Segments
                | Self::Keywords
                | Self::AttributeList(_)
        )
    }
}

/// The demand that a rule makes, and whether it says all that the rule does.
fn demand(test: &Test) -> Option<(Demand<'_>, bool)> {
    let demand = match test {
        Test::Platform(values) => one_of(Field::Platform, values, |value| text(value.as_str())),
        Test::Store(values) => one_of(Field::Store, values, |value| text(value.as_str())),
        Test::Country(values) => one_of(Field::Country, values, |value| text(value.as_str())),
        Test::Gender(values) => one_of(Field::Gender, values, |value| text(value.as_str())),
        Test::Weekday(values) => one_of(Field::Weekday, values, |value| text(value.as_str())),
        Test::Locale(values) => one_of(Field::Locale, values, |value| text(value.as_str())),
        Test::Carrier(values) => one_of(Field::Carrier, values, |value| text(value)),
        Test::Model(values) => one_of(Field::Model, values, |value| text(value)),
        Test::Hour(values) => one_of(Field::Hour, values, |value| Term::whole(*value)),
        Test::Age(values) => one_of(Field::Age, values, |value| Term::whole(*value)),
        Test::Build(values) => one_of(Field::Build, values, |value| Term::Bits(*value)),
        Test::BuildRange(range) => return builds(range),
        Test::HourRange(range) => numbers(RangeField::Hour, range),
        Test::AgeRange(range) => numbers(RangeField::Age, range),
        Test::AppVersionRange(range) => versions(RangeField::AppVersion, range),
        Test::OsVersionRange(range) => versions(RangeField::OsVersion, range),
        Test::Interests(values) => return within(Field::Interests, values),
        Test::Segments(values) => return within(Field::Segments, values),
        Test::Keywords(values) => return within(Field::Keywords, values),
        Test::Attribute { field, test } => {
            let name = field.strip_prefix(ATTRIBUTES).unwrap_or(field);
            match test {
                AttributeTest::OneOf(values) => {
                    one_of(Field::Attribute(name.into()), values, |value| match value {
                        Value::Bool(value) => Term::truth(*value),
                        Value::Number(value) => Term::number(*value),
                        Value::Text(value) => text(value),
                    })
                }
                AttributeTest::Within(values) => {
                    return within(Field::AttributeList(name.into()), values);
                }
                AttributeTest::Range(range) => numbers(RangeField::Attribute(name.into()), range),
            }
        }
        // Versions are compared by precedence, which no value to look up stands for.
        Test::AppVersion(_)
        | Test::OsVersion(_)
        | Test::Percent(..)
        | Test::PercentBy { .. }
        | Test::Any(_) => return None,
    };
    Some((demand, true))
}

fn text(text: &str) -> Term<'_> {
    Term::Text(Cow::Borrowed(text))
}

fn one_of<'m, T>(
    field: Field,
    values: &'m OneOf<T>,
    term: impl Fn(&'m T) -> Term<'m>,
) -> Demand<'m> {
    let sign = if values.negated {
        Sign::NotIn
    } else {
        Sign::In
    };
    Demand::Terms(field, sign, values.values.iter().map(term).collect())
}

fn within(field: Field, values: &Within) -> Option<(Demand<'_>, bool)> {
    let all = || values.values.iter().map(|value| text(value));
    Some(match values.quantity {
        Quantity::Any => (Demand::Terms(field, Sign::In, all().collect()), true),
        Quantity::None => (Demand::Terms(field, Sign::NotIn, all().collect()), true),
        // Whoever has all has the first; of nothing everybody has all.
        Quantity::All => {
            let first: Vec<_> = all().take(1).collect();
            let whole = values.values.len() == 1;
            if first.is_empty() {
                return None;
            }
            (Demand::Terms(field, Sign::In, first), whole)
        }
    })
}

fn numbers<T: Copy + Into<f64>>(field: RangeField, range: &Range<T>) -> Demand<'_> {
    let real = |bound: Option<T>| bound.map(|bound| Real::new(bound.into()));
    Demand::Numbers(field, real(range.gte), real(range.lt))
}

/// Bounds up to 2^53 are compared exactly with any whole number in floating point; rules with larger ones
/// are not indexed.
fn builds(range: &Range<u64>) -> Option<(Demand<'_>, bool)> {
    const MOST: u64 = 1 << 53;
    let bounds = [range.gte, range.lt];
    if bounds.into_iter().flatten().any(|bound| bound > MOST) {
        return None;
    }
    let [gte, lt] = bounds.map(|bound| bound.map(real));
    Some((Demand::Numbers(RangeField::Build, gte, lt), true))
}

#[expect(clippy::cast_precision_loss, reason = "monotone, and exact up to 2^53")]
fn real(build: u64) -> Real {
    Real::new(build as f64)
}

fn versions(field: RangeField, range: &Range<Version>) -> Demand<'_> {
    Demand::Versions(field, range.gte.clone(), range.lt.clone())
}

impl Field {
    /// Calls for each value that the request has in the dimension; `false` where it has none that
    /// could be compared, which is not the same as an empty list.
    pub(super) fn values(&self, facts: &Facts<'_>, mut call: impl FnMut(Term<'_>)) -> bool {
        let mut one = |value: Option<Term<'_>>| value.map(&mut call).is_some();
        match self {
            Self::Platform => one(facts.platform.map(|value| text(value.as_str()))),
            Self::Store => one(facts.store.map(|value| text(value.as_str()))),
            Self::Country => one(facts.country.as_ref().map(|value| text(value.as_str()))),
            Self::Gender => one(facts.gender.map(|value| text(value.as_str()))),
            Self::Weekday => one(facts.weekday.map(|value| text(value.as_str()))),
            Self::Hour => one(facts.hour.map(Term::whole)),
            Self::Age => one(facts.age.map(Term::whole)),
            Self::Build => one(facts.build.map(Term::Bits)),
            Self::Carrier => one(facts.carrier.map(text)),
            Self::Model => one(facts.model.map(text)),
            Self::Locale => facts
                .locale
                .map(|locale| locale.forms().map(text).for_each(call))
                .is_some(),
            Self::Interests => each(facts.interests.as_deref(), call),
            Self::Segments => each(facts.segments.as_deref(), call),
            Self::Keywords => each(facts.keywords.as_deref(), call),
            Self::Attribute(name) => match facts.attribute(name) {
                Some(AttributeValue::Bool(value)) => one(Some(Term::truth(*value))),
                Some(AttributeValue::Number(value)) => one(value.as_f64().map(Term::number)),
                Some(AttributeValue::Text(value)) => one(Some(text(value))),
                Some(AttributeValue::List(_)) | None => false,
            },
            Self::AttributeList(name) => match facts.attribute(name) {
                Some(AttributeValue::List(values)) => {
                    values.iter().map(|value| text(value)).for_each(call);
                    true
                }
                Some(AttributeValue::Text(value)) => one(Some(text(value))),
                Some(AttributeValue::Bool(_) | AttributeValue::Number(_)) | None => false,
            },
        }
    }
}

fn each(values: Option<&[&str]>, call: impl FnMut(Term<'_>)) -> bool {
    values
        .map(|values| values.iter().copied().map(text).for_each(call))
        .is_some()
}

impl RangeField {
    /// The number that the request has in the dimension.
    pub(super) fn number(&self, facts: &Facts<'_>) -> Option<Real> {
        let number = match self {
            Self::Hour => f64::from(facts.hour?),
            Self::Age => f64::from(facts.age?),
            Self::Attribute(name) => match facts.attribute(name)? {
                AttributeValue::Number(number) => number.as_f64()?,
                _ => return None,
            },
            Self::Build => return facts.build.map(real),
            Self::AppVersion | Self::OsVersion => return None,
        };
        Some(Real::new(number))
    }

    /// The version that the request has in the dimension.
    pub(super) fn version<'f>(&self, facts: &'f Facts<'_>) -> Option<&'f Version> {
        match self {
            Self::AppVersion => facts.app_version.as_ref(),
            Self::OsVersion => facts.os_version.as_ref(),
            Self::Hour | Self::Age | Self::Build | Self::Attribute(_) => None,
        }
    }
}
