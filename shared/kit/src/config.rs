//! Typed configuration, read once at start from the function's environment.
//!
//! A function declares its variables with [`settings!`](crate::settings); the macro makes the struct, its reader
//! and the rows of `docs/configuration.md`. Reading never stops at the first fault: an operator is
//! told of every wrong variable at once, by name, with what was expected.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

/// The environment a function was given: names and values, nothing else of the process.
#[derive(Clone, Default)]
pub struct Vars(BTreeMap<String, String>);

impl FromIterator<(String, String)> for Vars {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(pairs: T) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl Vars {
    /// The value of `name`; an empty value counts as absent, as templates cannot leave one out.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Vars {
    /// Names only: values may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One variable that is absent or does not parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The variable's name.
    pub name: &'static str,
    /// What was expected of it.
    pub expected: String,
}

/// Every fault of a configuration. Values are not repeated: they may be secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("configuration refused")?;
        for fault in &self.0 {
            write!(f, "; {}: expected {}", fault.name, fault.expected)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl Faults {
    /// The fault of one variable.
    pub fn one(name: &'static str, expected: impl Into<String>) -> Self {
        Self(vec![Fault {
            name,
            expected: expected.into(),
        }])
    }

    /// Joins what two parts of a configuration found: both, or all the faults of both.
    pub fn both<A, B>(a: Result<A, Self>, b: Result<B, Self>) -> Result<(A, B), Self> {
        match (a, b) {
            (Ok(a), Ok(b)) => Ok((a, b)),
            (Err(mut a), Err(b)) => {
                for fault in b.0 {
                    if !a.0.contains(&fault) {
                        a.0.push(fault);
                    }
                }
                Err(a)
            }
            (Err(faults), Ok(_)) | (Ok(_), Err(faults)) => Err(faults),
        }
    }
}

/// A type that a variable can hold.
pub trait Setting: Sized {
    /// What an operator may write, for the documentation and for faults.
    const EXPECTED: &'static str;

    /// Reads the variable's text; `None` when it is not one of these.
    fn parse(text: &str) -> Option<Self>;
}

macro_rules! parsed {
    ($($type:ty => $expected:literal),* $(,)?) => {$(
        impl Setting for $type {
            const EXPECTED: &'static str = $expected;
            fn parse(text: &str) -> Option<Self> {
                <$type>::from_str(text).ok()
            }
        }
    )*};
}

parsed! {
    String => "text",
    u32 => "a whole number",
    u64 => "a whole number",
    bool => "true or false",
}

/// A span of whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl Setting for Seconds {
    const EXPECTED: &'static str = "a whole number of seconds";
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(|s| Self(Duration::from_secs(s)))
    }
}

/// A span of whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Milliseconds(pub Duration);

impl Setting for Milliseconds {
    const EXPECTED: &'static str = "a whole number of milliseconds";
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(|ms| Self(Duration::from_millis(ms)))
    }
}

impl Setting for domain::LinkSchemes {
    const EXPECTED: &'static str =
        "schemes separated by commas, none of javascript, data, vbscript, file, blob";
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A share between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

impl Setting for Share {
    const EXPECTED: &'static str = "a number from 0 to 1";
    fn parse(text: &str) -> Option<Self> {
        let share: f64 = text.parse().ok()?;
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }
}

/// The name of a table, a bucket, a function or a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceName(pub String);

impl Setting for ResourceName {
    const EXPECTED: &'static str = "a resource's name";
    fn parse(text: &str) -> Option<Self> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-/:+=@".contains(c);
        (text.len() <= 512 && text.chars().all(legal)).then(|| Self(text.to_owned()))
    }
}

/// The origin of a URL: scheme and host, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(pub String);

impl Setting for Origin {
    const EXPECTED: &'static str = "an http or https URL without a path";
    fn parse(text: &str) -> Option<Self> {
        let uri: http::Uri = text.parse().ok()?;
        let scheme = uri.scheme_str()?;
        let plain = uri.path() == "/" && uri.query().is_none() && uri.authority().is_some();
        (matches!(scheme, "http" | "https") && plain)
            .then(|| Self(text.trim_end_matches('/').to_owned()))
    }
}

