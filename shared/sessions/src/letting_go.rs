//! Ending the connection between a member and us at a provider.

use domain::{Instant, keyring::Keys};
use store::members::LinkedIdentity;
use upstream::providers::{Grant, ProviderError, Providers, Unlink};

use crate::Sealed;

/// Tells the provider of an identity that we let go of it, where that can be done from here. Doing it
/// again changes nothing.
///
/// # Errors
/// The provider cannot be asked now.
pub async fn let_go(
    providers: &Providers,
    identity: &LinkedIdentity,
    keys: &Keys,
    now: Instant,
) -> Result<(), ProviderError> {
    let grant = identity.provider_token.clone().and_then(|sealed| {
        let place = Sealed::place(identity.provider, &identity.subject);
        let plain = Sealed(sealed).open(keys, &place)?;
        serde_json::from_slice::<Grant>(&plain.0).ok()
    });
    if identity.provider_token.is_some() && grant.is_none() {
        tracing::error!("what a provider gave us cannot be unsealed any more");
    }
    let unlink = Unlink {
        subject: &identity.subject,
        grant: grant.as_ref(),
    };
    providers.unlink(identity.provider, &unlink, now).await?;
    Ok(())
}
