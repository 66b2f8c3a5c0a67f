//! How somebody proves to a provider's word who they are.

use domain::{
    Fault, FaultCode, Instant,
    identity::{Challenge, IdentityHash, MemberId, Provider, Subject},
};
use kit::{Code, Problem};
use rand::Rng;
use store::members::Members;
use upstream::providers::{
    Identity, Proof, ProviderError, Providers, TokenFault, id_token_has_nonce,
};

use crate::{AuthKeys, Sealed};

/// What a caller says of who they are. Never printed.
#[derive(Clone)]
pub struct Claimed {
    /// Who is to vouch for them.
    pub provider: Provider,
    /// A token that the provider signed.
    pub id_token: Option<String>,
    /// A token that the provider's API takes.
    pub access_token: Option<String>,
    /// Apple's code, by which their connection with us can be ended later.
    pub authorization_code: Option<String>,
    /// The challenge that the id token answers.
    pub challenge_id: Option<String>,
    /// The challenge's nonce, as the caller knows it.
    pub nonce: Option<String>,
}

/// Who they are, vouched for.
#[derive(Debug, Clone)]
pub struct Proven {
    /// By whom.
    pub provider: Provider,
    /// As whom.
    pub subject: Subject,
    /// The challenge that was answered; it is good for one sign-in.
    pub challenge: Option<Challenge>,
    /// Keyed hashes of the identity, by which a ban that outlived its member is found.
    pub hashes: Vec<IdentityHash>,
    /// Apple's single-use code that came with the proof, still unspent.
    code: Option<UnspentCode>,
}

/// An authorization code of Apple, and whose it should be. Never printed.
#[derive(Clone)]
struct UnspentCode {
    code: String,
    identity: Identity,
}

impl std::fmt::Debug for UnspentCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnspentCode")
    }
}

/// Asks providers.
pub struct Prover {
    providers: Providers,
    keys: AuthKeys,
}

impl Prover {
    /// Asks these, about challenges that these keys signed.
    pub fn new(providers: Providers, keys: AuthKeys) -> Self {
        Self { providers, keys }
    }

    /// Whom the provider vouches for. That a challenge was not used before is for whoever keeps it.
    ///
    /// # Errors
    /// 401 by what is wrong with the proof, 422 where there is none, 503 when the provider does not
    /// answer.
    pub async fn prove(&self, claimed: &Claimed, now: Instant) -> Result<Proven, Problem> {
        let provider = claimed.provider;
        let challenge = match &claimed.challenge_id {
            Some(id) => Some(self.keys.challenge(id, now).await?),
            None => None,
        };
        let allows_no_nonce = self.providers.allows_no_nonce(provider);
        let proof = proof(claimed, challenge.as_ref(), allows_no_nonce)?;
        let identity = self.providers.verify(provider, &proof, now).await?;
        let subject: Subject = identity
            .subject
            .parse()
            .map_err(|_| Problem::new(Code::TokenInvalid).detail("the provider names nobody"))?;
        let hashes = self
            .keys
            .identity_hashes(provider, &subject, None, now)
            .await?;
        let challenge = match (challenge, identity.token) {
            (Some(challenge), token) => Some(Challenge { token, ..challenge }),
            (None, token) => token.map(Challenge::of_token),
        };
        let code = claimed.authorization_code.clone();
        let code = code.filter(|_| provider == Provider::Apple);
        Ok(Proven {
            provider,
            subject,
            challenge,
            hashes,
            code: code.map(|code| UnspentCode { code, identity }),
        })
    }

    /// Exchanges the authorization code that came with a proof, and stores what it gives with the
    /// identity of the member. Call it last: a code can be exchanged once, so nothing that may still
    /// refuse the request must come after. A failure is logged and no more, because signing in must not
    /// depend on it: the app brings another code next time.
    pub async fn store_grant(
        &self,
        members: &Members,
        member: MemberId,
        proven: &Proven,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        if let Some(code) = &proven.code
            && let Err(problem) = self
                .exchange(members, member, (proven, code), now, rng)
                .await
        {
            let (code, detail) = (problem.code.as_str(), problem.detail.as_deref());
            tracing::warn!(code, detail, "authorization code not exchanged");
        }
    }

