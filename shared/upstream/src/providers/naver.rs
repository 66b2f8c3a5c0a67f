//! Naver: an access token, which must be ours by Naver's word.
//!
//! <https://developers.naver.com/docs/login/devguide/devguide.md>

use domain::{Instant, identity::Provider};
use serde::Deserialize;

use super::{
    Identity, Proof, ProviderError, ProviderSettings, TokenFault, api::Api, signed::subject,
};
use crate::https::{Https, Question};

/// The code of an answer that answers.
const SUCCESS: &str = "00";

pub(super) struct Naver {
    client_ids: Vec<String>,
    api: Api,
}

#[derive(Deserialize)]
struct Verdict {
    resultcode: String,
    response: Option<TokenInfo>,
}

#[derive(Deserialize)]
struct TokenInfo {
    client_id: Option<String>,
}

#[derive(Deserialize)]
struct Me {
    resultcode: String,
    response: Option<User>,
}

#[derive(Deserialize)]
struct User {
    id: String,
}

impl Naver {
    pub(super) fn new(settings: &ProviderSettings, https: &Https) -> Self {
        Self {
            client_ids: settings.naver_client_ids.0.clone(),
            api: Api::new(
                Provider::Naver,
                &settings.naver_api_url,
                https.clone(),
                |_| false,
            ),
        }
    }

    pub(super) async fn verify(
        &self,
        proof: &Proof,
        now: Instant,
    ) -> Result<Identity, ProviderError> {
        if self.client_ids.is_empty() {
            return Err(ProviderError::Disabled(Provider::Naver));
        }
        let token = proof.access_token()?;
        let question = Question::get(&self.api.at("/v1/nid/verify"), &[("info", "true")]);
        let question = question.authorized("Bearer", token);
        let told = self.api.ask::<Verdict>(&question, now).await?;
        let verdict = told.about_a_token(Provider::Naver)?;
        let info = successful(&verdict.resultcode, verdict.response)?;
        let client_id = info.client_id.filter(|id| self.client_ids.contains(id));
        let client_id = client_id.ok_or(TokenFault::Audience)?;

        let question = Question::get(&self.api.at("/v1/nid/me"), &[]);
        let question = question.authorized("Bearer", token);
        let told = self.api.ask::<Me>(&question, now).await?;
        let me = told.about_a_token(Provider::Naver)?;
        let user = successful(&me.resultcode, me.response)?;
        Ok(Identity {
            provider: Provider::Naver,
            subject: subject(&user.id)?,
            client_id: Some(client_id),
            token: None,
        })
    }
}

fn successful<T>(result_code: &str, response: Option<T>) -> Result<T, ProviderError> {
    response
        .filter(|_| result_code == SUCCESS)
        .ok_or(ProviderError::INVALID)
}
