//! Who is no person: crawlers, fetchers of previews, browsers that load what may be wanted later.

use http::HeaderMap;
use kit::config::Setting;

/// Words of the user agents of machines, in lower case.
///
/// Not the published lists of robots: they name HTTP libraries, which are what apps send marks with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Robots(Box<[Box<str>]>);

/// A maker of phones, whose name would say `bot`.
const NO_ROBOT: &str = "cubot";

impl Setting for Robots {
    const EXPECTED: &'static str = "words in lower case, separated by commas";

    fn parse(text: &str) -> Option<Self> {
        let words = text.split(',').map(str::trim);
        let legal = |word: &str| !word.is_empty() && word.to_lowercase() == word;
        words
            .map(|word| legal(word).then(|| word.into()))
            .collect::<Option<_>>()
            .map(Self)
    }
}

impl Robots {
    /// Whether a request with these headers comes from a machine. One that does not say what sent it
    /// does not.
    pub(crate) fn sent(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let early = ["sec-purpose", "purpose"].into_iter().filter_map(text);
        let is_robot = |agent: &str| {
            let agent = agent.to_lowercase().replace(NO_ROBOT, "");
            self.0.iter().any(|word| agent.contains(&**word))
        };
        // `Sec-Purpose` may go on: `prefetch;prerender`.
        early
            .into_iter()
            .any(|purpose| purpose.trim_start().starts_with("prefetch"))
            || text("user-agent").is_some_and(is_robot)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use kit::config::Variable;

    use super::*;
    use crate::Settings;

    fn defaults() -> Robots {
        let is_it = |variable: &&Variable| variable.name == "BOT_USER_AGENTS";
        let variable = Settings::VARIABLES.iter().find(is_it).unwrap();
        Robots::parse(variable.default.unwrap()).unwrap()
    }

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        let name = HeaderName::from_static(name);
        [(name, HeaderValue::from_static(value))]
            .into_iter()
            .collect()
    }

    #[test]
    fn machines_are_known_by_their_user_agents_and_apps_and_people_are_not_taken_for_them() {
        for (agent, machine) in [
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                true,
            ),
            (
                "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
                true,
            ),
            ("facebookexternalhit/1.1; kakaotalk-scrap/1.0", true),
            (
                "Mozilla/5.0 (compatible; Yeti/1.1; +http://naver.me/spd)",
                true,
            ),
            ("WhatsApp/2.23.20.0", true),
            ("TelegramBot (like TwitterBot)", true),
            (
                "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/120.0.0.0 Safari/537.36",
                true,
            ),
            (
                "Mozilla/5.0 (Windows NT 6.1) SkypeUriPreview Preview/0.5",
                true,
            ),
            ("Baiduspider/2.0", true),
            ("okhttp/4.12.0", false),
            (
                "Dalvik/2.1.0 (Linux; U; Android 10; CUBOT NOTE 20 Build/QP1A)",
                false,
            ),
            ("Madang/3 CFNetwork/1485 Darwin/23.1.0", false),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 KAKAOTALK 10.4.3",
                false,
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S928N) AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537.36 NAVER(inapp)",
                false,
            ),
            ("", false),
        ] {
            assert_eq!(
                defaults().sent(&headers("user-agent", agent)),
                machine,
                "{agent}"
            );
        }
    }

    #[test]
    fn what_is_loaded_early_was_not_asked_for_by_anybody() {
        for (name, value, early) in [
            ("purpose", "prefetch", true),
            ("sec-purpose", "prefetch;prerender", true),
            ("sec-purpose", "", false),
            ("x-request-id", "prefetch", false),
        ] {
            assert_eq!(
                defaults().sent(&headers(name, value)),
                early,
                "{name}: {value}"
            );
        }
        assert!(!defaults().sent(&HeaderMap::new()));
    }

    #[test]
    fn a_list_of_words_has_no_gap_and_no_capitals() {
        assert!(Robots::parse("bot, crawl").is_some());
        for bad in ["", "bot,", "Bot", ","] {
            assert_eq!(Robots::parse(bad), None, "{bad}");
        }
    }
}