/// The URL that a service is reached under: scheme, host and perhaps a path, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(pub String);

impl Setting for BaseUrl {
    const EXPECTED: &'static str = "an http or https URL, with or without a path";
    fn parse(text: &str) -> Option<Self> {
        let uri: http::Uri = text.parse().ok()?;
        let authority = uri.authority()?.as_str();
        let is_plain = uri.query().is_none() && !text.contains('#') && !authority.contains('@');
        (matches!(uri.scheme_str()?, "http" | "https") && is_plain)
            .then(|| Self(text.trim_end_matches('/').to_owned()))
    }
}

/// The name of an HTTP header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderName(pub http::HeaderName);

impl Setting for HeaderName {
    const EXPECTED: &'static str = "the name of an HTTP header";
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

/// Which of the deployments this is; each is a parameter file of one template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A developer's own, or a laptop.
    Dev,
    /// For testers.
    Qa,
    /// A rehearsal of production.
    Stg,
    /// Production.
    Prd,
}

impl Stage {
    /// As it is written in configuration and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Qa => "qa",
            Self::Stg => "stg",
            Self::Prd => "prd",
        }
    }
}

impl Setting for Stage {
    const EXPECTED: &'static str = "dev, qa, stg or prd";
    fn parse(text: &str) -> Option<Self> {
        [Self::Dev, Self::Qa, Self::Stg, Self::Prd]
            .into_iter()
            .find(|stage| stage.as_str() == text)
    }
}

/// The least severe level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLevel(pub tracing::Level);

impl Setting for LogLevel {
    const EXPECTED: &'static str = "error, warn, info, debug or trace";
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

/// A row of `docs/configuration.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The variable's name.
    pub name: &'static str,
    /// What it may hold.
    pub expected: &'static str,
    /// What holds when it is absent; `None` where it must be given.
    pub default: Option<&'static str>,
    /// A value one could write.
    pub example: &'static str,
    /// What it is for.
    pub about: &'static str,
}

/// Reads variables one by one and remembers each fault.
#[derive(Debug)]
pub struct Reader<'a> {
    vars: &'a Vars,
    faults: Faults,
}

impl<'a> Reader<'a> {
    /// Starts reading `vars`.
    pub fn new(vars: &'a Vars) -> Self {
        Self {
            vars,
            faults: Faults::default(),
        }
    }

    /// The value of `variable`, or of its default. `None` only when a fault was noted.
    pub fn required<T: Setting>(&mut self, variable: &Variable) -> Option<T> {
        let text = self.vars.get(variable.name).or(variable.default);
        let value = text.and_then(T::parse);
        if value.is_none() {
            self.fault(variable.name, T::EXPECTED);
        }
        value
    }

    /// The value of `variable` where one was given. `None` only when a fault was noted.
    pub fn optional<T: Setting>(&mut self, variable: &Variable) -> Option<Option<T>> {
        match self.vars.get(variable.name) {
            None => Some(None),
            Some(_) => self.required(variable).map(Some),
        }
    }

    fn fault(&mut self, name: &'static str, expected: &str) {
        self.faults.0.push(Fault {
            name,
            expected: expected.to_owned(),
        });
    }

    /// `value` where everything was read, else all the faults.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Faults> {
        match value {
            Some(value) if self.faults.0.is_empty() => Ok(value),
            _ => Err(self.faults),
        }
    }
}

