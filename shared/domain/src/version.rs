//! Versions of apps and operating systems.

use std::{cmp::Ordering, fmt, str::FromStr};

use crate::define::BadText;

/// A version, ordered by the precedence of Semantic Versioning 2.0 (section 11) with missing parts
/// as zero: `1.10` is above `1.9` and equal to `1.10.0`; a pre-release is below its release; build
/// metadata does not count. It is shown as it was written.
#[derive(Clone)]
pub struct Version {
    written: Box<str>,
    precedence: semver::Version,
}

const LONGEST: usize = 64;

impl Version {
    /// Reads a version; `None` for what is not one (a gate that meets it stays open).
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let core_end = text.find(['-', '+']).unwrap_or(text.len());
        let (core, rest) = text.split_at_checked(core_end)?;
        let missing = match core.matches('.').count() {
            0 => ".0.0",
            1 => ".0",
            _ => "",
        };
        let precedence = semver::Version::parse(&format!("{core}{missing}{rest}")).ok()?;
        Some(Self {
            written: text.into(),
            precedence,
        })
    }

    /// The version as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.precedence.cmp_precedence(&other.precedence)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl FromStr for Version {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        Self::parse(text).ok_or(BadText {
            expected: "a version such as 1.10 or 2.0.0-beta.1",
        })
    }
}

text_in_json!(Version);

impl schemars::JsonSchema for Version {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": LONGEST,
            "format": "version",
            "examples": ["1.10.0"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn versions_stand_in_the_order_of_semantic_versioning() {
        let ascending = [
            "0",
            "0.9",
            "1.0.0-alpha",
            "1.0-alpha.1",
            "1.0.0-alpha.beta",
            "1-beta.2",
            "1-beta.11",
            "1.0.0-rc.1",
            "1",
            "1.9",
            "1.10",
            "1.10.1",
            "2",
            "17.4.1",
            "100.0",
        ];
        for pair in ascending.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        assert_eq!(version("1"), version("1.0.0"));
        assert_eq!(version("1.2+build.7"), version("1.2.0"));
        assert_eq!(version("1.10").to_string(), "1.10");
    }

    #[test]
    fn what_is_not_a_version_is_none() {
        for bad in [
            "",
            "v1",
            "1.",
            ".1",
            "1.2.3.4",
            "1..2",
            "one",
            "1.02",
            "1.-1",
            "1.0.0-",
            " 1",
            "99999999999999999999",
        ] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
    }
}
