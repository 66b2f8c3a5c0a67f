//! Where each provider is reached and what it knows us by, and what production refuses of that.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use http::Uri;
use kit::config::{Fault, Faults, ResourceName, Setting, Stage};

kit::settings! {
    /// The sign-in providers. One without client ids is switched off.
    pub struct ProviderSettings {
        /// Issuers that Apple's tokens may name.
        apple_issuers: Listed = "APPLE_ISSUERS", default "https://appleid.apple.com,https://account.apple.com";
        /// Where Apple publishes its keys.
        apple_jwks_url: ProviderUrl = "APPLE_JWKS_URL", default "https://appleid.apple.com/auth/keys";
        /// Our bundle and services ids at Apple; without any, Apple is switched off.
        apple_client_ids: Listed = "APPLE_CLIENT_IDS", default "", example "com.example.app,com.example.web";
        /// Where Apple takes authorization codes.
        apple_token_url: ProviderUrl = "APPLE_TOKEN_URL", default "https://appleid.apple.com/auth/token";
        /// Where Apple revokes tokens.
        apple_revoke_url: ProviderUrl = "APPLE_REVOKE_URL", default "https://appleid.apple.com/auth/revoke";
        /// Our team at Apple, which signs for revocations.
        apple_team_id: Option<String> = "APPLE_TEAM_ID", example "ABCDE12345";
        /// The id of the key that signs for revocations.
        apple_key_id: Option<String> = "APPLE_KEY_ID", example "FGHIJ67890";
        /// The secret that holds that key, as the `.p8` file that Apple gives out.
        apple_key_secret: Option<ResourceName> = "APPLE_KEY_SECRET", example "madang/dev/apple-key";
        /// Issuers that Google's tokens may name.
        google_issuers: Listed = "GOOGLE_ISSUERS", default "https://accounts.google.com,accounts.google.com";
        /// Where Google publishes its keys.
        google_jwks_url: ProviderUrl = "GOOGLE_JWKS_URL", default "https://www.googleapis.com/oauth2/v3/certs";
        /// Our client ids at Google; without any, Google is switched off.
        google_client_ids: Listed = "GOOGLE_CLIENT_IDS", default "", example "1234.apps.googleusercontent.com";
        /// Issuers that Kakao's tokens may name.
        kakao_issuers: Listed = "KAKAO_ISSUERS", default "https://kauth.kakao.com";
        /// Where Kakao publishes its keys.
        kakao_jwks_url: ProviderUrl = "KAKAO_JWKS_URL", default "https://kauth.kakao.com/.well-known/jwks.json";
        /// Our app keys at Kakao; without any, Kakao is switched off.
        kakao_client_ids: Listed = "KAKAO_CLIENT_IDS", default "", example "0123456789abcdef0123456789abcdef";
        /// The number of our app at Kakao; without it, Kakao's access tokens are not taken.
        kakao_app_id: Option<u64> = "KAKAO_APP_ID", example "123456";
        /// Kakao's API.
        kakao_api_url: ProviderUrl = "KAKAO_API_URL", default "https://kapi.kakao.com";
        /// The secret that holds our admin key at Kakao, for unlinking and for Kakao's own calls.
        kakao_admin_key_secret: Option<ResourceName> = "KAKAO_ADMIN_KEY_SECRET", example "madang/dev/kakao-admin-key";
        /// Naver's API.
        naver_api_url: ProviderUrl = "NAVER_API_URL", default "https://openapi.naver.com";
        /// Our client ids at Naver; without any, Naver is switched off.
        naver_client_ids: Listed = "NAVER_CLIENT_IDS", default "", example "jyvqXeaVOVmV";
        /// Issuers that Facebook's Limited Login may name.
        facebook_issuers: Listed = "FACEBOOK_ISSUERS", default "https://www.facebook.com";
        /// Where Facebook publishes the keys of Limited Login.
        facebook_jwks_url: ProviderUrl = "FACEBOOK_JWKS_URL", default "https://limited.facebook.com/.well-known/oauth/openid/jwks/";
        /// Our app at Facebook; without it, Facebook is switched off.
        facebook_app_id: Option<String> = "FACEBOOK_APP_ID", example "1234567890";
        /// Facebook's API.
        facebook_graph_url: ProviderUrl = "FACEBOOK_GRAPH_URL", default "https://graph.facebook.com";
        /// The secret that holds our app's secret at Facebook; without it, Facebook's access tokens are not taken.
        facebook_app_secret: Option<ResourceName> = "FACEBOOK_APP_SECRET", example "madang/dev/facebook-app-secret";
        /// Issuers that LINE's tokens may name.
        line_issuers: Listed = "LINE_ISSUERS", default "https://access.line.me";
        /// Where LINE publishes its keys.
        line_jwks_url: ProviderUrl = "LINE_JWKS_URL", default "https://api.line.me/oauth2/v2.1/certs";
        /// Our channel ids at LINE; without any, LINE is switched off.
        line_client_ids: Listed = "LINE_CLIENT_IDS", default "", example "1234567890";
        /// How long a question to a provider may take, with all its tries.
        timeout: Milliseconds = "UPSTREAM_TIMEOUT_MS", default "3000";
    }
}

