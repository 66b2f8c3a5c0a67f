//! `GET /withdrawal`: in Korean for whoever reads Korean best, in English for everybody else.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode, header};
use kit::{Call, Nothing, Problem, Reply, config::Setting, reply::Raw};

use crate::{State, store_name::StoreName};

pub(crate) const STYLE: &str = include_str!("../assets/style.css");

/// No script, nothing from elsewhere, and no style but the page's own, by its hash.
const POLICY: &str = "default-src 'none'; \
    style-src 'sha256-dUq1x7BTn4+4w8n9cNNKbWbFNGbB5G+fV44UFanXrxU='; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whom to write to: a mail address, or a page of the app's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact(String);

impl Setting for Contact {
    const EXPECTED: &'static str = "a mail address, or an https URL";

    /// Nothing that could end an attribute or a tag.
    fn parse(text: &str) -> Option<Self> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "@.-_+/:%".contains(c);
        let is_mail = text
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
            && !text.contains(['/', ':', '%']);
        let is_page = text
            .strip_prefix("https://")
            .is_some_and(|rest| !rest.is_empty());
        (text.len() <= 256 && text.chars().all(legal) && (is_mail || is_page))
            .then(|| Self(text.to_owned()))
    }
}

impl Contact {
    /// Whether it belongs to nobody (RFC 2606).
    pub(crate) fn is_example(&self) -> bool {
        let host = self.0.trim_start_matches("https://");
        let host = host.rsplit('@').next().unwrap_or(host);
        let host = host.split(['/', ':']).next().unwrap_or(host);
        ["example", "example.com", "example.net", "example.org"]
            .iter()
            .any(|name| host == *name || host.ends_with(&format!(".{name}")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn href(&self) -> Cow<'_, str> {
        match self.0.starts_with("https://") {
            true => Cow::Borrowed(&self.0),
            false => Cow::Owned(format!("mailto:{}", self.0)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Korean,
    English,
}

impl Language {
    /// Returns the first language of the list that the pages have, or English.
    pub(crate) fn of<'a>(tags: impl IntoIterator<Item = &'a str>) -> Self {
        let known = |tag: &str| match tag.split('-').next() {
            Some("ko") => Some(Self::Korean),
            Some("en") => Some(Self::English),
            _ => None,
        };
        tags.into_iter().find_map(known).unwrap_or(Self::English)
    }

    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::Korean => "ko",
            Self::English => "en",
        }
    }

    const fn page(self) -> &'static str {
        match self {
            Self::Korean => include_str!("../assets/ko.html"),
            Self::English => include_str!("../assets/en.html"),
        }
    }

    /// The page of a deletion request.
    pub(crate) const fn request_page(self) -> &'static str {
        match self {
            Self::Korean => include_str!("../assets/request-ko.html"),
            Self::English => include_str!("../assets/request-en.html"),
        }
    }

    fn grace(self, grace: Duration) -> String {
        match (self, grace.as_secs() / 86_400) {
            (Self::Korean, 0) => "요청하면 바로 삭제합니다.".to_owned(),
            (Self::Korean, days) => format!("요청한 날부터 {days}일 뒤에 삭제합니다."),
            (Self::English, 0) => "Your data is deleted at once.".to_owned(),
            (Self::English, 1) => "Your data is deleted a day after you ask.".to_owned(),
            (Self::English, days) => format!("Your data is deleted {days} days after you ask."),
        }
    }
}

pub(crate) async fn get(
    state: Arc<State>,
    call: Call<Nothing, Nothing, Nothing>,
) -> Result<Reply<Raw>, Problem> {
    let language = Language::of(call.facts.languages.iter().map(domain::Locale::as_str));
    Ok(html(language, write(language, &state)).cache_control("public, max-age=300"))
}

