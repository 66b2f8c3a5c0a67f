//! Sign-ins under an `Idempotency-Key`: a repeated request gets the same session and member.
//!
//! The record of a request is completed in the transaction of its sign-in, or of the refusal that uses up
//! its challenge, so that there is no moment at which one is stored without the other. Tokens are not
//! stored: a repeated request gets the live pair of the session. What cannot be made again, a guest's secret, is sealed under `auth-keys` and
//! bound to the key, so that neither the table nor another key opens it.
//!
//! A request with both the key and the body gets the session, for ten minutes. Keys must therefore be
//! random (a UUID). A transfer code is a key as well, together with the id of the device.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use domain::{
    DeviceKey, Instant,
    identity::{Ban, MemberId, Session, SessionId, Subject, TransferCode},
    keyring::Keys,
};
use http::{HeaderName, HeaderValue};
use kit::{Call, Code, Problem, call::IdempotencyKey, problem::Chain};
use rand::Rng;
use serde::{Deserialize, Serialize};
use store::{
    Database, Requests, Stamp, StoreError, Transaction,
    edge::LimitSettings,
    idempotency::{Answer, Begun, InFlight, Scope},
    members::{Entered, MemberRecord, Members, SignedIn},
};

use crate::{AuthKeys, Sealed, Sessions, gone, refusal};

/// How long a repeated sign-in gets the same session.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The header of a response that is given again.
pub const REPLAYED: (HeaderName, HeaderValue) = (
    HeaderName::from_static("idempotent-replayed"),
    HeaderValue::from_static("true"),
);

/// Remembers sign-ins by their keys.
#[derive(Clone)]
pub struct Repeats {
    requests: Requests,
    keys: AuthKeys,
}

/// A request to sign in.
pub enum Attempt {
    /// It comes for the first time, or has no key.
    First(Option<SignInClaim>),
    /// It was answered with a session before.
    Repeated(SignInOutcome),
    /// It was refused before, because of a ban.
    Refused(BannedSignIn),
}

/// The right to answer a request that has a key.
pub struct SignInClaim {
    requests: Requests,
    in_flight: InFlight,
    keys: Arc<Keys>,
    place: String,
}

/// What a sign-in came to: enough to answer it again.
#[derive(Clone, Serialize, Deserialize)]
pub struct SignInOutcome {
    /// The member.
    pub member: MemberId,
    /// The session that began.
    pub session: SessionId,
    /// Whether the member was created by it.
    pub created: bool,
    /// A guest's id, and the secret if a new one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<GuestCredentials>,
}

/// A refusal of a banned member, or of an identity that has the ban of a member who is gone: enough to
/// refuse the request again as it was refused first, although its challenge is used.
#[derive(Clone, Serialize, Deserialize)]
pub struct BannedSignIn {
    /// The banned member; absent where they are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    member: Option<MemberId>,
    /// The ban as it was then.
    ban: Ban,
}

/// What is stored of a request, sealed.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Remembered {
    SignedIn(SignInOutcome),
    Banned(BannedSignIn),
}

/// What a guest signs in with.
#[derive(Clone, Serialize, Deserialize)]
pub struct GuestCredentials {
    /// Their id.
    pub id: Subject,
    /// Their secret, where it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl Repeats {
    /// Stores records in the configured Requests table, and seals outcomes under these keys.
    pub fn new(settings: &LimitSettings, database: &Database, keys: &AuthKeys) -> Self {
        Self {
            requests: Requests::new(database.table(&settings.requests_table.0)),
            keys: keys.clone(),
        }
    }

    /// Looks whether the request was answered before, and claims its key if not.
    ///
    /// # Errors
    /// 400 for an unusable key, 409 while another invocation answers it, 422 if the key came with
    /// another body.
    pub async fn begin<P, Q, B>(
        &self,
        call: &Call<P, Q, B>,
        rng: &mut impl Rng,
    ) -> Result<Attempt, Problem> {
        match call.idempotency_key()? {
            Some(sent) => self.claim(call, sent, rng).await,
            None => Ok(Attempt::First(None)),
        }
    }

    /// Looks whether a request that presents a transfer code was answered before, as
    /// [`begin`](Self::begin) does. Without an `Idempotency-Key` the code is the key, because a guest whose
    /// response was lost has nothing else left to sign in with. The same device gets the response again,
    /// however it writes the code. A device without an id of its own gets it only by an `Idempotency-Key`,
    /// because its request could be guessed by anybody who saw the code.
    ///
    /// # Errors
    /// As of [`begin`](Self::begin); 401 `transfer_code_invalid` if the code came from another device.
    pub async fn begin_transfer<P, Q, B>(
        &self,
        call: &Call<P, Q, B>,
        code: &TransferCode,
        device: Option<DeviceKey>,
        rng: &mut impl Rng,
    ) -> Result<Attempt, Problem> {
        let (None, Some(device)) = (call.idempotency_key()?, device) else {
            return self.begin(call, rng).await;
        };
        let (key, device) = (format!("transfer-code {}", code.text()), device.to_string());
        let sent = IdempotencyKey {
            key: &key,
            body: device.as_bytes(),
        };
        match self.claim(call, sent, rng).await {
            Err(problem) if problem.code == Code::IdempotencyKeyReused => {
                Err(Problem::new(Code::TransferCodeInvalid))
            }
            attempt => attempt,
        }
    }