/// Texts with commas between them; perhaps none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed(pub Vec<String>);

impl Setting for Listed {
    const EXPECTED: &'static str = "texts with commas between them";

    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let texts: Vec<_> = text.split(',').map(|one| one.trim().to_owned()).collect();
        texts
            .iter()
            .all(|one| !one.is_empty())
            .then_some(Self(texts))
    }
}

/// The URL of something that a provider offers, without query and trailing slash's ambiguity: paths
/// are appended to what is written here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderUrl(String);

impl ProviderUrl {
    /// The URL itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is at `path`, which begins with a slash, below this.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0.trim_end_matches('/'))
    }
}

impl Setting for ProviderUrl {
    const EXPECTED: &'static str = "an http or https URL without a query";

    fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let has_user = uri.authority()?.as_str().contains('@');
        let legal = matches!(uri.scheme_str()?, "http" | "https")
            && uri.query().is_none()
            && !text.contains('#')
            && !has_user
            && uri.host().is_some_and(|host| !host.is_empty());
        legal.then(|| Self(text.to_owned()))
    }
}

/// A span of whole milliseconds, from 100 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Milliseconds(pub Duration);

impl Setting for Milliseconds {
    const EXPECTED: &'static str = "a whole number of milliseconds from 100 to 10000";

    fn parse(text: &str) -> Option<Self> {
        let millis = text.parse().ok()?;
        (100..=10_000)
            .contains(&millis)
            .then(|| Self(Duration::from_millis(millis)))
    }
}

impl ProviderSettings {
    /// Production asks nobody but the providers themselves: over https, at a public name.
    ///
    /// # Errors
    /// Names every variable that leads elsewhere.
    pub fn refuse_sandboxes(&self, stage: Stage) -> Result<(), Faults> {
        if stage != Stage::Prd {
            return Ok(());
        }
        let urls = [
            ("APPLE_JWKS_URL", &self.apple_jwks_url),
            ("APPLE_TOKEN_URL", &self.apple_token_url),
            ("APPLE_REVOKE_URL", &self.apple_revoke_url),
            ("GOOGLE_JWKS_URL", &self.google_jwks_url),
            ("KAKAO_JWKS_URL", &self.kakao_jwks_url),
            ("KAKAO_API_URL", &self.kakao_api_url),
            ("NAVER_API_URL", &self.naver_api_url),
            ("FACEBOOK_JWKS_URL", &self.facebook_jwks_url),
            ("FACEBOOK_GRAPH_URL", &self.facebook_graph_url),
            ("LINE_JWKS_URL", &self.line_jwks_url),
        ];
        let issuers = [
            ("APPLE_ISSUERS", &self.apple_issuers),
            ("GOOGLE_ISSUERS", &self.google_issuers),
            ("KAKAO_ISSUERS", &self.kakao_issuers),
            ("FACEBOOK_ISSUERS", &self.facebook_issuers),
            ("LINE_ISSUERS", &self.line_issuers),
        ];
        let urls = urls
            .into_iter()
            .filter(|(_, url)| !is_public(url.as_str()))
            .map(|(name, _)| name);
        // An issuer is a name that need not be a URL.
        let issuers = issuers
            .into_iter()
            .filter(|(_, issuers)| {
                let is_sandbox = |issuer: &String| issuer.contains("://") && !is_public(issuer);
                issuers.0.iter().any(is_sandbox)
            })
            .map(|(name, _)| name);
        let faults: Vec<_> = urls
            .chain(issuers)
            .map(|name| Fault {
                name,
                expected: "an https URL at a public name, in the stage prd".to_owned(),
            })
            .collect();
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Faults(faults)),
        }
    }
}

