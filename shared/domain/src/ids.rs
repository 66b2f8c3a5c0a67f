//! Names of things: ids that authors choose, device ids that apps send, and the closed sets that
//! platforms, stores and genders are.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

use crate::{define::BadText, reported::ReportedValue};

text_type! {
    /// An id chosen by the author of a thing: a campaign, a creative, a placement, a content item.
    pub struct Id {
        expected: "1 to 64 of a-z, 0-9, `_` and `-`",
        length: 1..=64,
        pattern: "^[a-z0-9_-]*$",
        accept: |text| text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')),
    }
}

text_type! {
    /// The id an app gives its device.
    pub struct DeviceId {
        expected: "1 to 128 of A-Z, a-z, 0-9, `.`, `_`, `:` and `-`",
        length: 1..=128,
        pattern: "^[A-Za-z0-9._:-]*$",
        accept: |text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b)),
    }
}

/// The fewest characters of an id that tells one device from all others.
const SHORTEST_OWN_DEVICE_ID: usize = 16;

impl DeviceId {
    /// Whether many devices have this id, so that it names none of them: an id of zeros (the advertising
    /// id of who limits tracking) or of `f`s, ids that faulty Android builds share, and whatever is too
    /// short to be a device's own (`unknown`, `null`).
    pub fn is_shared(&self) -> bool {
        let digits = || {
            let bytes = self.0.bytes().filter(u8::is_ascii_alphanumeric);
            bytes.map(|byte| byte.to_ascii_lowercase())
        };
        let all = |same: u8| digits().all(|digit| digit == same);
        self.0.len() < SHORTEST_OWN_DEVICE_ID
            || all(b'0')
            || all(b'f')
            || SHARED_DEVICE_IDS
                .iter()
                .any(|shared| digits().eq(shared.bytes()))
    }
}

impl ReportedValue for DeviceId {
    /// Reads an id that a client reports about its device. One that many devices share counts as absent,
    /// because whatever is stored or counted by it would be everybody's.
    fn reported(text: &str) -> Option<Self> {
        let id: Self = text.trim().parse().ok()?;
        (!id.is_shared()).then_some(id)
    }
}

/// Ids that many devices share, letters and digits only.
const SHARED_DEVICE_IDS: [&str; 2] = [
    // `ANDROID_ID` of a faulty Android 2.2 and of emulators.
    "9774d56d682e549c",
    // The address that Android gives for every network interface.
    "020000000000",
];

text_type! {
    /// A word of the author's own vocabulary: an interest, a segment, an advertiser, a category,
    /// a type of creative.
    pub struct Label {
        expected: "1 to 100 characters, none of them a control character",
        length: 1..=100,
        pattern: r"^[^\x00-\x1F\x7F]*$",
        accept: |text| text.chars().all(|c| c > '\u{1f}' && c != '\u{7f}'),
    }
}

closed_set! {
    /// What the app runs on.
    pub enum Platform {
        /// iOS and iPadOS.
        Ios = "ios",
        /// Android.
        Android = "android",
        /// A browser.
        Web = "web",
    }
}

closed_set! {
    /// Where the app was installed from.
    pub enum Store {
        /// Apple's App Store.
        AppStore = "app_store",
        /// Google Play.
        GooglePlay = "google_play",
        /// ONE store.
        Onestore = "onestore",
        /// Samsung's Galaxy Store.
        GalaxyStore = "galaxy_store",
        /// No store: a browser.
        Web = "web",
    }
}

impl Store {
    /// The platform whose apps the store carries.
    pub const fn platform(self) -> Platform {
        match self {
            Self::AppStore => Platform::Ios,
            Self::GooglePlay | Self::Onestore | Self::GalaxyStore => Platform::Android,
            Self::Web => Platform::Web,
        }
    }
}

closed_set! {
    /// The gender a user gave.
    pub enum Gender {
        /// Female.
        Female = "female",
        /// Male.
        Male = "male",
        /// Neither of the two.
        Other = "other",
    }
}

/// The 64-bit key that stands for an id where bytes are dear (tracking tokens, keys of marks): the
/// first eight bytes of its SHA-256, big-endian. A publish refuses two ids with one key.
pub fn key_of(id: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    digest
        .first_chunk()
        .map_or(0, |first| u64::from_be_bytes(*first))
}