    async fn exchange(
        &self,
        members: &Members,
        member: MemberId,
        (proven, unspent): (&Proven, &UnspentCode),
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<(), Problem> {
        let exchanged = self
            .providers
            .exchange_apple_code(&unspent.code, &unspent.identity, now);
        let Some(grant) = exchanged.await? else {
            return Ok(());
        };
        let (provider, subject) = (proven.provider, &proven.subject);
        let plain = serde_json::to_vec(&grant).map_err(|e| Problem::internal(&e))?;
        let keys = self.keys.current(now).await?;
        let place = Sealed::place(provider, subject);
        let Some(sealed) = Sealed::seal(&keys, &place, &plain, rng) else {
            return Err(Problem::unavailable("the grant cannot be sealed"));
        };
        let stored = members.store_provider_token(member, (provider, subject), &sealed.0);
        Ok(stored.await?)
    }
}

/// The proof to ask with. Of two, the one that the provider signed for us says more.
fn proof(
    claimed: &Claimed,
    challenge: Option<&Challenge>,
    allows_no_nonce: bool,
) -> Result<Proof, Problem> {
    let missing = |pointer: &str, message: &str| {
        let fault = Fault::new(pointer.to_owned(), FaultCode::Required, message.to_owned());
        Problem::new(Code::ValidationFailed).errors(vec![fault])
    };
    if claimed.provider == Provider::Guest {
        let fault = Fault::new(
            "/provider".to_owned(),
            FaultCode::Invalid,
            "guests sign in by /v1/auth/guest".to_owned(),
        );
        return Err(Problem::new(Code::ValidationFailed).errors(vec![fault]));
    }
    let nonce = challenge.map(|challenge| challenge.nonce.clone());
    if let Some(told) = &claimed.nonce {
        let same = nonce
            .as_deref()
            .is_some_and(|nonce| jose::nonce_matches(told, nonce));
        if !same {
            return Err(ProviderError::Token(TokenFault::Nonce).into());
        }
    }
    match (&claimed.id_token, &claimed.access_token) {
        // Kakao makes id tokens without a nonce where the app gave none; the access token that comes with
        // such a one proves as much.
        (Some(id_token), Some(token))
            if claimed.provider == Provider::Kakao && !id_token_has_nonce(id_token) =>
        {
            Ok(Proof::AccessToken(token.clone()))
        }
        (Some(_), _) if claimed.provider.binds_nonce() && nonce.is_none() && !allows_no_nonce => {
            let problem: Problem = ProviderError::Token(TokenFault::Nonce).into();
            Err(problem.detail("an id token needs the challenge_id of the challenge it answers"))
        }
        (Some(token), _) if claimed.provider.binds_nonce() => Ok(Proof::IdToken {
            token: token.clone(),
            nonce,
        }),
        (_, Some(token)) => Ok(Proof::AccessToken(token.clone())),
        (_, None) if claimed.provider == Provider::Naver => {
            Err(missing("/access_token", "Naver vouches by it"))
        }
        (_, None) => Err(missing("/id_token", "the provider vouches by it")),
    }
}

#[cfg(test)]
mod tests {
    use domain::keyring::Keys;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn claimed(provider: Provider) -> Claimed {
        Claimed {
            provider,
            id_token: None,
            access_token: None,
            authorization_code: None,
            challenge_id: None,
            nonce: None,
        }
    }

    fn challenge() -> Challenge {
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let secret = serde_json::json!({ "current": { "id": 1, "key": key } });
        let keys = Keys::parse(&secret.to_string()).unwrap();
        Challenge::new(
            &keys,
            Instant::from_seconds(0),
            &mut StdRng::seed_from_u64(1),
        )
    }

    fn refused(claimed: &Claimed, challenge: Option<&Challenge>) -> Option<Code> {
        proof(claimed, challenge, false)
            .err()
            .map(|problem| problem.code)
    }

    #[test]
    fn an_id_token_needs_a_challenge_wherever_the_provider_binds_one() {
        for provider in Provider::ALL.iter().copied().filter(|p| p.binds_nonce()) {
            let signed = Claimed {
                id_token: Some("a.b.c".into()),
                ..claimed(provider)
            };
            assert_eq!(refused(&signed, None), Some(Code::TokenNonce), "{provider}");
            assert_eq!(refused(&signed, Some(&challenge())), None, "{provider}");
        }
    }

    #[test]
    fn kakaos_access_token_stands_in_for_an_id_token_without_a_nonce() {
        // {"nonce": "n"} and {}.
        let (with, without) = ("a.eyJub25jZSI6Im4ifQ.c", "a.e30.c");
        let challenge = challenge();
        for (id_token, challenge, by_access_token) in [
            (with, Some(&challenge), false),
            (without, Some(&challenge), true),
            (with, None, false),
            (without, None, true),
        ] {
            for provider in [Provider::Kakao, Provider::Facebook] {
                let both = Claimed {
                    id_token: Some(id_token.into()),
                    access_token: Some("token".into()),
                    ..claimed(provider)
                };
                let proof = proof(&both, challenge, false);
                let chosen = matches!(proof, Ok(Proof::AccessToken(_)));
                let expected = by_access_token && provider == Provider::Kakao;
                assert_eq!(chosen, expected, "{provider} {id_token}");
            }
        }
    }

    #[test]
    fn a_nonce_that_is_told_must_be_the_challenges() {
        let challenge = challenge();
        for (nonce, code) in [
            (&*challenge.nonce, None),
            ("another", Some(Code::TokenNonce)),
        ] {
            let told = Claimed {
                id_token: Some("a.b.c".into()),
                nonce: Some(nonce.to_owned()),
                ..claimed(Provider::Google)
            };
            assert_eq!(refused(&told, Some(&challenge)), code);
            assert_eq!(refused(&told, None), Some(Code::TokenNonce));
        }
    }

    #[test]
    fn nobody_is_vouched_for_without_a_proof() {
        for provider in Provider::ALL.iter().copied() {
            let code = Some(Code::ValidationFailed);
            assert_eq!(refused(&claimed(provider), None), code, "{provider}");
        }
    }
}
