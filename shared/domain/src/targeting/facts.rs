//! What is known of a device and its user at the time of a request.

use super::{AttributeValue, Attributes};
use crate::{
    Country, DeviceId, Gender, Locale, Platform, Store, Version, Weekday, identity::MemberId,
};

/// What targeting looks at. `None` is "not known", which no rule matches; an empty list is known.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    /// What the app runs on.
    pub platform: Option<Platform>,
    /// Where the app came from.
    pub store: Option<Store>,
    /// The app's version.
    pub app_version: Option<Version>,
    /// The app's build number.
    pub build: Option<u64>,
    /// The operating system's version.
    pub os_version: Option<Version>,
    /// Where the user is.
    pub country: Option<Country>,
    /// The user's language.
    pub locale: Option<&'a Locale>,
    /// The mobile carrier, as the device names it.
    pub carrier: Option<&'a str>,
    /// The device's model, as it names itself.
    pub model: Option<&'a str>,
    /// The user's age in years, no higher than it certainly is.
    pub age: Option<u16>,
    /// The user's gender.
    pub gender: Option<Gender>,
    /// The user's interests.
    pub interests: Option<Vec<&'a str>>,
    /// The segments that the app's own systems put the user in.
    pub segments: Option<Vec<&'a str>>,
    /// What the app's screen is about.
    pub keywords: Option<Vec<&'a str>>,
    /// The hour on the device's clock, 0–23.
    pub hour: Option<u8>,
    /// The day of the week on the device's calendar.
    pub weekday: Option<Weekday>,
    /// The profile's free attributes.
    pub attributes: Option<&'a Attributes>,
    /// The attributes that the app's own systems put; they win over the profile's.
    pub server_attributes: Option<&'a Attributes>,
    /// The device.
    pub device_id: Option<&'a DeviceId>,
    /// The member who is signed in.
    pub member: Option<MemberId>,
}

impl<'a> Facts<'a> {
    /// Returns the attribute of that name: the server's, or else the profile's.
    pub fn attribute(&self, name: &str) -> Option<&'a AttributeValue> {
        let from = |attributes: Option<&'a Attributes>| attributes?.get(name);
        from(self.server_attributes).or_else(|| from(self.attributes))
    }
}
