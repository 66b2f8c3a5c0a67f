//! Query strings as clients send them: which parameters count, and what cannot be decoded.

use percent_encoding::percent_decode_str;

use super::Coercions;
use crate::problem::{Code, Problem};

/// The parameters by which a phone describes itself.
const REPORTED: [&str; 11] = [
    "platform",
    "store",
    "locale",
    "country",
    "app_version",
    "version",
    "build",
    "os_version",
    "model",
    "carrier",
    "tz",
];

/// Which parameters of a query count, and which of them count as absent if they cannot be decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) enum QueryPolicy<'r> {
    /// Everything counts, and everything must be decodable.
    Strict,
    /// Only parameters of these names count. A value by which a phone describes itself counts as absent
    /// if it cannot be decoded, and of repeated ones the first counts.
    Public(&'r Coercions),
    /// Only values of this name count, and one that cannot be decoded counts as absent.
    Only(&'r str),
}

impl QueryPolicy<'_> {
    fn ignores(self, name: &str) -> bool {
        match self {
            Self::Strict => false,
            Self::Public(route) => !route.knows(name),
            Self::Only(wanted) => name != wanted,
        }
    }

    fn is_lenient(self, name: &str) -> bool {
        match self {
            Self::Strict => false,
            Self::Public(_) => REPORTED.contains(&name),
            Self::Only(_) => true,
        }
    }
}

/// Splits and decodes a query string as it was sent.
///
/// What a URL parser would have percent-encoded (WHATWG's query set: controls, space, `"`, `<`,
/// `>`, non-ASCII), a broken escape, and text that is not UTF-8 cannot be decoded. Nothing is guessed: such
/// a parameter is refused where it counts. Links are decorated in any encoding (`utm_term=50%off`,
/// EUC-KR), so a parameter that does not count is not decoded.
pub(crate) fn query_pairs(
    raw: &str,
    policy: QueryPolicy<'_>,
) -> Result<Vec<(String, String)>, Problem> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = match decoded(name) {
            Ok(name) => name,
            Err(detail) if matches!(policy, QueryPolicy::Strict) => {
                return Err(Problem::new(Code::InvalidQuery).detail(detail));
            }
            // No route has a parameter of such a name.
            Err(_) => continue,
        };
        if policy.ignores(&name) {
            continue;
        }
        let is_lenient = policy.is_lenient(&name);
        match decoded(value) {
            Ok(_) if is_lenient && pairs.iter().any(|(before, _)| *before == name) => {}
            Ok(value) => pairs.push((name, value)),
            Err(_) if is_lenient => {}
            Err(detail) => return Err(Problem::new(Code::InvalidQuery).detail(detail)),
        }
    }
    Ok(pairs)
}

fn decoded(text: &str) -> Result<String, &'static str> {
    let is_illegal = |b: u8| b <= b' ' || b >= 0x7f || matches!(b, b'"' | b'<' | b'>');
    if text.bytes().any(is_illegal) {
        return Err("the query has a character that must be percent-encoded");
    }
    decode(text).ok_or(
        "the query has an invalid percent escape, or the escape of a character that is not accepted",
    )
}

/// Form decoding: `+` is a space; control characters are refused.
fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let escapes = bytes.iter().enumerate().filter(|(_, b)| **b == b'%');
    for (at, _) in escapes {
        let digits = bytes.get(at + 1..at + 3)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    (!decoded.chars().any(char::is_control)).then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(names: &[&str]) -> Coercions {
        Coercions {
            known: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Coercions::default()
        }
    }

    fn read(raw: &str, policy: QueryPolicy<'_>) -> Vec<(String, String)> {
        query_pairs(raw, policy).unwrap()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_query_is_split_and_decoded() {
        let pairs = owned(&[("a", "1"), ("b", "마 x"), ("c", ""), ("d", "")]);
        let raw = "a=1&b=%EB%A7%88+x&c&&%64=";
        assert_eq!(read(raw, QueryPolicy::Strict), pairs);
        let route = route(&["a", "b", "c", "d"]);
        assert_eq!(read(raw, QueryPolicy::Public(&route)), pairs);
        assert_eq!(read(raw, QueryPolicy::Only("d")), owned(&[("d", "")]));
    }

    #[test]
    fn an_undecodable_parameter_is_refused_where_it_counts() {
        let route = route(&["a", "locale"]);
        for raw in [
            "a=<", "a=\"", "a=%", "a=%zz", "a=%ff", "a=%00", "a= b", "a=마", "%61=%ff",
        ] {
            for policy in [QueryPolicy::Strict, QueryPolicy::Public(&route)] {
                let problem = query_pairs(raw, policy).unwrap_err();
                assert_eq!(problem.code, Code::InvalidQuery, "{raw}");
            }
            assert_eq!(read(raw, QueryPolicy::Only("a")), [], "{raw}");
        }
        let problem = query_pairs("%0a=1", QueryPolicy::Strict).unwrap_err();
        assert_eq!(problem.code, Code::InvalidQuery);
    }

    #[test]
    fn an_undecodable_parameter_that_does_not_count_is_ignored() {
        let route = route(&["a", "locale"]);
        for decoration in [
            "utm_term=50%off",
            "utm_content=%C7%D1%B1%DB",
            "q=a<b",
            "%ff=1",
            "%0a",
            "%zz=%zz",
            "a%=1",
            "마당=1",
        ] {
            let raw = format!("{decoration}&a=1&{decoration}&locale=ko");
            let pairs = owned(&[("a", "1"), ("locale", "ko")]);
            assert_eq!(read(&raw, QueryPolicy::Public(&route)), pairs, "{raw}");
            let only = QueryPolicy::Only("locale");
            assert_eq!(read(&raw, only), owned(&[("locale", "ko")]), "{raw}");
            let problem = query_pairs(&raw, QueryPolicy::Strict).unwrap_err();
            assert_eq!(problem.code, Code::InvalidQuery, "{raw}");
        }
    }

    #[test]
    fn what_a_phone_reports_in_broken_text_counts_as_absent() {
        let raw = "locale=%ff&model=%zz&tz=a<b&country=KR&country=US&placement=top";
        let route = route(&["locale", "model", "tz", "country", "placement"]);
        let pairs = owned(&[("country", "KR"), ("placement", "top")]);
        assert_eq!(read(raw, QueryPolicy::Public(&route)), pairs);
        let problem = query_pairs(raw, QueryPolicy::Strict).unwrap_err();
        assert_eq!(problem.code, Code::InvalidQuery);
    }
}
