//! Compiled targeting: typed values, ready to be held against [`Facts`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{AttributeValue, Facts};
use crate::{Country, Gender, Locale, Platform, Store, Version, Weekday};

/// Targeting that obeys the rules. Its serde form is for artefacts, not for people.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Matcher(pub(crate) Box<[Test]>);

impl Matcher {
    /// What matches nobody.
    pub(crate) fn nobody() -> Self {
        Self([Test::Any([].into())].into())
    }

    /// Whether all rules match. A rule that cannot be evaluated does not.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        self.0.iter().all(|test| test.matches(facts))
    }

    /// Whether a rule looks at the device's clock or calendar: an hour or a weekday.
    pub fn asks_the_time(&self) -> bool {
        let is_of_time =
            |test: &Test| matches!(test, Test::Hour(_) | Test::HourRange(_) | Test::Weekday(_));
        self.has(is_of_time)
    }

    /// Whether a rule looks at the country.
    pub fn asks_the_country(&self) -> bool {
        self.has(|test| matches!(test, Test::Country(_)))
    }

    /// Whether a rule looks at what only a profile tells, where a request says nothing of its user:
    /// age, gender, interests, segments, attributes.
    pub fn asks_the_person(&self) -> bool {
        self.has(|test| {
            matches!(
                test,
                Test::Age(_)
                    | Test::AgeRange(_)
                    | Test::Gender(_)
                    | Test::Interests(_)
                    | Test::Segments(_)
                    | Test::Attribute { .. }
                    | Test::PercentBy {
                        by: Basis::Attribute(_),
                        ..
                    }
            )
        })
    }

    /// Whether a rule looks at which member is signed in.
    pub fn asks_the_member(&self) -> bool {
        self.has(|test| {
            matches!(
                test,
                Test::PercentBy {
                    by: Basis::Member,
                    ..
                }
            )
        })
    }

    fn has(&self, wanted: fn(&Test) -> bool) -> bool {
        self.0.iter().any(|test| test.has(wanted))
    }

    /// The field of the first rule that does not match: a field's name, `percent` or `any`.
    pub fn failing_dimension(&self, facts: &Facts<'_>) -> Option<&str> {
        let failing = self.0.iter().find(|test| !test.matches(facts))?;
        Some(failing.dimension())
    }
}

/// Returns the bucket, of 10,000, that a device, a member or an attribute's value is in for a seed: the
/// first eight bytes of the SHA-256 of `seed`, a zero byte and the text, as a big-endian number, modulo
/// 10,000. A rule of *p* percent takes the buckets below *p* × 100, so that a raise keeps all who were
/// in.
pub fn bucket(seed: &str, text: &str) -> u16 {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(seed.as_bytes())
        .chain_update([0])
        .chain_update(text.as_bytes())
        .finalize()
        .into();
    let number = digest
        .first_chunk()
        .map_or(0, |first| u64::from_be_bytes(*first));
    u16::try_from(number % 10_000).unwrap_or(0)
}

/// One rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Test {
    Platform(OneOf<Platform>),
    Store(OneOf<Store>),
    Country(OneOf<Country>),
    Gender(OneOf<Gender>),
    Weekday(OneOf<Weekday>),
    Hour(OneOf<u8>),
    HourRange(Range<u8>),
    Age(OneOf<u16>),
    AgeRange(Range<u16>),
    Locale(OneOf<Locale>),
    AppVersion(OneOf<Version>),
    AppVersionRange(Range<Version>),
    OsVersion(OneOf<Version>),
    OsVersionRange(Range<Version>),
    Carrier(OneOf<Box<str>>),
    Model(OneOf<Box<str>>),
    Interests(Within),
    Segments(Within),
    Keywords(Within),
    Attribute {
        field: Box<str>,
        test: AttributeTest,
    },
    /// Buckets of devices below the first, of the seed.
    Percent(u16, Box<str>),
    Any(Box<[Test]>),
    // Artefacts name variants by their places: new ones come last.
    Build(OneOf<u64>),
    BuildRange(Range<u64>),
    /// Buckets below the first, of the seed, by something else than the device.
    PercentBy {
        below: u16,
        seed: Box<str>,
        by: Basis,
    },
}

