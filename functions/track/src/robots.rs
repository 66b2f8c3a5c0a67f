//! Detects requests that no person made: robots, HTTP libraries, and browsers that load a page early.
//!
//! Robots are found by a maintained list (`robots.txt`; `scripts/robots` regenerates it) and a few names
//! of our own. A name must be a whole word of the user agent, because apps have names too:
//! `SpiderSolitaire` is not `spider`. The agents that the HTTP libraries of phones write are those of
//! apps, whatever the app is called. In the agent of a phone a listed name counts only if it says that it
//! is a robot (`Googlebot`) or stands behind `compatible;`, because other names are those of phones and of
//! apps with a browser in them, too (`Sonic`, `Viber`). The names that a stage adds count everywhere.

use std::collections::HashMap;

use http::HeaderMap;
use kit::config::Setting;

/// The maintained list, one name a line.
const LIST: &str = include_str!("robots.txt");

/// HTTP libraries, tools and Korean fetchers that the list does not have; `$` marks a whole agent.
const OWN: [&str; 40] = [
    "ApacheBench/",
    "BingPreview/",
    "BrandVerity/",
    "Chrome-Lighthouse",
    "Deno/",
    "Faraday",
    "GTmetrix",
    "Google Web Preview",
    "GuzzleHttp/",
    "HeadlessChrome",
    "Java-http-client/",
    "Java/",
    "Jmeter",
    "JMeter",
    "Nitro-Optimizer-Agent",
    "PTST/",
    "Pingdom",
    "PostmanRuntime/",
    "PycURL/",
    "RestSharp/",
    "Symfony HttpClient",
    "Typhoeus",
    "Yeti/",
    "^Bun/",
    "^Ruby$",
    "^axios/",
    "^got/",
    "^got (",
    "^node$",
    "http.rb/",
    "insomnia/",
    "k6/",
    "kakaotalk-scrap/",
    "libcurl/",
    "lua-resty-http/",
    "python-urllib3/",
    "reqwest/",
    "sitebulb.com",
    "undici",
    "vegeta/",
];

/// Words that only the HTTP libraries of phones and their apps put into a user agent.
const APPS: [&str; 7] = [
    "AFNetworking",
    "Alamofire",
    "CFNetwork",
    "Dalvik",
    "Dart",
    "UnityPlayer",
    "okhttp",
];

/// Words that the user agents of phones and tablets have.
const PHONES: [&str; 7] = [
    "Android", "Mobile", "Tizen", "iOS", "iPad", "iPhone", "iPod",
];

/// What a listed name has in it that says that it is a robot's, in lower case.
const ROLES: [&str; 3] = ["bot", "crawl", "spider"];

/// Names of robots that a stage adds to the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RobotNames(Vec<Box<str>>);

impl Setting for RobotNames {
    const EXPECTED: &'static str =
        "names separated by commas, each beginning with an ASCII letter or digit";

    fn parse(text: &str) -> Option<Self> {
        if text.trim().is_empty() {
            return Some(Self(Vec::new()));
        }
        let names = text.split(',').map(str::trim);
        let is_name = |name: &str| name.starts_with(|c: char| c.is_ascii_alphanumeric());
        names
            .map(|name| is_name(name).then(|| name.into()))
            .collect::<Option<_>>()
            .map(Self)
    }
}

/// The names of robots by their first words.
#[derive(Debug)]
pub(crate) struct Robots(HashMap<Box<str>, Vec<Name>>);

#[derive(Debug)]
struct Name {
    text: Box<str>,
    begins_the_agent: bool,
    ends_the_agent: bool,
    scope: Scope,
}

/// In which user agents a name is a robot's.
#[derive(Debug, Clone, Copy)]
enum Scope {
    /// In all.
    Every,
    /// In all but those of apps.
    NoApp,
    /// In all but those of apps and of phones; in a phone's behind `compatible;`.
    NoPhone,
}

impl Scope {
    fn of_listed(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match ROLES.iter().any(|role| name.contains(role)) {
            true => Self::NoApp,
            false => Self::NoPhone,
        }
    }

