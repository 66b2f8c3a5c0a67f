//! Where each provider is reached, and what it knows us by.

use std::time::Duration;

use http::Uri;
use kit::config::{ResourceName, Setting};

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
        /// Whether id tokens of Google are accepted that answer no challenge of ours, as older and wrapping SDKs make them: at most 5 minutes old, each once.
        google_allow_no_nonce: bool = "GOOGLE_ALLOW_NO_NONCE", default "false";
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
        /// The one of `LINE_CLIENT_IDS` whose id tokens are signed with the channel secret (HS256), as those of LINE Login on the web are; those of the others are signed with ES256.
        line_web_client_id: Option<String> = "LINE_WEB_CLIENT_ID", example "1234567891";
        /// The secret that holds the channel secret of `LINE_WEB_CLIENT_ID`; without it, that channel's tokens are refused.
        line_channel_secret: Option<ResourceName> = "LINE_CHANNEL_SECRET", example "madang/dev/line-channel-secret";
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

/// The URL of something that a provider offers, or of its API, below which paths are appended.
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

#[cfg(test)]
mod tests {
    use kit::{Faults, Vars};

    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<ProviderSettings, Faults> {
        let vars: Vars = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        ProviderSettings::read(&vars)
    }

    #[test]
    fn without_variables_nobody_is_switched_on() {
        let settings = settings(&[]).unwrap();
        assert!(settings.apple_client_ids.0.is_empty());
        assert_eq!(settings.timeout.0, Duration::from_secs(3));
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
}
