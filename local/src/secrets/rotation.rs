//! Rotations: the four steps in which Secrets Manager has a function rotate a secret.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use crate::{sandbox::Sandbox, say::say};

const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// Which function rotates which secret, by the secret's ARN.
#[derive(Default)]
pub struct Rotations(BTreeMap<String, Arc<Sandbox>>);

impl Rotations {
    /// The function that rotates the secret of this ARN.
    pub(super) fn of(&self, secret: &str) -> Option<Arc<Sandbox>> {
        self.0.get(secret).cloned()
    }
}

impl FromIterator<(String, Arc<Sandbox>)> for Rotations {
    fn from_iter<T: IntoIterator<Item = (String, Arc<Sandbox>)>>(rotations: T) -> Self {
        Self(rotations.into_iter().collect())
    }
}

/// Carries out one rotation, up to the first step that fails; the next rotation goes on from there.
pub(super) async fn run(function: Arc<Sandbox>, secret: String, version: String) {
    for step in STEPS {
        let event = json!({ "SecretId": secret, "ClientRequestToken": version, "Step": step });
        if function
            .invoke(event.to_string().into(), None)
            .await
            .is_err()
        {
            say(format_args!("{secret}: the rotation stopped at {step}"));
            return;
        }
    }
}