    /// Whether a name behind `before` is a robot's, in the agent of an app or of a phone or neither.
    fn has(self, is_app: bool, is_phone: bool, before: &str) -> bool {
        let is_declared = || before.trim_end().ends_with("compatible;");
        match self {
            Self::Every => true,
            Self::NoApp => !is_app,
            Self::NoPhone => !is_app && (!is_phone || is_declared()),
        }
    }
}

impl Robots {
    /// The list, and the names that the stage adds.
    pub(crate) fn new(added: &RobotNames) -> Self {
        let listed = LIST.lines().filter(|line| !line.starts_with('#'));
        let listed = listed.map(|name| (name, Scope::of_listed(name)));
        let own = OWN.map(|name| (name, Scope::NoApp));
        let added = added.0.iter().map(|name| (&**name, Scope::Every));
        let mut by_word: HashMap<Box<str>, Vec<Name>> = HashMap::new();
        for (name, scope) in listed.chain(own).chain(added) {
            let (begins_the_agent, ends_the_agent) = (name.starts_with('^'), name.ends_with('$'));
            let text = name.trim_start_matches('^').trim_end_matches('$');
            if let Some((_, word)) = words(text).next() {
                by_word.entry(word.into()).or_default().push(Name {
                    text: text.into(),
                    begins_the_agent,
                    ends_the_agent,
                    scope,
                });
            }
        }
        Self(by_word)
    }

    /// Whether a request with these headers comes from a machine. One without a user agent does not.
    pub(crate) fn sent(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        is_early(text) || text("user-agent").is_some_and(|agent| self.is_robot(agent))
    }

    fn is_robot(&self, agent: &str) -> bool {
        let has_any = |of: &[&str]| words(agent).any(|(_, word)| of.contains(&word));
        let (is_app, is_phone) = (has_any(&APPS), has_any(&PHONES));
        words(agent).any(|(at, word)| {
            let Some((before, rest)) = agent.split_at_checked(at) else {
                return false;
            };
            // A version may follow a name directly: `trendictionbot0.5`.
            let without_version = word.trim_end_matches(|c: char| c.is_ascii_digit());
            [word, without_version]
                .into_iter()
                .filter_map(|word| self.0.get(word))
                .flatten()
                .any(|name| {
                    (at == 0 || !name.begins_the_agent)
                        && name.begins(rest)
                        && name.scope.has(is_app, is_phone, before)
                })
        })
    }
}

impl Name {
    /// Whether `rest` begins with the name, and the name is not the beginning of a longer word.
    fn begins(&self, rest: &str) -> bool {
        let Some(after) = rest.strip_prefix(&*self.text) else {
            return false;
        };
        if self.ends_the_agent {
            return after.is_empty();
        }
        let next = after.chars().next();
        let goes_on = |c: char| match self.text.chars().next_back() {
            Some(last) if last.is_ascii_digit() => c.is_alphanumeric(),
            Some(last) if last.is_alphanumeric() => c.is_alphabetic(),
            _ => false,
        };
        !next.is_some_and(goes_on)
    }
}

/// The words of letters and digits in a text, each with its place.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_between = |c: char| !c.is_alphanumeric();
    let mut end = 0;
    text.split_inclusive(is_between).filter_map(move |piece| {
        let at = end;
        end += piece.len();
        let word = piece.trim_end_matches(is_between);
        (!word.is_empty()).then_some((at, word))
    })
}

