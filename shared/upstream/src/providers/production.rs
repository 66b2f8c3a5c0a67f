//! What production refuses: providers that are not the real ones.

use std::net::IpAddr;

use http::Uri;
use kit::config::{Fault, Faults, Stage};

use super::ProviderSettings;

impl ProviderSettings {
    /// Production asks nobody but the providers themselves: over https, at a public name.
    ///
    /// # Errors
    /// Names every variable that leads elsewhere.
    pub(super) fn refuse_sandboxes(&self, stage: Stage) -> Result<(), Faults> {
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
    let is_address = bare.parse::<IpAddr>().is_ok();
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
    fn production_is_content_with_what_holds_without_variables() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.refuse_sandboxes(Stage::Prd), Ok(()));
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