/// Returns a page in a language, with the headers that every page has.
pub(crate) fn html(language: Language, html: String) -> Reply<Raw> {
    let body = Raw {
        media_type: "text/html; charset=utf-8",
        bytes: Cow::Owned(html.into_bytes()),
    };
    Reply::new(StatusCode::OK, body)
        .header(
            header::CONTENT_LANGUAGE,
            HeaderValue::from_static(language.tag()),
        )
        .header(header::VARY, HeaderValue::from_static("accept-language"))
        .header(
            HeaderName::from_static("content-security-policy"),
            HeaderValue::from_static(POLICY),
        )
}

fn write(language: Language, state: &State) -> String {
    let names = (&state.app_name, &state.developer_name);
    fill(language, names, &state.contact, state.grace)
}

fn fill(
    language: Language,
    (app, developer): (&StoreName, &StoreName),
    contact: &Contact,
    grace: Duration,
) -> String {
    language
        .page()
        .replace("{style}", STYLE)
        .replace("{href}", &contact.href())
        .replace("{contact}", &contact.0)
        .replace("{grace}", &language.grace(grace))
        .replace("{app}", &app.html())
        .replace("{developer}", &developer.html())
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use sha2::{Digest as _, Sha256};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn the_policy_allows_the_pages_own_style_and_nothing_else() {
        let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
        assert!(POLICY.contains(&format!("'sha256-{hash}'")), "{hash}");
        let contact = Contact::parse("privacy@madang.kr").unwrap();
        for language in [Language::Korean, Language::English] {
            let names = (&StoreName::example("마당"), &StoreName::example("A & B"));
            let page = fill(language, names, &contact, 30 * DAY);
            assert!(
                page.contains("마당") && page.contains("A &amp; B"),
                "{page}"
            );
            assert!(page.contains(&format!("<style>{STYLE}</style>")));
            for foreign in ["<script", "src=", " style=", "<form", " on"] {
                let found = page.matches(foreign).count();
                let words = page.matches(" on ").count();
                let allowed = if foreign == " on" { words } else { 0 };
                assert_eq!(found, allowed, "{foreign}");
            }
            assert!(!page.contains('{') || page.matches('{').count() == STYLE.matches('{').count());
        }
    }

    #[test]
    fn the_grace_is_told_in_days() {
        for (language, days, told) in [
            (Language::Korean, 30, "30일 뒤에"),
            (Language::Korean, 0, "바로"),
            (Language::English, 30, "30 days after"),
            (Language::English, 1, "a day after"),
            (Language::English, 0, "at once"),
        ] {
            let grace = language.grace(days * DAY);
            assert!(grace.contains(told), "{grace}");
        }
    }

    #[test]
    fn korean_is_for_whoever_reads_it() {
        for (tags, language) in [
            (&["ko"][..], Language::Korean),
            (&["ko-KR"], Language::Korean),
            (&["fr-CA", "ko"], Language::Korean),
            (&["en-GB", "ko"], Language::English),
            (&["kok"], Language::English),
            (&["ja"], Language::English),
            (&[], Language::English),
        ] {
            assert_eq!(Language::of(tags.iter().copied()), language, "{tags:?}");
        }
    }

    #[test]
    fn a_contact_is_a_mail_address_or_a_page_and_never_markup() {
        for (text, href) in [
            ("privacy@madang.kr", "mailto:privacy@madang.kr"),
            (
                "https://help.madang.kr/leave",
                "https://help.madang.kr/leave",
            ),
        ] {
            let contact = Contact::parse(text).unwrap();
            assert_eq!(contact.href(), href);
            assert!(!contact.is_example());
        }
        for refused in [
            "",
            "privacy",
            "@madang.kr",
            "http://madang.kr",
            "https://",
            "javascript:x@y.z",
            "\"><b>@madang.kr",
            "a b@madang.kr",
        ] {
            assert_eq!(Contact::parse(refused), None, "{refused}");
        }
        for example in [
            "privacy@example.com",
            "https://www.example.org/a",
            "a@b.example",
        ] {
            assert!(Contact::parse(example).unwrap().is_example(), "{example}");
        }
    }
}
