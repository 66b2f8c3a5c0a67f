//! Names of things: ids that authors choose, device ids that apps send, and the closed sets that
//! platforms, stores and genders are.

use sha2::{Digest, Sha256};

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

#[cfg(test)]
mod tests {
    use super::*;

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