/// What a share is drawn by, where it is not the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Basis {
    /// The member: one answer on all of their devices.
    Member,
    /// An attribute of the profile, by its field.
    Attribute(Box<str>),
}

impl Basis {
    /// The text that is hashed; `None` where the request has none.
    fn text<'f>(&self, facts: &Facts<'f>) -> Option<Cow<'f, str>> {
        match self {
            Self::Member => Some(facts.member?.to_string().into()),
            Self::Attribute(field) => {
                let name = field.strip_prefix(ATTRIBUTES).unwrap_or(field);
                match facts.attributes?.get(name)? {
                    AttributeValue::Text(text) => Some(Cow::Borrowed(text)),
                    AttributeValue::Bool(value) => Some(value.to_string().into()),
                    AttributeValue::Number(number) => {
                        let whole = number.is_u64() || number.is_i64();
                        whole.then(|| number.to_string().into())
                    }
                    AttributeValue::List(_) => None,
                }
            }
        }
    }
}

/// A test of one attribute.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum AttributeTest {
    OneOf(OneOf<Value>),
    Within(Within),
    Range(Range<f64>),
}

/// A value that an attribute is compared with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Value {
    Bool(bool),
    Number(f64),
    Text(Box<str>),
}

/// `in`, or with `negated` `not_in`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OneOf<T> {
    pub(crate) negated: bool,
    pub(crate) values: Box<[T]>,
}

/// `gte` and `lt`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Range<T> {
    pub(crate) gte: Option<T>,
    pub(crate) lt: Option<T>,
}

/// `any_of`, `all_of` or `none_of`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Within {
    pub(crate) quantity: Quantity,
    pub(crate) values: Box<[Box<str>]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Quantity {
    Any,
    All,
    None,
}

impl Test {
    pub(crate) fn matches(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Platform(values) => values.hold(facts.platform.as_ref(), PartialEq::eq),
            Self::Store(values) => values.hold(facts.store.as_ref(), PartialEq::eq),
            Self::Country(values) => values.hold(facts.country.as_ref(), PartialEq::eq),
            Self::Gender(values) => values.hold(facts.gender.as_ref(), PartialEq::eq),
            Self::Weekday(values) => values.hold(facts.weekday.as_ref(), PartialEq::eq),
            Self::Hour(values) => values.hold(facts.hour.as_ref(), PartialEq::eq),
            Self::HourRange(range) => range.holds(facts.hour.as_ref()),
            Self::Age(values) => values.hold(facts.age.as_ref(), PartialEq::eq),
            Self::AgeRange(range) => range.holds(facts.age.as_ref()),
            Self::Locale(values) => values.hold(facts.locale, Locale::covers),
            Self::AppVersion(values) => values.hold(facts.app_version.as_ref(), PartialEq::eq),
            Self::AppVersionRange(range) => range.holds(facts.app_version.as_ref()),
            Self::OsVersion(values) => values.hold(facts.os_version.as_ref(), PartialEq::eq),
            Self::OsVersionRange(range) => range.holds(facts.os_version.as_ref()),
            Self::Carrier(values) => values.hold(facts.carrier, |value, fact| **value == *fact),
            Self::Model(values) => values.hold(facts.model, |value, fact| **value == *fact),
            Self::Interests(values) => values.hold_list(facts.interests.as_deref()),
            Self::Segments(values) => values.hold_list(facts.segments.as_deref()),
            Self::Keywords(values) => values.hold_list(facts.keywords.as_deref()),
            Self::Attribute { field, test } => {
                let name = field.strip_prefix(ATTRIBUTES).unwrap_or(field);
                let value = facts.attribute(name);
                value.is_some_and(|value| test.matches(value))
            }
            Self::Percent(below, seed) => facts
                .device_id
                .is_some_and(|device_id| bucket(seed, device_id) < *below),
            Self::PercentBy { below, seed, by } => by
                .text(facts)
                .is_some_and(|text| bucket(seed, &text) < *below),
            Self::Build(values) => values.hold(facts.build.as_ref(), PartialEq::eq),
            Self::BuildRange(range) => range.holds(facts.build.as_ref()),
            Self::Any(tests) => tests.iter().any(|test| test.matches(facts)),
        }
    }

    fn has(&self, wanted: fn(&Self) -> bool) -> bool {
        match self {
            Self::Any(tests) => tests.iter().any(|test| test.has(wanted)),
            test => wanted(test),
        }
    }

    fn dimension(&self) -> &str {
        match self {
            Self::Platform(_) => "platform",
            Self::Store(_) => "store",
            Self::Country(_) => "country",
            Self::Gender(_) => "gender",
            Self::Weekday(_) => "weekday",
            Self::Hour(_) | Self::HourRange(_) => "hour",
            Self::Age(_) | Self::AgeRange(_) => "age",
            Self::Locale(_) => "locale",
            Self::AppVersion(_) | Self::AppVersionRange(_) => "app_version",
            Self::OsVersion(_) | Self::OsVersionRange(_) => "os_version",
            Self::Carrier(_) => "carrier",
            Self::Model(_) => "model",
            Self::Interests(_) => "interests",
            Self::Segments(_) => "segments",
            Self::Keywords(_) => "keywords",
            Self::Attribute { field, .. } => field,
            Self::Build(_) | Self::BuildRange(_) => "build",
            Self::Percent(..) | Self::PercentBy { .. } => "percent",
            Self::Any(_) => "any",
        }
    }
}

