//! Links that operators write and apps open.

use std::{borrow::Cow, fmt, str::FromStr};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::{DeviceKey, tracking::Token};

/// The most characters that a link may have, as a URI.
const LONGEST: usize = 2048;

/// Schemes that run code or read what is on the device: no link has one of them.
const NEVER: [&str; 6] = [
    "blob",
    "data",
    "file",
    "filesystem",
    "javascript",
    "vbscript",
];

/// What is percent-encoded where an IRI becomes a URI (RFC 3987, section 3.1): all that is not ASCII.
/// Illegal characters of ASCII are refused before.
const NOT_ASCII: &AsciiSet = CONTROLS;

/// Why a text is no link, with what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It has no scheme.
    #[error("is not an absolute URL: write one such as https://example.com/page")]
    Relative,
    /// Its scheme runs code or reads files.
    #[error("links with {0}: are never accepted: write an https URL")]
    Forbidden(String),
    /// It is a link of an app where a page or a picture is wanted.
    #[error("must begin with https:// or http://")]
    NotWeb,
    /// There is no host behind the scheme.
    #[error("has no host: write one behind the scheme, as in https://example.com/page")]
    NoHost,
    /// The host cannot be written as a domain name.
    #[error("has a host that is not a domain name or an address")]
    BadHost,
    /// A character that no URL has.
    #[error("has the character {0:?}, which no URL has: write {1} for it")]
    Character(char, String),
    /// Braces that stand for nothing.
    #[error("may have only {{click_id}} and {{device_hash}} in braces, and only behind the host")]
    Braces,
    /// Too many characters.
    #[error("must have at most {LONGEST} characters, as a URI without characters beyond ASCII")]
    TooLong,
}

/// What a link may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `http` or `https`.
    Web,
    /// The same, or an app's own scheme.
    Any,
    /// The same, with macros behind the host.
    Click,
}

macro_rules! link_type {
    ($(#[$meta:meta])* $name:ident, $form:expr, $format:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The URI.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether the text is one of these as it stands.
            pub fn accepts(text: &str) -> bool {
                matches!(uri(text, $form), Ok(Cow::Borrowed(_)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = LinkError;

            fn from_str(text: &str) -> Result<Self, LinkError> {
                uri(text, $form).map(|uri| Self(uri.into()))
            }
        }

        text_in_json!($name);

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "minLength": 1,
                    "maxLength": LONGEST,
                    "format": $format,
                })
            }
        }
    };
}

link_type! {
    /// An absolute `http` or `https` URL of at most 2,048 characters. What is written as an IRI becomes
    /// a URI, so that it is safe to put in a `Location` header and in an HTML attribute.
    HttpUrl, Form::Web, "http-url"
}

link_type! {
    /// A link that an app opens: an [`HttpUrl`], or a URI with an app's own scheme. Which of those a stage
    /// accepts is a matter of [`LinkSchemes`].
    Link, Form::Any, "link"
}

link_type! {
    /// Where a click leads: a [`Link`] that may have, behind its host, `{click_id}` for what tells the
    /// click from all others and `{device_hash}` for a hash of its device, another one for each advertiser.
    /// No other braces.
    ClickUrl, Form::Click, "click-url"
}

/// The app schemes that a stage accepts in links, beside `https` and `http`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkSchemes(Vec<Box<str>>);

impl LinkSchemes {
    /// Why operators may not write this link, if so; it is a valid one.
    pub(crate) fn refuse(&self, link: &str) -> Option<String> {
        let (scheme, rest) = link.split_once(':')?;
        if is_web(scheme) {
            let authority = rest.trim_start_matches('/').split(['/', '?', '#']).next()?;
            return authority.contains('@').then(|| {
                "has user information before its host: write the URL without what is before the @"
                    .to_owned()
            });
        }
        (!self.0.iter().any(|listed| **listed == *scheme)).then(|| match self.0.join(", ") {
            listed if listed.is_empty() => {
                "must begin with https:// or http://: this stage lists no app schemes (LINK_SCHEMES)"
                    .to_owned()
            }
            listed => format!(
                "must begin with https:// or http://, or with an app scheme of this stage: {listed}"
            ),
        })
    }
}

impl FromStr for LinkSchemes {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        let schemes = text
            .split(',')
            .map(str::trim)
            .filter(|scheme| !scheme.is_empty());
        let scheme = |scheme: &str| {
            let lower = scheme.to_ascii_lowercase();
            match lower {
                _ if !is_scheme(&lower) => Err(LinkError::Relative),
                lower if NEVER.contains(&&*lower) => Err(LinkError::Forbidden(lower)),
                lower => Ok(lower.into_boxed_str()),
            }
        };
        schemes.map(scheme).collect::<Result<_, _>>().map(Self)
    }
}