/// Whether a URL leads over https to a host that is not this machine or its network. A provider is
/// known by its name: an address is none, public or not.
fn is_public(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    let host = host.trim_end_matches('.');
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_address = bare.parse::<IpAddr>().is_ok() || bare.parse::<Ipv6Addr>().is_ok();
    // Resolvers read `127.1` and `2130706433` as addresses too; no top-level domain is a number.
    let (_, top) = host.rsplit_once('.').unwrap_or_default();
    let is_name = top.bytes().any(|byte| byte.is_ascii_alphabetic()) && !top.starts_with("0x");
    let is_private = [
        "localhost",
        "local",
        "internal",
        "test",
        "example",
        "invalid",
    ]
    .contains(&top);
    uri.scheme_str() == Some("https") && is_name && !is_address && !is_private
}

#[cfg(test)]
mod tests {
    use kit::Vars;

    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<ProviderSettings, Faults> {
        let vars: Vars = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        ProviderSettings::read(&vars)
    }

    #[test]
    fn without_variables_nobody_is_switched_on_and_production_is_content() {
        let settings = settings(&[]).unwrap();
        assert!(settings.apple_client_ids.0.is_empty());
        assert_eq!(settings.timeout.0, Duration::from_secs(3));
        assert_eq!(settings.refuse_sandboxes(Stage::Prd), Ok(()));
    }

    #[test]
    fn a_url_is_http_or_https_and_nothing_else() {
        for good in [
            "http://127.0.0.1:9000/keys",
            "https://a.example",
            "https://a.example/x/",
        ] {
            assert!(ProviderUrl::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "a.example",
            "ftp://a.example",
            "file:///etc/passwd",
            "https://a.example/?q=1",
            "https://user@a.example/",
            "https:///keys",
            "/keys",
        ] {
            assert_eq!(ProviderUrl::parse(bad), None, "{bad}");
        }
        let url = ProviderUrl::parse("https://a.example/v25.0/").unwrap();
        assert_eq!(url.at("/me"), "https://a.example/v25.0/me");
    }

    #[test]
    fn a_list_has_no_empty_members() {
        assert_eq!(
            Listed::parse("a, b").unwrap().0,
            ["a".to_owned(), "b".to_owned()]
        );
        for bad in [",", "a,", ",a", "a,,b"] {
            assert_eq!(Listed::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn production_refuses_every_sandbox_by_the_name_of_its_variable() {
        let sandboxes = settings(&[
            ("APPLE_JWKS_URL", "http://appleid.apple.com/auth/keys"),
            ("GOOGLE_JWKS_URL", "https://127.0.0.1:9000/keys"),
            ("KAKAO_API_URL", "https://localhost"),
            ("KAKAO_ISSUERS", "http://127.0.0.1:9000"),
            ("NAVER_API_URL", "https://[::1]/"),
        ])
        .unwrap();
        let faults = sandboxes.refuse_sandboxes(Stage::Prd).unwrap_err();
        let names: Vec<_> = faults.0.iter().map(|fault| fault.name).collect();
        assert_eq!(
            names,
            [
                "APPLE_JWKS_URL",
                "GOOGLE_JWKS_URL",
                "KAKAO_API_URL",
                "NAVER_API_URL",
                "KAKAO_ISSUERS"
            ]
        );
        assert_eq!(sandboxes.refuse_sandboxes(Stage::Stg), Ok(()));
    }

    #[test]
    fn hosts_of_this_machine_and_its_network_are_not_public() {
        for (url, public) in [
            ("https://graph.facebook.com/v25.0", true),
            ("https://a.b.kakao.com:8443", true),
            ("https://localhost", false),
            ("https://sandbox", false),
            ("https://sandbox.local", false),
            ("https://sandbox.localhost.", false),
            ("https://metadata.google.internal", false),
            ("https://10.0.0.1", false),
            ("https://127.1", false),
            ("https://2130706433", false),
            ("https://0x7f.0x1", false),
            ("https://[fe80::1]", false),
            ("https://[::ffff:127.0.0.1]", false),
            ("http://graph.facebook.com", false),
        ] {
            assert_eq!(is_public(url), public, "{url}");
        }
    }
}