/// Declares a struct of settings, its `read(&Vars)`, and `VARIABLES`, the rows that document it.
///
/// ```
/// kit::settings! {
///     /// What the example needs.
///     pub struct Settings {
///         /// Where devices are kept.
///         devices_table: kit::config::ResourceName = "DEVICES_TABLE", example "madang-dev-devices";
///         /// How long a token lives.
///         lifetime: kit::config::Seconds = "TOKEN_LIFETIME_S", default "3600";
///         /// The origin that answers public calls.
///         base: Option<kit::config::Origin> = "PUBLIC_BASE_URL", example "https://api.example.com";
///     }
/// }
/// let faults = Settings::read(&kit::Vars::default()).unwrap_err();
/// assert_eq!(faults.to_string(), "configuration refused; DEVICES_TABLE: expected a resource's name");
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[doc = $about:literal])*
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])* $field:ident : $($type:ident)::+ $(< $($inner:ident)::+ >)? = $var:literal $(, default $default:literal)? $(, example $example:literal)? ; )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $( $(#[doc = $doc])* pub $field: $($type)::+ $(< $($inner)::+ >)? , )*
        }

        impl $name {
            /// The variables this reads, in the order of the fields.
            pub const VARIABLES: &'static [$crate::config::Variable] = &[
                $( $crate::config::Variable {
                    name: $var,
                    expected: $crate::settings!(@expected $($type)::+ $(< $($inner)::+ >)?),
                    default: $crate::settings!(@first $($default)?),
                    example: $crate::settings!(@or $($example)? ; $($default)?),
                    about: concat!($($doc),*),
                }, )*
            ];

            /// Reads them all, or says everything that is wrong.
            pub fn read(vars: &$crate::config::Vars) -> Result<Self, $crate::config::Faults> {
                let mut reader = $crate::config::Reader::new(vars);
                let mut rows = Self::VARIABLES.iter();
                $(
                    let $field = rows.next().and_then(|row| {
                        $crate::settings!(@read reader row $($type)::+ $(< $($inner)::+ >)?)
                    });
                )*
                let read = (|| Some(Self { $( $field: $field?, )* }))();
                reader.finish(read)
            }
        }
    };
    (@first $default:literal) => { Some($default) };
    (@first) => { None };
    (@or $example:literal ; $($default:literal)?) => { $example };
    (@or ; $default:literal) => { $default };
    (@expected Option < $($inner:ident)::+ >) => { <$($inner)::+ as $crate::config::Setting>::EXPECTED };
    (@expected $($type:ident)::+) => { <$($type)::+ as $crate::config::Setting>::EXPECTED };
    (@read $reader:ident $row:ident Option < $($inner:ident)::+ >) => { $reader.optional::<$($inner)::+>($row) };
    (@read $reader:ident $row:ident $($type:ident)::+) => { $reader.required::<$($type)::+>($row) };
}

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro declares public settings")]
mod tests {
    use super::*;

    settings! {
        /// For the tests below.
        pub struct Sample {
            /// A table.
            table: ResourceName = "TABLE", example "t";
            /// A share.
            share: Share = "SHARE", default "0.5";
            /// An origin.
            base: Option<Origin> = "BASE", example "https://a.example";
        }
    }

    fn vars(pairs: &[(&str, &str)]) -> Vars {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn all_faults_are_told_at_once_by_name() {
        let faults = Sample::read(&vars(&[("SHARE", "2"), ("BASE", "ftp://x")])).unwrap_err();
        let names: Vec<_> = faults.0.iter().map(|f| f.name).collect();
        assert_eq!(names, ["TABLE", "SHARE", "BASE"]);
    }

    #[test]
    fn defaults_and_absent_options_are_filled_in() {
        let sample = Sample::read(&vars(&[("TABLE", "x"), ("BASE", "")])).unwrap();
        assert_eq!(sample.share, Share(0.5));
        assert_eq!(sample.base, None);
        assert_eq!(sample.table.0, "x");
    }

    #[test]
    fn an_origin_loses_its_trailing_slash_and_may_have_no_path() {
        assert_eq!(
            Origin::parse("https://a.example/").map(|o| o.0),
            Some("https://a.example".to_owned())
        );
        assert_eq!(Origin::parse("https://a.example/x"), None);
    }

    #[test]
    fn a_base_url_may_have_a_path_and_nothing_behind_it() {
        let parsed = |text| BaseUrl::parse(text).map(|url| url.0);
        for (text, kept) in [
            ("https://a.example", "https://a.example"),
            ("https://a.example/", "https://a.example"),
            (
                "https://a.example:8443/app/v2/",
                "https://a.example:8443/app/v2",
            ),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(kept), "{text}");
        }
        for text in [
            "a.example/app",
            "ftp://a.example",
            "https://a.example/?x=1",
            "https://a.example/#x",
            "https://user@a.example",
            "/app",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn values_are_not_shown_by_debug() {
        let shown = format!("{:?}", vars(&[("AWS_SECRET_ACCESS_KEY", "hidden")]));
        assert!(!shown.contains("hidden"));
    }
}