/// The URI that a text is, or that it stands for as an IRI.
fn uri(text: &str, form: Form) -> Result<Cow<'_, str>, LinkError> {
    let (scheme, rest) = text.split_once(':').ok_or(LinkError::Relative)?;
    if !is_scheme(scheme) {
        // A colon may be anywhere in a path or in a host with a port.
        return Err(match illegal(text, form) {
            Some(character) => character,
            None => LinkError::Relative,
        });
    }
    let lower = scheme.to_ascii_lowercase();
    if NEVER.contains(&&*lower) {
        return Err(LinkError::Forbidden(lower));
    }
    if form == Form::Web && !is_web(&lower) {
        return Err(LinkError::NotWeb);
    }
    if let Some(refused) = illegal(rest, form) {
        return Err(refused);
    }
    let rest = match is_web(&lower) {
        true => web(rest)?,
        false if rest.trim_start_matches('/').is_empty() => return Err(LinkError::NoHost),
        false => encoded(rest),
    };
    if form == Form::Click {
        check_braces(&rest, is_web(&lower))?;
    }
    if scheme.len() + 1 + rest.len() > LONGEST {
        return Err(LinkError::TooLong);
    }
    match rest {
        Cow::Borrowed(_) if *scheme == *lower => Ok(Cow::Borrowed(text)),
        rest => Ok(Cow::Owned(format!("{lower}:{rest}"))),
    }
}

fn is_web(scheme: &str) -> bool {
    matches!(scheme, "http" | "https")
}

/// RFC 3986, section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// The first character that neither URIs nor IRIs have. Invisible ones and those that change the
/// direction of the text are not accepted unescaped either, because nobody would see them.
fn illegal(text: &str, form: Form) -> Option<LinkError> {
    let is_legal = |c: char| match c {
        '{' | '}' => form == Form::Click,
        _ if c.is_ascii() => c.is_ascii_graphic() && !"\"<>\\^`|".contains(c),
        _ => !(c.is_control() || c.is_whitespace() || is_invisible(c)),
    };
    text.chars().find(|c| !is_legal(*c)).map(|c| {
        let mut utf8 = [0; 4];
        let bytes = c.encode_utf8(&mut utf8).bytes();
        LinkError::Character(c, bytes.map(|byte| format!("%{byte:02X}")).collect())
    })
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// What is behind the scheme of a web URL, its host as ASCII (RFC 5890).
fn web(whole: &str) -> Result<Cow<'_, str>, LinkError> {
    let rest = whole.strip_prefix("//").ok_or(LinkError::NoHost)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if authority.is_empty() || host.is_empty() || authority.starts_with([':', '@']) {
        return Err(LinkError::NoHost);
    }
    if authority.is_ascii()
        && !authority.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
    {
        return Err(LinkError::BadHost);
    }
    if authority.is_ascii() && path.is_ascii() {
        return Ok(Cow::Borrowed(whole));
    }
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, format!(":{port}")),
        None => (host, String::new()),
    };
    let name = match host.is_ascii() {
        true => name.to_owned(),
        false => idna::domain_to_ascii_strict(name).map_err(|_| LinkError::BadHost)?,
    };
    let user = user
        .map(|user| format!("{}@", encoded(user)))
        .unwrap_or_default();
    Ok(Cow::Owned(format!("//{user}{name}{port}{}", encoded(path))))
}

fn encoded(text: &str) -> Cow<'_, str> {
    match text.is_ascii() {
        true => Cow::Borrowed(text),
        false => Cow::Owned(utf8_percent_encode(text, NOT_ASCII).to_string()),
    }
}