/// What the names of attribute fields begin with.
pub(crate) const ATTRIBUTES: &str = "attributes.";

impl AttributeTest {
    fn matches(&self, value: &AttributeValue) -> bool {
        match self {
            Self::OneOf(values) => match value {
                AttributeValue::List(_) => false,
                value => values.hold(Some(value), same),
            },
            // One text is a list of one.
            Self::Within(values) => match value {
                AttributeValue::List(texts) => {
                    values.hold_by(|text| texts.iter().any(|t| t == text))
                }
                AttributeValue::Text(text) => values.hold_by(|value| value == text),
                AttributeValue::Bool(_) | AttributeValue::Number(_) => false,
            },
            Self::Range(range) => match value {
                AttributeValue::Number(number) => range.holds(number.as_f64().as_ref()),
                _ => false,
            },
        }
    }
}

fn same(wanted: &Value, value: &AttributeValue) -> bool {
    match (wanted, value) {
        (Value::Bool(a), AttributeValue::Bool(b)) => a == b,
        (Value::Number(a), AttributeValue::Number(b)) => b.as_f64() == Some(*a),
        (Value::Text(a), AttributeValue::Text(b)) => **a == **b,
        _ => false,
    }
}

impl<T> OneOf<T> {
    fn hold<F: ?Sized>(&self, fact: Option<&F>, same: impl Fn(&T, &F) -> bool) -> bool {
        fact.is_some_and(|fact| self.values.iter().any(|value| same(value, fact)) != self.negated)
    }
}

impl<T: PartialOrd> Range<T> {
    fn holds(&self, fact: Option<&T>) -> bool {
        fact.is_some_and(|fact| {
            self.gte.as_ref().is_none_or(|bound| fact >= bound)
                && self.lt.as_ref().is_none_or(|bound| fact < bound)
        })
    }
}

impl Within {
    fn hold_list(&self, list: Option<&[&str]>) -> bool {
        list.is_some_and(|list| self.hold_by(|value| list.contains(&value)))
    }

    fn hold_by(&self, has: impl Fn(&str) -> bool) -> bool {
        let mut values = self.values.iter().map(|value| has(value));
        match self.quantity {
            Quantity::Any => values.any(|has| has),
            Quantity::All => values.all(|has| has),
            Quantity::None => !values.any(|has| has),
        }
    }
}
