//! Conditional requests (RFC 9110, section 13): what a writer believes of the resource.

use http::{HeaderMap, HeaderValue, header};

use crate::problem::{Code, Problem};

/// What must hold for a write to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// `If-None-Match: *`: the resource is not there yet.
    Absent,
    /// `If-Match: *`: it is there, whatever it is.
    Present,
    /// `If-Match: "a", "b"`: it is one of these. What is no tag matches nothing. A weak tag counts like
    /// a strong one: our tags of what can be written name a version, which a proxy that compresses a
    /// response does not change.
    OneOf(Vec<String>),
}

impl Precondition {
    /// Reads the headers of a write; a write without one is refused with 428.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let text = |name| {
            let values = headers.get_all(name).iter();
            let texts: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
            (!texts.is_empty()).then(|| texts.join(","))
        };
        let if_match = text(header::IF_MATCH);
        if if_match.is_none()
            && text(header::IF_NONE_MATCH).is_some_and(|value| value.trim() == "*")
        {
            return Ok(Self::Absent);
        }
        match if_match {
            Some(value) if value.trim() == "*" => Ok(Self::Present),
            Some(value) => Ok(Self::OneOf(tags(&value))),
            None => Err(Problem::new(Code::PreconditionRequired)
                .detail("send If-Match with the resource's ETag; to create one, If-None-Match: *")),
        }
    }
}

/// The opaque parts of the tags in a list.
fn tags(list: &str) -> Vec<String> {
    let opaque = |tag: &'_ str| {
        let tag = tag.trim();
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag.strip_prefix('"')?.strip_suffix('"').map(str::to_owned)
    };
    list.split(',').filter_map(opaque).collect()
}

/// Whether a reader has this very representation already: `If-None-Match`, compared weakly.
pub(crate) fn is_held(if_none_match: Option<&HeaderValue>, etag: Option<&HeaderValue>) -> bool {
    let (Some(sent), Some(etag)) = (
        if_none_match.and_then(|value| value.to_str().ok()),
        etag.and_then(|value| value.to_str().ok()),
    ) else {
        return false;
    };
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    sent.trim() == "*" || sent.split(',').any(|tag| opaque(tag) == opaque(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect()
    }

    #[test]
    fn a_write_says_what_it_believes() {
        let of = |pairs: &[(&'static str, &'static str)]| Precondition::of(&headers(pairs));
        assert_eq!(of(&[("if-none-match", "*")]).unwrap(), Precondition::Absent);
        assert_eq!(of(&[("if-match", "*")]).unwrap(), Precondition::Present);
        assert_eq!(
            of(&[("if-match", "\"a\", W/\"b\", c, \"d\"")]).unwrap(),
            Precondition::OneOf(vec!["a".into(), "b".into(), "d".into()])
        );
        let version = Precondition::of(&headers(&[("if-match", "W/\"3\", \"4\", 5")]));
        assert_eq!(
            version.unwrap(),
            Precondition::OneOf(vec!["3".into(), "4".into()])
        );
        assert_eq!(of(&[]).unwrap_err().code, Code::PreconditionRequired);
        let only_a_tag = of(&[("if-none-match", "\"a\"")]).unwrap_err();
        assert_eq!(only_a_tag.code, Code::PreconditionRequired);
    }

    #[test]
    fn a_reader_that_holds_the_representation_is_recognised() {
        let value = HeaderValue::from_static;
        let held = |sent, etag| is_held(Some(&value(sent)), Some(&value(etag)));
        assert!(held("\"a\"", "\"a\""));
        assert!(held("\"x\", W/\"a\"", "\"a\""));
        assert!(held("*", "\"a\""));
        assert!(!held("\"b\"", "\"a\""));
        assert!(!is_held(None, Some(&value("\"a\""))));
        assert!(!is_held(Some(&value("\"a\"")), None));
    }
}
