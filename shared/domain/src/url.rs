//! Links that operators write and apps open.

use sha2::{Digest, Sha256};

use crate::{DeviceKey, tracking::Token};

text_type! {
    /// An absolute `http` or `https` URL in ASCII, of at most 2,048 characters. It is safe to put in
    /// a `Location` header and in an HTML attribute.
    pub struct HttpUrl {
        expected: "an http or https URL",
        length: 1..=2048,
        pattern: r"^https?://[A-Za-z0-9\[][!#-;=?-\[\]_a-z~]*$",
        accept: |text| {
            let rest = text
                .strip_prefix("https://")
                .or_else(|| text.strip_prefix("http://"))
                .unwrap_or_default();
            rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
                && rest.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))
        },
    }
}

text_type! {
    /// Where a click leads: an [`HttpUrl`] that may say, after its host, `{click_id}` for what tells
    /// the click from all others and `{device_hash}` for a hash of its device, another one for each
    /// advertiser. No other braces.
    pub struct ClickUrl {
        expected: "an http or https URL, in braces only {click_id} or {device_hash}, after the host",
        length: 1..=2048,
        pattern: r"^https?://[A-Za-z0-9\[][!$-.0-;=@-\[\]_a-z~]*(?:[/?#](?:[!#-;=?-\[\]_a-z~]|\{click_id\}|\{device_hash\})*)?$",
        accept: |text| {
            let host_is_fixed = text.find('{').is_none_or(|at| {
                let rest = text.get(..at).and_then(|before| before.split_once("://"));
                rest.is_some_and(|(_, rest)| rest.contains(['/', '?', '#']))
            });
            host_is_fixed && HttpUrl::accepts(&text.replace(CLICK_ID, "x").replace(DEVICE_HASH, "x"))
        },
    }
}

const CLICK_ID: &str = "{click_id}";
const DEVICE_HASH: &str = "{device_hash}";

impl ClickUrl {
    /// Returns what `url`, which is one of these, is for a click of the token; `advertiser` is the key
    /// ([`key_of`](crate::key_of)) of the campaign's advertiser. What is put in is letters and digits, so
    /// that it need not be percent-encoded anywhere; for a device without an id it is empty.
    pub fn filled(url: &str, token: &Token, advertiser: u64) -> String {
        if !url.contains('{') {
            return url.to_owned();
        }
        let device = token.device.map(|device| device_hash(device, advertiser));
        url.replace(CLICK_ID, &token.click_id())
            .replace(DEVICE_HASH, &device.unwrap_or_default())
    }
}

/// The first 128 bits of a SHA-256 of the device's key and the advertiser's, as 32 hexadecimal digits. Two
/// advertisers cannot tell by it that they have met the same device.
fn device_hash(device: DeviceKey, advertiser: u64) -> String {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(b"device-hash")
        .chain_update(advertiser.to_be_bytes())
        .chain_update(device.as_bytes())
        .finalize()
        .into();
    let first = digest.first_chunk().copied().unwrap_or_default();
    DeviceKey::from_bytes(first).to_string()
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;

    use super::*;
    use crate::Instant;

    #[test]
    fn accepts_web_links_and_nothing_that_could_break_a_header() {
        for good in [
            "http://a",
            "https://example.com/a/b?c=d&e=%ED%95%9C#f",
            "https://[::1]:8080/",
            "https://play.google.com/store/apps/details?id=com.example",
        ] {
            assert!(good.parse::<HttpUrl>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "http://",
            "https:///path",
            "ftp://example.com",
            "javascript:alert(1)",
            "//example.com",
            "HTTPS://example.com",
            "https://example.com/\r\nSet-Cookie: a=b",
            "https://example.com/a b",
            "https://example.com/\"onload=",
            "https://예시.com",
            &format!("https://example.com/{}", "a".repeat(2048)),
        ] {
            assert!(bad.parse::<HttpUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_click_url_has_macros_after_its_host_and_no_other_braces() {
        let schema = ClickUrl::json_schema(&mut schemars::SchemaGenerator::default());
        let pattern = schema.get("pattern").and_then(|pattern| pattern.as_str());
        let pattern = regex_lite::Regex::new(pattern.unwrap()).unwrap();
        for (text, good) in [
            ("https://a.example", true),
            ("http://[::1]:8080/x?y#z", true),
            ("https://a.example/{click_id}", true),
            ("https://a.example?c={click_id}&d={device_hash}", true),
            ("https://a.example/#{device_hash}{device_hash}", true),
            ("https://{click_id}.example/", false),
            ("https://a{click_id}/", false),
            ("https://a.example:{click_id}/", false),
            ("{click_id}", false),
            ("https://a.example/{gaid}", false),
            ("https://a.example/{}", false),
            ("https://a.example/{click_id", false),
            ("https://a.example/click_id}", false),
            ("https://a.example/{{click_id}}", false),
            ("https://a.example/{CLICK_ID}", false),
            ("https://a.example/ {click_id}", false),
            ("javascript:{click_id}", false),
        ] {
            assert_eq!(text.parse::<ClickUrl>().is_ok(), good, "{text}");
            assert_eq!(pattern.is_match(text), good, "{text}");
        }
    }

    #[test]
    fn macros_are_replaced_by_what_the_token_says() {
        let token = Token {
            request: [0xff; 16],
            slot: 2,
            campaign: 0xab,
            creative: 1,
            placement: 1,
            issue_minute: 1,
            device: Some(DeviceKey::from_bytes([9; 16])),
            pricing: None,
            price_micros: 0,
            lease: None,
            expires_at: Instant::default(),
        };
        let url: ClickUrl = "https://a.example/{click_id}?d={device_hash}&again={click_id}"
            .parse()
            .unwrap();
        let click = "7zzzzzzzzzzzzzzzzzzzzzzzzz00000000000000ab";
        let device = device_hash(DeviceKey::from_bytes([9; 16]), 5);
        assert_eq!(device.len(), 32);
        assert!(
            !device.contains("0909"),
            "the device's own key is not given away"
        );
        assert_eq!(
            ClickUrl::filled(&url, &token, 5),
            format!("https://a.example/{click}?d={device}&again={click}")
        );
        assert_ne!(
            ClickUrl::filled(&url, &token, 6),
            ClickUrl::filled(&url, &token, 5),
            "another advertiser's"
        );
        let nobody = Token {
            device: None,
            ..token
        };
        assert_eq!(
            ClickUrl::filled(&url, &nobody, 5),
            format!("https://a.example/{click}?d=&again={click}")
        );
        assert!(ClickUrl::filled(&url, &token, 5).parse::<HttpUrl>().is_ok());
    }
}
