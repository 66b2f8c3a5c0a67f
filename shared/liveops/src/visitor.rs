//! Who asks: what the query says of them, or else a header, and which headers were looked at.

use std::net::IpAddr;

use domain::{
    Audience, Country, DeviceId, Instant, Locale, Platform, ReportedValue, Store, Version,
    allocation::DeviceTargeting, app_status, reported,
};
use kit::{
    Call,
    metrics::{self, Unit},
    middleware::Passed,
};

/// What a query says of its sender.
#[derive(Debug, Clone, Copy, Default)]
pub struct Said<'q> {
    /// What the app runs on.
    pub platform: Option<Platform>,
    /// Where it was installed from.
    pub store: Option<Store>,
    /// Its version.
    pub version: Option<&'q str>,
    /// Its build number.
    pub build: Option<u64>,
    /// The operating system's version.
    pub os_version: Option<&'q str>,
    /// The languages of its user, the most preferred first.
    pub languages: &'q [Locale],
    /// Where the user is.
    pub country: Option<Country>,
}

/// A query that says of its sender what routes of live operations go by.
pub trait Says {
    /// What it says.
    fn says(&self) -> Said<'_>;
}

/// Who asks. None of it is proved.
#[derive(Debug, Clone)]
pub struct Visitor {
    platform: Option<Platform>,
    store: Option<Store>,
    version: Option<String>,
    build: Option<u64>,
    os_version: Option<String>,
    languages: Vec<Locale>,
    country: Option<Country>,
    /// The device, where the app said which.
    pub device_id: Option<DeviceId>,
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// The headers that another value of could have made another answer.
    vary: Vec<&'static str>,
    /// What the maintenance gate knew of the request.
    passed: Passed,
}

impl Visitor {
    /// Takes what the query says, and else what headers do: `X-App-Platform`, `X-App-Store`,
    /// `X-App-Version`, `X-App-Build`, `Accept-Language`. The device is always that of `X-Device-Id`. What
    /// cannot be read counts as absent, so that a query that cannot be read hides no header. Versions that
    /// cannot be read are counted (`unreadable_version`).
    pub fn of<P, Q: Says, B>(call: &Call<P, Q, B>) -> Self {
        let said = call.query.says();
        let mut vary = Vec::with_capacity(6);
        let mut header = |name, is_said: bool| {
            if is_said {
                return None;
            }
            vary.push(name);
            call.header(name)
        };
        let platform = header("x-app-platform", said.platform.is_some());
        let store = header("x-app-store", said.store.is_some());
        let is_readable = |text: &str| Version::parse(text).is_some();
        let version = header("x-app-version", said.version.is_some_and(is_readable));
        let build = header("x-app-build", said.build.is_some());
        // The middleware has read it.
        let _ = header("accept-language", !said.languages.is_empty());
        let _ = header("x-device-id", false);
        let version = version.filter(|version| !version.trim().is_empty());
        // Of two that cannot be read one is kept, because such versions are counted.
        let version = match version {
            Some(header) if is_readable(header) => Some(header),
            header => said.version.or(header),
        };
        let languages = match said.languages {
            [] => &call.facts.languages,
            queried => queried,
        };
        let visitor = Self {
            platform: said.platform.or_else(|| Platform::reported(platform?)),
            store: said.store.or_else(|| Store::reported(store?)),
            version: version.map(ToOwned::to_owned),
            build: said.build.or_else(|| reported::build(build?)),
            os_version: said.os_version.map(ToOwned::to_owned),
            languages: languages.to_vec(),
            country: said.country,
            device_id: call.device_id(),
            address: call.facts.address,
            vary,
            passed: call.passed,
        };
        visitor.count_unreadable_versions(call.now());
        visitor
    }

    /// For targeting, with what is stored of the device.
    pub fn audience<'a>(&'a self, stored: Option<&'a DeviceTargeting>) -> Audience<'a> {
        Audience {
            platform: self.platform,
            store: self.store,
            version: self.version.as_deref(),
            build: self.build,
            os_version: self.os_version.as_deref(),
            country: self.country,
            languages: &self.languages,
            device_id: self.device_id.as_ref(),
            member: None,
            profile: stored.and_then(|stored| stored.profile.as_ref()),
            segments: stored.and_then(|stored| stored.segments.as_ref()),
        }
    }

    /// For the app's status.
    pub fn caller(&self) -> app_status::Caller<'_> {
        app_status::Caller {
            platform: self.platform,
            store: self.store,
            version: self.version.as_deref(),
            build: self.build,
            os_version: self.os_version.as_deref(),
            languages: &self.languages,
            device_id: self.device_id.as_ref(),
            address: self.address,
        }
    }

    /// The languages in which texts are wanted, the most preferred first.
    pub fn languages(&self) -> &[Locale] {
        &self.languages
    }

    /// Counts the versions that were reported and cannot be read, for operators: they open every gate and
    /// match no rule.
    fn count_unreadable_versions(&self, now: Instant) {
        let platform = self.platform.or(self.store.map(Store::platform));
        let platform = platform.map_or("unknown", Platform::as_str);
        for version_of in self.unreadable_versions() {
            metrics::emit_by(
                now,
                ("unreadable_version", Unit::Count, 1.0),
                [("platform", platform), ("version_of", version_of)],
            );
        }
    }

    /// Of what a version was reported that cannot be read: `app`, `os`.
    fn unreadable_versions(&self) -> impl Iterator<Item = &'static str> {
        [("app", &self.version), ("os", &self.os_version)]
            .into_iter()
            .filter_map(|(version_of, version)| {
                let is_unreadable = Version::parse(version.as_deref()?).is_none();
                is_unreadable.then_some(version_of)
            })
    }

    /// The names of the headers that the answer depends on.
    pub(crate) fn vary(&self) -> &[&'static str] {
        &self.vary
    }

    /// What the maintenance gate knew of the request.
    pub(crate) fn passed(&self) -> Passed {
        self.passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(version: Option<&str>, os_version: Option<&str>) -> Visitor {
        Visitor {
            platform: None,
            store: None,
            version: version.map(ToOwned::to_owned),
            build: None,
            os_version: os_version.map(ToOwned::to_owned),
            languages: Vec::new(),
            country: None,
            device_id: None,
            address: None,
            vary: Vec::new(),
            passed: Passed::default(),
        }
    }

    #[test]
    fn unreadable_versions_are_counted_apart_for_the_app_and_its_system() {
        for (version, os_version, unreadable) in [
            (None, None, &[] as &[&str]),
            (Some("v4.1 (9)"), Some("15"), &[]),
            (Some("canary"), Some("15"), &["app"]),
            (Some("4.1"), Some("Vanilla Ice Cream"), &["os"]),
            (Some("-"), Some("?"), &["app", "os"]),
        ] {
            let visitor = visitor(version, os_version);
            let counted: Vec<_> = visitor.unreadable_versions().collect();
            assert_eq!(counted, unreadable, "{version:?} {os_version:?}");
        }
    }
}
