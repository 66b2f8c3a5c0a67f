//! `GET /withdrawal/requests/{code}`: how far a deletion is that a provider requested in a user's name.

use std::sync::Arc;

use domain::Instant;
use garde::Validate;
use kit::{Call, Code, Nothing, Problem, Reply, reply::Raw};
use schemars::JsonSchema;
use serde::Deserialize;
use store::members::DeletionState;

use crate::{
    State,
    page::{Language, STYLE, html},
};

/// Which request.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestPath {
    /// The confirmation code of the request.
    #[garde(length(bytes, min = 1, max = 64))]
    code: String,
}

pub(crate) async fn get(
    state: Arc<State>,
    call: Call<RequestPath, Nothing, Nothing>,
) -> Result<Reply<Raw>, Problem> {
    let found = state
        .members
        .deletion_state(&call.path.code, call.now())
        .await?;
    let found = found.ok_or_else(|| {
        Problem::new(Code::NotFound).detail("there is no deletion request with this code")
    })?;
    let language = Language::of(call.facts.languages.iter().map(domain::Locale::as_str));
    let page = language
        .request_page()
        .replace("{style}", STYLE)
        .replace("{app}", &state.app_name.html())
        .replace("{developer}", &state.developer_name.html())
        .replace("{href}", &state.contact.href())
        .replace("{contact}", state.contact.as_str())
        // A path segment that was found is a code of ours: hexadecimal digits.
        .replace("{code}", &call.path.code)
        .replace("{state}", &describe(language, found));
    Ok(html(language, page).cache_control("no-store"))
}

fn describe(language: Language, state: DeletionState) -> String {
    let day = |at: Instant| at.to_string().chars().take(10).collect::<String>();
    match (language, state) {
        (Language::Korean, DeletionState::NothingStored) => {
            "저장된 정보가 없어 삭제할 것이 없습니다.".to_owned()
        }
        (Language::English, DeletionState::NothingStored) => {
            "Nothing was stored, so there is nothing to delete.".to_owned()
        }
        (Language::Korean, DeletionState::Scheduled(at)) => {
            format!("요청을 받았습니다. {}에 삭제합니다.", day(at))
        }
        (Language::English, DeletionState::Scheduled(at)) => {
            format!("Received. The data is deleted on {}.", day(at))
        }
        (Language::Korean, DeletionState::Deleted) => "삭제했습니다.".to_owned(),
        (Language::English, DeletionState::Deleted) => "The data is deleted.".to_owned(),
        (Language::Korean, DeletionState::Unlinked) => {
            "로그인 제공자와의 연결과 그 정보를 삭제했습니다. 다른 로그인 수단이 있어 계정은 남아 있습니다.".to_owned()
        }
        (Language::English, DeletionState::Unlinked) => "The connection with the sign-in provider \
             and what came from it are deleted. The account stays, because it has another way to sign in."
            .to_owned(),
        (Language::Korean, DeletionState::Cancelled) => {
            "다시 로그인하여 삭제를 취소했습니다.".to_owned()
        }
        (Language::English, DeletionState::Cancelled) => {
            "The deletion was cancelled by signing in again.".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_a_sentence_in_each_language() {
        let at = Instant::from_seconds(1_800_000_000);
        for (state, korean, english) in [
            (DeletionState::NothingStored, "없습니다", "Nothing"),
            (DeletionState::Scheduled(at), "2027-01-15", "2027-01-15"),
            (DeletionState::Deleted, "삭제했습니다", "is deleted"),
            (DeletionState::Unlinked, "계정은 남아", "account stays"),
            (DeletionState::Cancelled, "취소", "cancelled"),
        ] {
            let text = describe(Language::Korean, state);
            assert!(text.contains(korean), "{text}");
            let text = describe(Language::English, state);
            assert!(text.contains(english), "{text}");
        }
    }
}
