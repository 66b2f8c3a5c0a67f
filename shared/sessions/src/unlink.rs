//! Ending the connection between a member and us at a provider.

use domain::{Instant, keyring::Keys};
use store::members::LinkedIdentity;
use upstream::providers::{Grant, ProviderError, Providers, Unlink, Unlinked};

use crate::Sealed;

/// Ends the connection of an identity at its provider, where that is possible. Doing it again changes
/// nothing.
///
/// # Errors
/// The provider cannot be called now.
pub async fn unlink(
    providers: &Providers,
    identity: &LinkedIdentity,
    keys: &Keys,
    now: Instant,
) -> Result<Unlinked, ProviderError> {
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
    let unlinked = providers.unlink(identity.provider, &unlink, now).await?;
    if unlinked == Unlinked::NotPossible {
        // Without Apple's token of the sign-in, or without our own credentials at the provider.
        let provider = identity.provider;
        tracing::warn!(%provider, "unlink not possible, the user has to end the connection");
    }
    Ok(unlinked)
}