/// What stands for a device wherever something is kept of it or handed out about it: the first 128
/// bits of the SHA-256 of its id, so that the id itself is kept nowhere. Written as 32 hexadecimal
/// digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey([u8; 16]);

impl DeviceKey {
    /// The key of a device.
    pub fn of(device: &DeviceId) -> Self {
        let digest: [u8; 32] = Sha256::digest(device.as_bytes()).into();
        Self(digest.first_chunk().copied().unwrap_or_default())
    }

    /// From the bytes that [`as_bytes`](Self::as_bytes) gave.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DeviceKey {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let hexadecimal = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let bits = u128::from_str_radix(text, 16).ok();
        let bits = bits.filter(|_| hexadecimal).ok_or(BadText {
            expected: "32 hexadecimal digits",
        })?;
        Ok(Self(bits.to_be_bytes()))
    }
}

text_in_json!(DeviceKey);

impl schemars::JsonSchema for DeviceKey {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DeviceKey".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_key_is_the_start_of_the_sha_256_and_reads_what_it_writes() {
        // SHA-256("abc") is the first example of FIPS 180-2.
        let key = DeviceKey::of(&"abc".parse().unwrap());
        assert_eq!(key.to_string(), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(key.to_string().parse::<DeviceKey>().unwrap(), key);
        for bad in [
            "",
            "ba78",
            "+a7816bf8f01cfea414140de5dae2223",
            &"g".repeat(32),
        ] {
            assert!(bad.parse::<DeviceKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_that_many_devices_share_count_as_absent() {
        for shared in [
            "",
            "unknown",
            "null",
            "undefined",
            "a b",
            "phone-1",
            " 123456789012345 ",
            "00000000-0000-0000-0000-000000000000",
            "00000000000000000000000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "9774d56d682e549c",
            "9774D56D682E549C",
            "02:00:00:00:00:00",
            "00:00:00:00:00:00",
            "----------------",
        ] {
            assert_eq!(DeviceId::reported(shared), None, "{shared}");
        }
        for own in [
            "9774d56d682e549d",
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "00000000-0000-0000-0000-000000000001",
            "aaaaaaaaaaaaaaaa",
        ] {
            for sent in [own.to_owned(), format!(" {own}\n")] {
                let read = DeviceId::reported(&sent);
                assert_eq!(read.as_deref(), Some(own), "{sent:?}");
            }
        }
    }

    #[test]
    fn reported_text_that_is_no_device_id_counts_as_absent() {
        for unreadable in [
            "a b a b a b a b a b",
            &"x".repeat(129),
            "{3f2504e0-4f89-11d3}",
            "{00000000-0000-0000-0000-000000000000}",
            "3f2504e0/4f89/11d3/9a0c",
            "기기-3f2504e0-4f89-11d3",
            "휴대전화",
            "3f2504e0-4f89\u{0}-11d3-9a0c",
        ] {
            assert_eq!(DeviceId::reported(unreadable), None, "{unreadable}");
        }
    }

    #[test]
    fn ids_accept_their_alphabet_and_length_only() {
        for good in ["a", "open-bandit_1", &"x".repeat(64)] {
            assert_eq!(good.parse::<Id>().unwrap().as_str(), good);
        }
        for bad in ["", "A", "a b", "é", "a/b", &"x".repeat(65)] {
            assert!(bad.parse::<Id>().is_err(), "{bad}");
        }
        assert!("4F:9a.b_c-d".parse::<DeviceId>().is_ok());
        assert!("a b".parse::<DeviceId>().is_err());
        assert!("여행".repeat(50).parse::<Label>().is_ok());
        assert!("여행".repeat(51).parse::<Label>().is_err());
        assert!("a\u{0}".parse::<Label>().is_err());
    }

    #[test]
    fn closed_sets_read_what_they_write() {
        for store in Store::ALL {
            let json = serde_json::to_string(store).unwrap();
            assert_eq!(serde_json::from_str::<Store>(&json).unwrap(), *store);
        }
        assert!(serde_json::from_str::<Platform>("\"iOS\"").is_err());
        assert!(serde_json::from_str::<Platform>("1").is_err());
    }

    #[test]
    fn a_key_is_the_start_of_the_sha_256() {
        // SHA-256("abc") is the first example of FIPS 180-2.
        assert_eq!(key_of("abc"), 0xba78_16bf_8f01_cfea);
    }
}
