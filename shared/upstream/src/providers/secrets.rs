//! The secrets that some providers ask for.

use std::convert::Infallible;

use aws::Aws;
use kit::config::{Faults, Stage};

use super::{AppleKey, ProviderSettings, Providers};
use crate::{edge::SecretSettings, secrets::Secret};

/// Each secret where it is configured.
#[derive(Debug, Clone, Default)]
pub(super) struct ProviderSecrets {
    /// Signs for Apple's tokens.
    pub(super) apple_key: Option<Secret<AppleKey>>,
    /// Our admin key at Kakao.
    pub(super) kakao_admin_key: Option<Secret<String>>,
    /// Our app's secret at Facebook.
    pub(super) facebook_app_secret: Option<Secret<String>>,
    /// The secret of our web channel at LINE.
    pub(super) line_channel_secret: Option<Secret<String>>,
}

impl ProviderSettings {
    /// The providers as they are configured, none of which is asked yet.
    ///
    /// # Errors
    /// In production, names every variable that leads to a sandbox.
    pub fn providers(
        &self,
        stage: Stage,
        settings: &SecretSettings,
        aws: &Aws,
    ) -> Result<Providers, Faults> {
        self.refuse_sandboxes(stage)?;
        Ok(Providers::new(self, &self.secrets(settings, aws)))
    }

    /// The secrets that are named here, none of which is read yet.
    fn secrets(&self, settings: &SecretSettings, aws: &Aws) -> ProviderSecrets {
        let text = |name: &Option<kit::config::ResourceName>| {
            let name = name.as_ref()?;
            Some(settings.secret(aws, &name.0, trimmed))
        };
        ProviderSecrets {
            apple_key: self
                .apple_key_secret
                .as_ref()
                .map(|name| settings.secret(aws, &name.0, AppleKey::parse)),
            kakao_admin_key: text(&self.kakao_admin_key_secret),
            facebook_app_secret: text(&self.facebook_app_secret),
            line_channel_secret: text(&self.line_channel_secret),
        }
    }
}

/// Whoever fills a secret by hand leaves a line's end there.
fn trimmed(text: &str) -> Result<String, Infallible> {
    Ok(text.trim().to_owned())
}
