//! The body of a request that proves an identity by a provider.

/// Declares the body of a request that proves an identity by a provider: the fields that every such
/// request has, with the same bounds, and those of its own.
///
/// A macro, because serde finds neither unknown fields nor the place of an error in a flattened struct.
#[macro_export]
macro_rules! proof_body {
    ($(#[$attribute:meta])* $visibility:vis struct $name:ident { $($own:tt)* }) => {
        $(#[$attribute])*
        #[derive(::serde::Deserialize, ::schemars::JsonSchema, ::garde::Validate)]
        #[serde(deny_unknown_fields)]
        #[garde(allow_unvalidated)]
        $visibility struct $name {
            /// The provider that vouches for the identity.
            provider: ::domain::identity::Provider,
            /// An ID token that the provider signed.
            // More than any verifier takes: one that is merely too large is a bad token, not a bad body.
            #[garde(inner(length(bytes, max = 65536)))]
            id_token: Option<String>,
            /// An access token of the provider's API.
            #[garde(inner(length(bytes, max = 4096)))]
            access_token: Option<String>,
            /// The challenge that the ID token answers. Required wherever the provider puts a nonce into it.
            #[garde(inner(length(bytes, max = 256)))]
            challenge_id: Option<String>,
            /// The challenge's nonce, or its SHA-256 in hexadecimal.
            #[garde(inner(length(bytes, max = 256)))]
            nonce: Option<String>,
            $($own)*
        }

        impl $name {
            /// Takes out what the identity is proved by. An authorization code comes only with some.
            fn take_claimed(&mut self, authorization_code: Option<String>) -> $crate::Claimed {
                $crate::Claimed {
                    provider: self.provider,
                    id_token: self.id_token.take(),
                    access_token: self.access_token.take(),
                    authorization_code,
                    challenge_id: self.challenge_id.take(),
                    nonce: self.nonce.take(),
                }
            }
        }
    };
}