    async fn claim<P, Q, B>(
        &self,
        call: &Call<P, Q, B>,
        sent: IdempotencyKey<'_>,
        rng: &mut impl Rng,
    ) -> Result<Attempt, Problem> {
        let operation = call.facts.endpoint.operation;
        let scope = Scope {
            caller: &call.principal.name(),
            route: operation,
            key: sent.key,
        };
        let place = format!("{operation}/{}", sent.key);
        let (stamp, now) = (Stamp::random(rng), call.now());
        let keys = self.keys.current(now).await?;
        let begun = self
            .requests
            .begin(scope, sent.body, call.facts.deadline, stamp, now)
            .await?;
        match begun {
            Begun::Fresh(in_flight) => Ok(Attempt::First(Some(SignInClaim {
                requests: self.requests.clone(),
                in_flight,
                keys,
                place,
            }))),
            Begun::Replay(answer) => {
                // The key that sealed it is gone; the next ten minutes are too short to matter.
                match Remembered::unseal(&answer.body, &keys, &place) {
                    Some(Remembered::SignedIn(outcome)) => Ok(Attempt::Repeated(outcome)),
                    Some(Remembered::Banned(banned)) if banned.ban.holds(now) => {
                        Ok(Attempt::Refused(banned))
                    }
                    Some(Remembered::Banned(_)) => {
                        let over = "the ban that refused the first request has ended: sign in anew \
                                    with a new key";
                        Err(Problem::new(Code::IdempotencyKeyReused).detail(over))
                    }
                    None => Err(Problem::unavailable(
                        "the first response cannot be given again now",
                    )),
                }
            }
            Begun::Busy => Err(Problem::in_flight()),
            Begun::Reused => Err(Problem::new(Code::IdempotencyKeyReused)),
        }
    }
}

impl SignInClaim {
    /// Adds the outcome of a sign-in to its transaction: the session that begins, with `guest`, or the
    /// ban that refuses it. Other outcomes have no transaction, and may be tried again.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn finish_sign_in<'t>(
        &self,
        signed_in: &SignedIn,
        guest: Option<GuestCredentials>,
        now: Instant,
        rng: &mut impl Rng,
        transaction: Transaction<'t>,
    ) -> Result<Transaction<'t>, StoreError> {
        match signed_in {
            SignedIn::Entered(entered) => self.finish(entered, guest, now, rng, transaction),
            SignedIn::Banned { ban, member } => {
                let banned = Remembered::Banned(BannedSignIn {
                    member: *member,
                    ban: Ban::clone(ban),
                });
                self.remember(403, &banned, now, rng, transaction)
            }
            SignedIn::ChallengeUsed | SignedIn::Unknown => Ok(transaction),
        }
    }

    /// Adds the session that begins to its transaction.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn finish<'t>(
        &self,
        entered: &Entered,
        guest: Option<GuestCredentials>,
        now: Instant,
        rng: &mut impl Rng,
        transaction: Transaction<'t>,
    ) -> Result<Transaction<'t>, StoreError> {
        let outcome = Remembered::SignedIn(SignInOutcome {
            member: entered.member.member.id,
            session: entered.session.id,
            created: entered.created,
            guest,
        });
        let status = if entered.created { 201 } else { 200 };
        self.remember(status, &outcome, now, rng, transaction)
    }

    fn remember<'t>(
        &self,
        status: u16,
        outcome: &Remembered,
        now: Instant,
        rng: &mut impl Rng,
        transaction: Transaction<'t>,
    ) -> Result<Transaction<'t>, StoreError> {
        let answer = Answer {
            status,
            headers: Vec::new(),
            body: outcome.seal(&self.keys, &self.place, rng)?,
        };
        let (requests, claim) = (&self.requests, &self.in_flight);
        requests.finish_in(claim, answer, REMEMBERED, now, transaction)
    }

    /// Gives the key back after a failure, so that the request may be made again.
    pub async fn abandon(self) {
        if let Err(error) = self.requests.abandon(self.in_flight).await {
            // It lapses at the deadline of this invocation.
            tracing::warn!(error = %Chain(&error), "idempotency record not given back");
        }
    }
}

