//! Members: who they are, and that what happens once happens once, whatever is lost on the way.

mod devices;
mod identities;
mod lost;
mod nicknames;
mod profile;
mod purge;
mod reading;
mod search;
mod sessions;
mod sign_in;
mod standing;
mod tickets;
mod transfer;
mod unlink_outbox;
mod withdrawal;

use std::{sync::Mutex, time::Duration};

use aws::Pace;
use domain::{
    Instant, RandomId, ReportedDevice,
    identity::{Ban, Challenge, Consents, MemberId, Provider, Session, SessionTerms, Subject},
};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::json;
use store::{
    Members, Stamp,
    members::{Entered, NewIdentity, NewSession, Newcomer, SignIn, SignedIn},
};

use crate::harness::{Dynamo, NOON, Proxy, table_at};

const DAY: Duration = Duration::from_secs(24 * 3600);

const TERMS: SessionTerms = SessionTerms {
    grace: Duration::from_secs(60),
    idle: Duration::from_secs(90 * 24 * 3600),
    lifetime: Duration::from_secs(365 * 24 * 3600),
};

/// A database with nobody in it yet, and a proxy before it.
struct Town {
    members: Members,
    dynamo: Dynamo,
    proxy: Proxy,
    rng: Mutex<StdRng>,
}

impl Town {
    async fn start() -> Self {
        Self::at(Pace::NORMAL).await
    }

    /// Calls are made at that pace.
    async fn at(pace: Pace) -> Self {
        let dynamo = Dynamo::start().await;
        let proxy = Proxy::start(&dynamo.endpoint).await;
        Self {
            members: Members::new(table_at(&proxy.endpoint, pace)),
            dynamo,
            proxy,
            rng: Mutex::new(StdRng::seed_from_u64(7)),
        }
    }

    fn id(&self) -> RandomId {
        RandomId::new(NOON, &mut *self.rng.lock().unwrap())
    }

    fn stamp(&self) -> Stamp {
        Stamp::random(&mut *self.rng.lock().unwrap())
    }

    fn newcomer(&self) -> Newcomer {
        Newcomer {
            id: self.id(),
            locale: Some("ko-KR".parse().unwrap()),
            country: Some("KR".parse().unwrap()),
            consents: Consents::default(),
            under_14: false,
        }
    }

    fn new_session(&self, device: &str) -> NewSession {
        NewSession::on(self.id(), phone(device))
    }

    fn challenge(&self) -> Challenge {
        Challenge {
            serial: self.id(),
            id: "id".into(),
            nonce: "nonce".into(),
            expires_at: NOON + Challenge::LIFETIME,
            token: None,
        }
    }

    /// Signs in with a new challenge, and makes a member of whoever is none yet.
    async fn try_sign_in(
        &self,
        identity: &NewIdentity<'_>,
        device: &str,
        now: Instant,
    ) -> SignedIn {
        let sign_in = SignIn {
            identity,
            newcomer: Some(&self.newcomer()),
            session: &self.new_session(device),
            terms: &TERMS,
            challenge: Some(&self.challenge()),
        };
        let signed_in = self.members.sign_in(&sign_in, self.stamp(), now).await;
        signed_in.unwrap()
    }

    /// The same at noon on a phone, for somebody who gets in.
    async fn sign_in(&self, provider: Provider, who: &str) -> Entered {
        let who = subject(who);
        let identity = identity(provider, &who);
        entered(
            self.try_sign_in(&identity, "phone-0-example-0000", NOON)
                .await,
        )
    }

    /// Links another identity to a member.
    async fn link(
        &self,
        member: MemberId,
        provider: Provider,
        who: &str,
    ) -> store::members::Linking {
        let who = subject(who);
        let identity = identity(provider, &who);
        let linked = self
            .members
            .link(member, &identity, None, self.stamp(), NOON, Ok);
        linked.await.unwrap()
    }

    async fn withdraw(&self, member: MemberId, grace: Duration) {
        let withdrawn = self
            .members
            .withdraw(member, grace, self.stamp(), NOON, Ok)
            .await;
        withdrawn.unwrap().unwrap();
    }

    async fn version(&self, member: MemberId) -> u64 {
        let record = self.members.member(member).await.unwrap().unwrap();
        record.member.version
    }

    /// Everything in the table, as text.
    async fn everything(&self) -> String {
        format!("{:?}", crate::harness::items(&self.dynamo).await)
    }

    /// How many items lie in partitions whose key begins so.
    async fn count(&self, beginning: &str) -> usize {
        let keys = crate::harness::raw::keys(&self.dynamo.endpoint, beginning);
        keys.await.len()
    }
}

fn entered(signed_in: SignedIn) -> Entered {
    match signed_in {
        SignedIn::Entered(entered) => *entered,
        other => panic!("{other:?}"),
    }
}

fn subject(text: &str) -> Subject {
    text.parse().unwrap()
}

fn identity(provider: Provider, subject: &Subject) -> NewIdentity<'_> {
    NewIdentity {
        provider,
        subject,
        guest_secret: None,
        hashes: &[],
    }
}

fn phone(id: &str) -> ReportedDevice {
    serde_json::from_value(json!({"id": id, "platform": "ios", "model": "iPhone17,1"})).unwrap()
}

fn ban(ends_at: Option<Instant>) -> Ban {
    Ban {
        reason: "cheating".into(),
        message: serde_json::from_value(json!({"default": "no", "ko": "안 돼"})).unwrap(),
        since: NOON,
        ends_at,
    }
}

fn ids(sessions: &[Session]) -> Vec<RandomId> {
    sessions.iter().map(|session| session.id).collect()
}
