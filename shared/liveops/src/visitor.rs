//! Who asks: what the query says of them, or else a header, and which headers were looked at.

use std::{net::IpAddr, str::FromStr};

use domain::{
    Audience, Country, DeviceId, Locale, Platform, Store, allocation::DeviceTargeting, app_status,
};
use kit::{Call, Code, Problem, middleware::Passed};

/// What a query says of its sender.
#[derive(Debug, Clone, Copy, Default)]
pub struct Said<'q> {
    /// What the app runs on.
    pub platform: Option<Platform>,
    /// Where it was installed from.
    pub store: Option<Store>,
    /// Its version.
    pub version: Option<&'q str>,
    /// The operating system's version.
    pub os_version: Option<&'q str>,
    /// The language of its user.
    pub locale: Option<&'q Locale>,
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
    os_version: Option<String>,
    locale: Option<Locale>,
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
    /// `X-App-Version`, `Accept-Language`. The device is always that of `X-Device-Id`.
    ///
    /// # Errors
    /// 400 `invalid_header` where a header that counts says nothing we know.
    pub fn of<P, Q: Says, B>(call: &Call<P, Q, B>) -> Result<Self, Problem> {
        let said = call.query.says();
        let mut vary = Vec::with_capacity(5);
        let mut header = |name, is_said: bool| {
            if is_said {
                return None;
            }
            vary.push(name);
            call.header(name).map(|text| (name, text))
        };
        let platform = header("x-app-platform", said.platform.is_some());
        let store = header("x-app-store", said.store.is_some());
        let version = header("x-app-version", said.version.is_some());
        // The middleware has read it.
        let _ = header("accept-language", said.locale.is_some());
        let _ = header("x-device-id", false);
        let version = said.version.or_else(|| version.map(|(_, text)| text));
        Ok(Self {
            platform: known(platform)?.or(said.platform),
            store: known(store)?.or(said.store),
            version: version.map(ToOwned::to_owned),
            os_version: said.os_version.map(ToOwned::to_owned),
            locale: said.locale.or(call.facts.locale.as_ref()).cloned(),
            country: said.country,
            device_id: call.device_id()?,
            address: call.facts.address,
            vary,
            passed: call.passed,
        })
    }

    /// For targeting, with what is stored of the device.
    pub fn audience<'a>(&'a self, stored: Option<&'a DeviceTargeting>) -> Audience<'a> {
        Audience {
            platform: self.platform,
            store: self.store,
            version: self.version.as_deref(),
            os_version: self.os_version.as_deref(),
            country: self.country,
            locale: self.locale.as_ref(),
            device_id: self.device_id.as_ref(),
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
            os_version: self.os_version.as_deref(),
            locale: self.locale.as_ref(),
            device_id: self.device_id.as_ref(),
            address: self.address,
        }
    }

    /// The language that texts are wanted in.
    pub fn locale(&self) -> Option<&Locale> {
        self.locale.as_ref()
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

/// What an `X-App-…` header says; one that says nothing we know is refused by name.
fn known<T: FromStr>(header: Option<(&'static str, &str)>) -> Result<Option<T>, Problem> {
    header
        .map(|(name, text)| {
            text.parse().map_err(|_| {
                Problem::new(Code::InvalidHeader).detail(format!("{name} has no known value"))
            })
        })
        .transpose()
}