/// Gives the key of a request that failed back.
///
/// # Errors
/// The request's own.
pub async fn settle<T>(
    claim: Option<SignInClaim>,
    result: Result<T, Problem>,
) -> Result<T, Problem> {
    if let (Some(claim), true) = (claim, result.is_err()) {
        claim.abandon().await;
    }
    result
}

impl SignInOutcome {
    /// Returns the member and the session as they are now.
    ///
    /// # Errors
    /// 401 if either is over, 403 if the member is banned.
    pub async fn current(
        &self,
        members: &Members,
        now: Instant,
    ) -> Result<(MemberRecord, Session), Problem> {
        let standing = members.standing(self.member, self.session).await?;
        let (record, session) = standing.ok_or_else(gone)?;
        if let Some(refused) = refusal(&record.member, now) {
            return Err(refused);
        }
        let over = "the session that this request began is over: send a new idempotency key";
        let session = session.ok_or_else(|| Problem::new(Code::TokenInvalid).detail(over))?;
        Ok((record, session))
    }
}

impl BannedSignIn {
    /// Returns the refusal that was given first, with another token for the member's own data.
    ///
    /// # Errors
    /// The keys that sign access tokens cannot be read.
    pub async fn problem(
        &self,
        sessions: &Sessions,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<Problem, Problem> {
        let (name, value) = REPLAYED;
        let problem = sessions.banned(self.member, &self.ban, now, rng).await?;
        Ok(problem.header(name, value))
    }
}

impl Remembered {
    fn seal(&self, keys: &Keys, place: &str, rng: &mut impl Rng) -> Result<String, StoreError> {
        let broken = || StoreError::Encryption;
        let plain = serde_json::to_vec(self).map_err(|_| broken())?;
        let sealed = Sealed::seal(keys, place, &plain, rng).ok_or_else(broken)?;
        Ok(BASE64_STANDARD.encode(sealed.0))
    }

    fn unseal(text: &str, keys: &Keys, place: &str) -> Option<Self> {
        let sealed = Sealed(BASE64_STANDARD.decode(text).ok()?);
        serde_json::from_slice(&sealed.open(keys, place)?.0).ok()
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn an_outcome_opens_under_its_own_key_only_and_shows_nothing() {
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let secret = serde_json::json!({ "current": { "id": 1, "key": key } });
        let keys = Keys::parse(&secret.to_string()).unwrap();
        let outcome = SignInOutcome {
            member: MemberId::from_bytes([1; 16]),
            session: SessionId::from_bytes([2; 16]),
            created: true,
            guest: Some(GuestCredentials {
                id: "g1".parse().unwrap(),
                secret: Some("the-secret".into()),
            }),
        };
        let mut rng = StdRng::seed_from_u64(1);
        let sealed = Remembered::SignedIn(outcome.clone());
        let sealed = sealed.seal(&keys, "signIn/k-1", &mut rng).unwrap();
        let opened = Remembered::unseal(&sealed, &keys, "signIn/k-1").unwrap();
        let Remembered::SignedIn(opened) = opened else {
            panic!("it is of a session");
        };
        assert_eq!(
            (opened.member, opened.session),
            (outcome.member, outcome.session)
        );
        let secret = opened.guest.and_then(|guest| guest.secret);
        assert_eq!(secret.as_deref(), Some("the-secret"));
        assert!(Remembered::unseal(&sealed, &keys, "signIn/k-2").is_none());
        let bytes = BASE64_STANDARD.decode(&sealed).unwrap();
        assert!(!bytes.windows(10).any(|part| part == b"the-secret"));
    }

    #[test]
    fn a_refusal_is_remembered_as_one_and_a_session_of_an_earlier_version_as_a_session() {
        let ban: Ban = serde_json::from_value(serde_json::json!({
            "reason": "bots", "message": { "default": "Out" }, "since": "2026-03-01T12:00:00Z",
        }))
        .unwrap();
        for member in [None, Some(MemberId::from_bytes([3; 16]))] {
            let banned = Remembered::Banned(BannedSignIn {
                member,
                ban: ban.clone(),
            });
            let text = serde_json::to_string(&banned).unwrap();
            let Remembered::Banned(read) = serde_json::from_str(&text).unwrap() else {
                panic!("{text}");
            };
            assert_eq!((read.member, read.ban), (member, ban.clone()));
        }
        let member = MemberId::from_bytes([1; 16]);
        let session = SessionId::from_bytes([2; 16]);
        let earlier = serde_json::json!({ "member": member, "session": session, "created": false });
        let read: Remembered = serde_json::from_value(earlier).unwrap();
        assert!(matches!(read, Remembered::SignedIn(outcome) if outcome.session == session));
    }
}
