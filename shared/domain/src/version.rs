//! Versions of apps and operating systems.

use std::{cmp::Ordering, fmt, ops::Range, str::FromStr};

use crate::{define::BadText, device_text};

/// A version as apps, operating systems and authors write it: any number of numeric parts separated by
/// dots, a `v` before them, a pre-release behind `-`, build metadata behind `+`, and text behind that.
///
/// It is ordered part by part as numbers of any size, with missing parts as zero: `1.10` is above `1.9`
/// and equal to `01.10.0.0`. A pre-release is below its release and ordered as in Semantic Versioning
/// 2.0 (section 11). Everything else does not count. It is shown as it was written, without control and
/// formatting characters.
#[derive(Clone)]
pub struct Version {
    written: Box<str>,
    /// Where the numeric parts are.
    core: Range<usize>,
    /// Where the pre-release is; empty without one.
    pre_release: Range<usize>,
}

/// The longest version that counts, in bytes. What is longer is cut.
const LONGEST: usize = 128;

impl Version {
    /// Reads a version; `None` where it has no leading number, so that a gate that meets it stays open.
    pub fn parse(text: &str) -> Option<Self> {
        let text = device_text::clean(text, LONGEST)?;
        let written = text.get(..text.floor_char_boundary(LONGEST))?;
        let prefix = usize::from(written.starts_with(['v', 'V']));
        let rest = written.get(prefix..)?;
        let core = core_length(rest);
        if core == 0 {
            return None;
        }
        let (core, rest) = (prefix..prefix + core, rest.get(core..)?);
        let pre_release = rest.strip_prefix('-').map_or(0, |rest| {
            let end = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
            rest.find(end).unwrap_or(rest.len())
        });
        let begin = (core.end + 1).min(written.len());
        Some(Self {
            pre_release: begin..begin + pre_release,
            core,
            written: written.into(),
        })
    }

    /// The version as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    fn part(&self, range: &Range<usize>) -> &str {
        self.written.get(range.clone()).unwrap_or_default()
    }
}

/// How many bytes of a text are numbers separated by single dots.
fn core_length(text: &str) -> usize {
    let digits = |from: usize| {
        let rest = text.as_bytes().get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut length = digits(0);
    while length > 0 && text.as_bytes().get(length) == Some(&b'.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    }
    length
}

/// Compares two numbers of any size by their digits.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn compare_cores(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (a, b) => match compare_numbers(a.unwrap_or_default(), b.unwrap_or_default()) {
                Ordering::Equal => {}
                other => return other,
            },
        }
    }
}

/// Semantic Versioning 2.0, section 11.4. No pre-release is above any.
fn compare_pre_releases(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (is_number(a), is_number(b)) {
                (true, true) => compare_numbers(a, b),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn is_number(identifier: &str) -> bool {
    !identifier.is_empty() && identifier.bytes().all(|byte| byte.is_ascii_digit())
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_cores(self.part(&self.core), other.part(&other.core)).then_with(|| {
            compare_pre_releases(self.part(&self.pre_release), other.part(&other.pre_release))
        })
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
        Self::parse(text)
            .filter(|_| text.len() <= LONGEST)
            .ok_or(BadText {
                expected: "a version that begins with a number, such as 1.10 or 2.0.0-beta.1",
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
    use proptest::prelude::*;

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
            "1.0.0.1",
            "1.9",
            "1.9.99999999999999999999999999",
            "1.10",
            "1.10.1",
            "2",
            "10.0.19045.3803",
            "10.0.19045.10000",
            "17.4.1",
            "100.0",
            "99999999999999999999",
            "100000000000000000000",
        ];
        for pair in ascending.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn versions_in_real_use_are_read() {
        for (one, other) in [
            ("1", "1.0.0"),
            ("1.2+build.7", "1.2.0"),
            ("1.02.003", "1.2.3"),
            ("2024.01.05", "2024.1.5"),
            ("v3.4", "3.4"),
            ("V3.4", "3.4.0.0.0"),
            ("5.1.0 (2041)", "5.1"),
            ("5.1.0(2041)", "5.1"),
            ("7.2 build 4", "7.2"),
            ("1.2.3.4.5.6", "1.2.3.4.5.6.0"),
            ("1.0-rc.1+exp.sha", "1.0.0-rc.1"),
            ("1.0-rc.01", "1.0-rc.1"),
            ("1.2.", "1.2"),
            ("1..2", "1"),
            ("1.0.0-", "1"),
            ("1.2.3beta", "1.2.3"),
            (" 1.2\n", "1.2"),
        ] {
            assert_eq!(version(one), version(other), "{one}");
        }
        assert_eq!(version("1.10").to_string(), "1.10");
        assert_eq!(version(" v1.10 (7)").to_string(), "v1.10 (7)");
    }

    #[test]
    fn only_what_has_no_leading_number_is_unreadable() {
        for bad in [
            "",
            " ",
            "v",
            "vv1",
            "one",
            ".1",
            "-1",
            "(1)",
            "Android 14",
            "１.2",
            "\u{0}",
        ] {
            assert_eq!(Version::parse(bad), None, "{bad}");
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
        let long = format!("1.2 {}", "x".repeat(10_000));
        assert_eq!(version(&long), version("1.2"));
        assert!(long.parse::<Version>().is_err());
        assert_eq!(version(&format!("1.2 {}", "한".repeat(99))), version("1.2"));
    }

    proptest! {
        #[test]
        fn the_order_is_total(texts in proptest::collection::vec("v?[0-9]{1,3}(\\.[0-9]{1,2}){0,4}(-[a-c0-9.]{0,4})?( x)?", 3)) {
            let versions: Vec<Version> = texts.iter().map(|text| version(text)).collect();
            let (a, b, c) = (&versions[0], &versions[1], &versions[2]);
            prop_assert_eq!(a.cmp(b), b.cmp(a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }

        #[test]
        fn numbers_are_compared_as_numbers(a in any::<u128>(), b in any::<u128>(), zeros in 0_usize..4) {
            let padded = format!("{}{a}", "0".repeat(zeros));
            prop_assert_eq!(version(&padded).cmp(&version(&b.to_string())), a.cmp(&b));
        }
    }
}
