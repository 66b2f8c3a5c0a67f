//! The parts of the answer: what each needs, within its deadline.

use std::future::Future;

use domain::{
    ReadState,
    liveops::{Banners, Notices, RemoteConfig},
};
use http::HeaderMap;
use kit::{Code, Principal, Problem, config::Milliseconds, middleware::bearer_token};
use liveops::{Asking, Known, KnownStatus};
use schemars::JsonSchema;
use serde::Serialize;

use crate::State;

kit::settings! {
    /// How long the parts may take.
    pub struct Deadlines {
        /// For what is published, which comes from memory but for an instance's first request.
        content: Milliseconds = "LAUNCH_CONTENT_MS", default "2000";
        /// For how much the member has not read, their token's verification included.
        unread: Milliseconds = "LAUNCH_UNREAD_MS", default "300";
    }
}

/// A part, or why it is missing.
pub(crate) type Part<T> = Result<T, MissingCode>;

/// All parts.
pub(crate) struct Parts<'a> {
    pub(crate) status: Part<KnownStatus>,
    pub(crate) config: Part<Known<'a, RemoteConfig>>,
    pub(crate) banners: Part<Known<'a, Banners>>,
    pub(crate) unread: Part<Unread<'a>>,
}

/// What there is to read, and what of it was read.
pub(crate) struct Unread<'a> {
    /// Where somebody asks for it.
    pub(crate) notices: Option<Known<'a, Notices>>,
    /// The member's.
    pub(crate) read: Option<ReadState>,
    /// Whether a token was sent.
    pub(crate) is_members: bool,
}

/// The parts of the launch answer that can be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "LaunchPart")]
pub(crate) enum PartName {
    /// `status`, `maintenance` and `update`.
    Status,
    /// `config`.
    Config,
    /// `banners`.
    Banners,
    /// `unread`.
    Unread,
}

/// Why a part is missing: as a route of its own would refuse it, or that it took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "LaunchMissingCode")]
pub(crate) enum MissingCode {
    /// It was not there within its deadline.
    Timeout,
    /// Something that it depends on does not answer.
    Unavailable,
    /// The token is not one of ours, or its session is over.
    TokenInvalid,
    /// The token was good until a while ago.
    TokenExpired,
    /// The token was made for another app.
    TokenAudience,
    /// The token was made by somebody else.
    TokenIssuer,
    /// The member is banned.
    MemberBanned,
    /// Something broke on our side.
    Internal,
}

impl From<Problem> for MissingCode {
    fn from(problem: Problem) -> Self {
        match problem.code {
            Code::Unavailable => Self::Unavailable,
            Code::TokenInvalid => Self::TokenInvalid,
            Code::TokenExpired => Self::TokenExpired,
            Code::TokenAudience => Self::TokenAudience,
            Code::TokenIssuer => Self::TokenIssuer,
            Code::MemberBanned => Self::MemberBanned,
            _ => Self::Internal,
        }
    }
}

impl State {
    pub(crate) async fn parts<'a>(
        &'a self,
        asking: &Asking<'a>,
        headers: &HeaderMap,
        explained: bool,
    ) -> Parts<'a> {
        let (content, member) = (self.deadlines.content, self.deadlines.unread);
        let (status, config, banners, unread) = tokio::join!(
            within(content, async { Ok(self.status.known(asking.now).await?) }),
            within(content, async { Ok(asking.known(&self.config).await?) }),
            within(content, async { Ok(asking.known(&self.banners).await?) }),
            within(member, self.unread(asking, headers, explained)),
        );
        Parts {
            status,
            config,
            banners,
            unread,
        }
    }

    async fn unread<'a>(
        &'a self,
        asking: &Asking<'a>,
        headers: &HeaderMap,
        explained: bool,
    ) -> Result<Unread<'a>, Problem> {
        let token = bearer_token(headers)?;
        let notices = async {
            match token.is_some() || explained {
                true => Ok(Some(asking.known(&self.notices).await?)),
                false => Ok(None),
            }
        };
        let read = async {
            match token {
                Some(token) => self.read(token, asking).await.map(Some),
                None => Ok(None),
            }
        };
        let (notices, read) = tokio::try_join!(notices, read)?;
        Ok(Unread {
            notices,
            read,
            is_members: token.is_some(),
        })
    }

    async fn read(&self, token: &str, asking: &Asking<'_>) -> Result<ReadState, Problem> {
        let now = asking.now;
        let member: Principal = self.authority.access_token(token.to_owned(), now).await?;
        let (member, _) = member.member()?;
        Ok(self.members.read_state(member, now).await?)
    }
}

impl Parts<'_> {
    /// Whether nothing of what is published is known, so that there is no answer at all.
    pub(crate) fn nothing_published(&self) -> bool {
        self.status.is_err() && self.config.is_err() && self.banners.is_err()
    }
}

async fn within<T>(
    deadline: Milliseconds,
    part: impl Future<Output = Result<T, Problem>>,
) -> Part<T> {
    match tokio::time::timeout(deadline.0, part).await {
        Ok(part) => part.map_err(MissingCode::from),
        Err(_) => Err(MissingCode::Timeout),
    }
}