/// Braces are macros', and macros are behind the host.
fn check_braces(rest: &str, is_web: bool) -> Result<(), LinkError> {
    let Some(first) = rest.find('{') else {
        return if rest.contains('}') {
            Err(LinkError::Braces)
        } else {
            Ok(())
        };
    };
    let before = rest.get(..first).unwrap_or_default();
    let before = before.trim_start_matches('/');
    let is_behind_host = before.contains(['/', '?', '#']) || !is_web && !before.is_empty();
    let without_macros = rest.replace(CLICK_ID, "").replace(DEVICE_HASH, "");
    match is_behind_host && !without_macros.contains(['{', '}']) {
        true => Ok(()),
        false => Err(LinkError::Braces),
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
            let url = good.parse::<HttpUrl>().unwrap();
            assert_eq!(url.as_str(), good, "as it stands");
            assert!(HttpUrl::accepts(good), "{good}");
        }
        for bad in [
            "",
            "http://",
            "https:///path",
            "https:example.com",
            "https://:80/",
            "https://@/",
            "https://-a.example/",
            "ftp://example.com",
            "myapp://open",
            "javascript:alert(1)",
            "//example.com",
            "example.com",
            "https://example.com/\r\nSet-Cookie: a=b",
            "https://example.com/a b",
            "https://example.com/\"onload=",
            "https://example.com/\u{202e}gpj.exe",
            "https://example.com/\u{a0}",
            "https://예 시.com",
            "https://\u{fffd}.com",
            &format!("https://example.com/{}", "a".repeat(2048)),
            &format!("https://example.com/{}", "가".repeat(300)),
        ] {
            assert!(bad.parse::<HttpUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_iri_becomes_the_uri_that_it_stands_for() {
        for (iri, uri) in [
            (
                "https://example.com/여행",
                "https://example.com/%EC%97%AC%ED%96%89",
            ),
            (
                "https://예시.한국/길?이름=값&a=%20#끝",
                "https://xn--vv4b11d.xn--3e0b707e/%EA%B8%B8?%EC%9D%B4%EB%A6%84=%EA%B0%92&a=%20#%EB%81%9D",
            ),
            ("https://예시.com:8443", "https://xn--vv4b11d.com:8443"),
            (
                "https://[2001:db8::1]:8443/길",
                "https://[2001:db8::1]:8443/%EA%B8%B8",
            ),
            ("HTTPS://example.com/A", "https://example.com/A"),
            ("https://example.com/é", "https://example.com/%C3%A9"),
        ] {
            let link = iri.parse::<Link>().unwrap();
            assert_eq!(link.as_str(), uri);
            assert!(Link::accepts(uri) && !Link::accepts(iri), "{iri}");
        }
        let app = "MyApp://열기?대상=선물".parse::<Link>().unwrap();
        assert_eq!(
            app.as_str(),
            "myapp://%EC%97%B4%EA%B8%B0?%EB%8C%80%EC%83%81=%EC%84%A0%EB%AC%BC"
        );
        let click = "https://예시.com/길/{click_id}"
            .parse::<ClickUrl>()
            .unwrap();
        assert_eq!(
            click.as_str(),
            "https://xn--vv4b11d.com/%EA%B8%B8/{click_id}"
        );
    }

    #[test]
    fn apps_have_schemes_of_their_own_and_code_has_none() {
        for good in [
            "myapp://open?x=1",
            "tel:+8210",
            "mailto:a@b.example",
            "itms-apps://x/y",
        ] {
            assert_eq!(good.parse::<Link>().unwrap().as_str(), good);
        }
        for bad in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "blob:https://a.example/1",
        ] {
            let refused = bad.parse::<Link>().unwrap_err();
            assert!(matches!(refused, LinkError::Forbidden(_)), "{bad}");
            assert!(bad.parse::<ClickUrl>().is_err(), "{bad}");
        }
        for bad in ["myapp:", "myapp://", "1app://x", "my_app://x", "/a:b"] {
            assert!(bad.parse::<Link>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_write() {
        for (text, told) in [
            ("example", "https://example.com/page"),
            ("https:///", "has no host"),
            ("https://a.example/a b", "write %20"),
            ("https://a.example/\u{2028}", "write %E2%80%A8"),
            ("https://a.example/{gaid}", "{click_id} and {device_hash}"),
            ("javascript:x", "write an https URL"),
        ] {
            let message = text.parse::<ClickUrl>().unwrap_err().to_string();
            assert!(message.contains(told), "{text}: {message}");
        }
    }

    #[test]
    fn a_stage_lists_the_schemes_of_its_apps() {
        let schemes: LinkSchemes = "MyApp, itms-apps".parse().unwrap();
        let refused = |link: &str| schemes.refuse(link);
        for good in [
            "https://a.example",
            "myapp://x",
            "itms-apps://x",
            "https://a.example/@b",
        ] {
            assert_eq!(refused(good), None, "{good}");
        }
        assert!(refused("market://x").unwrap().contains("myapp, itms-apps"));
        for bad in [
            "https://a@b.example/",
            "https://a:b@c.example",
            "http://@a.example/",
        ] {
            assert!(refused(bad).unwrap().contains("before the @"), "{bad}");
        }
        let none = LinkSchemes::default();
        assert!(none.refuse("myapp://x").unwrap().contains("LINK_SCHEMES"));
        for bad in ["my app", "javascript", "a,FILE", "://"] {
            assert!(bad.parse::<LinkSchemes>().is_err(), "{bad}");
        }
        assert_eq!("".parse(), Ok(none));
    }

    #[test]
    fn a_click_url_has_macros_behind_its_host_and_no_other_braces() {
        for (text, good) in [
            ("https://a.example", true),
            ("http://[::1]:8080/x?y#z", true),
            ("https://a.example/{click_id}", true),
            ("https://a.example?c={click_id}&d={device_hash}", true),
            ("https://a.example/#{device_hash}{device_hash}", true),
            ("myapp://open?c={click_id}", true),
            ("myapp:{click_id}", false),
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
            assert_eq!(ClickUrl::accepts(text), good, "{text}");
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
