//! What must not be in any log line: tokens, secrets, and what providers say of people.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
};

use domain::identity::Provider;
use serde_json::json;
use tracing::{
    Dispatch, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use upstream::providers::Unlink;

use crate::{
    harness::{NOW, SIGNING, World, access, claims_of, issuer_of, proof, with},
    stand_in::Reply,
};

/// Keeps everything that is logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO || metadata.target().starts_with("upstream")
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut self.clone());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(self.0.lock().unwrap(), "{field}={value:?}").unwrap();
    }
}

#[tokio::test]
async fn no_token_secret_or_answer_is_ever_logged() {
    let log = Log::default();
    // With one dispatcher only, whether a line is wanted is asked of whichever thread comes to it
    // first, and other tests want none.
    let _another = Dispatch::new(Log::default());
    let _logging = tracing::subscriber::set_default(log.clone());
    let world = World::new().await;
    let mut hidden: Vec<String> = [
        "facebook-app-secret",
        "kakao-admin-key",
        "access-token",
        "person@example.com",
        "somebody",
        "made-up-kid",
        "42424242",
        "wrong-key",
        &world.stand_in.url,
    ]
    .map(str::to_owned)
    .into();
    for (provider, path) in SIGNING {
        let issuer = issuer_of(provider, "k1");
        world.publish(path, &[&issuer]);
        let claims = with(claims_of(provider), "email", "person@example.com");
        let good = issuer.token(&claims);
        let forged = issuer_of(provider, "k1").token(&claims);
        let unknown = issuer_of(provider, "made-up-kid").token(&claims);
        for token in [good, forged, unknown] {
            let _ = world.verify(provider, &proof(token.clone())).await;
            hidden.extend(token.split('.').map(str::to_owned));
        }
    }
    let answer = json!({ "error": { "code": 190, "message": "person@example.com" } }).to_string();
    let subject = "42424242".parse().unwrap();
    let unlink = Unlink {
        subject: &subject,
        grant: None,
    };
    for (provider, path) in [
        (Provider::Kakao, "/kakao/v1/user/access_token_info"),
        (Provider::Naver, "/naver/v1/nid/verify"),
        (Provider::Facebook, "/facebook/debug_token"),
    ] {
        for reply in [
            Reply::Say(400, answer.clone()),
            Reply::Say(404, answer.clone()),
            Reply::Say(500, answer.clone()),
            Reply::ok(&answer),
            Reply::HangUp,
        ] {
            world.stand_in.set(path, reply);
            let told = world.verify(provider, &access("access-token")).await;
            assert!(told.is_err());
        }
        let _ = world.providers.unlink(provider, &unlink, NOW).await;
    }
    let form = "user_id=42424242";
    let told = world
        .providers
        .kakao_event("KakaoAK wrong-key", form, NOW)
        .await;
    assert!(told.is_err());

    let log = log.0.lock().unwrap();
    for text in [
        "a provider failed",
        "a token is refused",
        "does not take our questions",
    ] {
        assert!(log.contains(text), "{text} in {log}");
    }
    for text in hidden {
        assert!(!log.contains(&text), "{text} in {log}");
    }
}
