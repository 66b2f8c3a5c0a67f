//! Links that operators write and apps open.

use crate::tracking::Token;

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
    /// the click from all others and `{device_hash}` for what stands for its device. No other braces.
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
    /// What `url`, which is one of these, is for a click of the token. What is put in is letters and
    /// digits, so that it need not be percent-encoded anywhere; for a device that did not say which
    /// it is it is nothing.
    pub fn filled(url: &str, token: &Token) -> String {
        if !url.contains('{') {
            return url.to_owned();
        }
        let device = token.device.map(|device| device.to_string());
        url.replace(CLICK_ID, &token.click_id())
            .replace(DEVICE_HASH, &device.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;

    use super::*;
    use crate::{DeviceKey, Instant};

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
        let device = "09".repeat(16);
        assert_eq!(
            ClickUrl::filled(&url, &token),
            format!("https://a.example/{click}?d={device}&again={click}")
        );
        let nobody = Token {
            device: None,
            ..token
        };
        assert_eq!(
            ClickUrl::filled(&url, &nobody),
            format!("https://a.example/{click}?d=&again={click}")
        );
        assert!(ClickUrl::filled(&url, &token).parse::<HttpUrl>().is_ok());
    }
}