/// Whether a browser or an app loads the page before anybody wants to see it. `Sec-Purpose` may go on
/// behind its word (`prefetch;prerender`); Safari sends `X-Purpose: preview`, old Firefox
/// `X-Moz: prefetch`.
fn is_early<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> bool {
    let early = ["prefetch", "prerender", "preview"];
    ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .into_iter()
        .filter_map(header)
        .flat_map(|value| value.split([';', ',']))
        .any(|word| {
            early
                .iter()
                .any(|early| word.trim().eq_ignore_ascii_case(early))
        })
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn listed() -> Robots {
        Robots::new(&RobotNames(Vec::new()))
    }

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        let name = HeaderName::from_static(name);
        [(name, HeaderValue::from_static(value))]
            .into_iter()
            .collect()
    }

    #[test]
    fn words_are_found_with_their_places() {
        let found: Vec<_> = words("/Ab-1  é9;").collect();
        assert_eq!(found, [(1, "Ab"), (4, "1"), (7, "é9")]);
        assert_eq!(words("").count() + words("-;").count(), 0);
    }

    #[test]
    fn robots_are_detected_by_their_names() {
        let robots = listed();
        for agent in [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 (Linux; Android 8.1.0; Moto G (4)) Chrome/120.0 Mobile Safari/537.36 PTST/240101",
            "Mozilla/5.0 (Linux; Android 9; Pixel 3) HeadlessChrome/120.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 9; Pixel 3) Chrome/120.0 Mobile Safari/537.36 GTmetrix",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Pingdom.com_bot",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "facebookexternalhit/1.1; kakaotalk-scrap/1.0",
            "Mozilla/5.0 (compatible; Yeti/1.1; +http://naver.me/spd)",
            "Mozilla/5.0 (compatible; Daum/4.1; +http://cs.daum.net/faq/15/4118.html?faqId=28966)",
            "WhatsApp/2.23.20.0",
            "TelegramBot (like TwitterBot)",
            "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/120.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Windows NT 6.1) SkypeUriPreview Preview/0.5",
            "Baiduspider/2.0",
            "Mozilla/5.0 (Windows; U) trendictionbot0.5.0; trendiction search",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; PerplexityBot/1.0)",
            "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; Bytespider)",
            "CCBot/2.0 (https://commoncrawl.org/faq/)",
            "python-requests/2.32.3",
            "Python-urllib/3.12",
            "Python/3.12 aiohttp/3.9.5",
            "python-httpx/0.27.0",
            "curl/8.5.0",
            "Wget/1.21.4",
            "Go-http-client/2.0",
            "Java/17.0.11",
            "Java-http-client/21.0.3",
            "Apache-HttpClient/4.5.14 (Java/17.0.11)",
            "axios/1.7.2",
            "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
            "node",
            "undici",
            "GuzzleHttp/7",
            "PostmanRuntime/7.39.0",
            "libwww-perl/6.77",
            "reqwest/0.12",
            "Ruby",
            "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36 (compatible; GoogleOther)",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 8_3 like Mac OS X) AppleWebKit/600.1.4 (KHTML, like Gecko) Version/8.0 Mobile/12F70 Safari/600.1.4 (compatible; Butterfly/1.0)",
            "Mozilla/5.0 (Linux; Android 11; moto g power) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Mobile Safari/537.36 Chrome-Lighthouse",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/97.0 Safari/537.36 ThousandEyes",
            "Viber/9.1.0.6",
        ] {
            assert!(robots.is_robot(agent), "{agent}");
        }
    }

    #[test]
    fn apps_and_browsers_are_not_taken_for_robots_whatever_they_are_called() {
        let robots = listed();
        for agent in [
            "SpiderSolitaire/5.2 CFNetwork/1410.1 Darwin/22.6.0",
            "Crawl/118 CFNetwork/1494.0.7 Darwin/23.4.0",
            "ChatBot/3.1.0 CFNetwork/1408.0.4 Darwin/22.5.0",
            "curl%20up/4 CFNetwork/1485 Darwin/23.1.0",
            "DiceBot/1.0 (iPhone; iOS 17.4; Scale/3.00)",
            "RobotRun/2.0 (com.example.bot; build:7; iOS 17.2.0) Alamofire/5.9.1",
            "SpiderRun/2.2 (Android 14; Pixel 8)",
            "Ruby Quest/1.4 (Android 14)",
            "node wars/2.0 (iPhone; iOS 17.4)",
            "okhttp/4.12.0",
            "MyCrawler/3 okhttp/5.0.0",
            "Dart/3.4 (dart:io)",
            "UnityPlayer/2022.3.10f1 (UnityWebRequest/1.0, libcurl/8.1.1-DEV)",
            "Dalvik/2.1.0 (Linux; U; Android 10; CUBOT NOTE 20 Build/QP1A)",
            "Mozilla/5.0 (Linux; Android 10; CUBOT X30) AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 5.1; WIKO FEVER 4G Build/LMY47D) AppleWebKit/537.36 Chrome/83.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 11; KFTRWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/120.4.1 like Chrome/120.0.6099.230 Safari/537.36",
            "Madang/3 CFNetwork/1485 Darwin/23.1.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 KAKAOTALK 10.4.3",
            "Mozilla/5.0 (Linux; Android 14; SM-S928N) AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537.36 NAVER(inapp)",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
            "Mozilla/5.0 (Linux; Android 9; Sonic Build/PPR1.180610.011) AppleWebKit/537.36 Chrome/87.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 12; WIKO Butterfly) AppleWebKit/537.36 Chrome/118.0 Mobile Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Viber/22.4",
            "Mozilla/5.0 (Linux; Android 15; CPH2557 Build/AP3A.240617.008; wv) AppleWebKit/537.36 Version/4.0 Chrome/142.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 16; Pixel 10 Build/CP1A.260305.018; wv) AppleWebKit/537.36 Version/4.0 Chrome/146.0 Mobile Safari/537.36 MetaIAB Facebook",
            "Sonic Dash/7.2 (iPhone; iOS 17.4; Scale/3.00)",
            "Fetch/3.98 (iPad; iOS 18.0; Scale/2.00)",
            "Odin/2.1 (Android 14; Pixel 8)",
            "Mozilla/5.0 (Linux; Android 13; SM-A546B; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/124.0.0.0 Mobile Safari/537.36 Instagram 330.0",
            "",
        ] {
            assert!(!robots.is_robot(agent), "{agent}");
        }
    }

    #[test]
    fn a_stage_adds_names_of_its_own() {
        let added = RobotNames::parse("acme-monitor, Acme/, device farm").unwrap();
        let robots = Robots::new(&added);
        for agent in [
            "acme-monitor/2 okhttp/4.12.0",
            "Acme/7 CFNetwork/1494.0.7 Darwin/23.4.0",
            "Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/126.0 Mobile Safari/537.36 device farm",
        ] {
            assert!(robots.is_robot(agent), "{agent}");
            assert!(!listed().is_robot(agent), "{agent}");
        }
        assert!(robots.is_robot("acme-monitor/1"));
        assert!(robots.is_robot("Mozilla/5.0 (compatible; Acme/2)"));
        assert!(!robots.is_robot("acme-monitoring/1"));
        assert!(!listed().is_robot("acme-monitor/1"));
        assert_eq!(RobotNames::parse(""), Some(RobotNames(Vec::new())));
        for bad in ["bot,", ",", "/x"] {
            assert_eq!(RobotNames::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_name_of_the_list_is_detected() {
        let robots = listed();
        let names = LIST.lines().filter(|line| !line.starts_with('#'));
        let names: Vec<_> = names.map(|name| name.trim_start_matches('^')).collect();
        assert!(names.len() > 1_000);
        let apps = |name: &&&str| !words(name).any(|(_, word)| APPS.contains(&word));
        for name in names.iter().filter(apps) {
            assert!(robots.is_robot(name), "{name}");
        }
    }

    #[test]
    fn what_is_loaded_early_was_not_asked_for_by_anybody() {
        let robots = listed();
        for (name, value, early) in [
            ("purpose", "prefetch", true),
            ("x-purpose", "preview", true),
            ("x-moz", "prefetch", true),
            ("purpose", "Preview", true),
            ("sec-purpose", "prerender", true),
            ("x-purpose", "instant", false),
            ("sec-purpose", "prefetch;prerender", true),
            ("sec-purpose", "", false),
            ("x-request-id", "prefetch", false),
        ] {
            assert_eq!(robots.sent(&headers(name, value)), early, "{name}: {value}");
        }
        assert!(!robots.sent(&HeaderMap::new()));
    }
}
