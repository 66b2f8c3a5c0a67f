//! What follows from a provider's event, as settings have it.

use kit::config::Setting;
use upstream::providers::{AccountEvent, AccountEventKind};

kit::settings! {
    /// What providers' events do. Each can be made gentler.
    pub struct ReactionSettings {
        /// What Apple's report that an account was deleted does: `withdraw` (unlinks Apple where the member has another identity, else starts withdrawal), `unlink`, `sign_out` or `ignore`.
        apple_account_delete: DeletionReaction = "APPLE_ON_ACCOUNT_DELETE", default "withdraw";
        /// What Kakao's report that an account was deleted does: as for Apple's.
        kakao_account_delete: DeletionReaction = "KAKAO_ON_ACCOUNT_DELETE", default "withdraw";
        /// What Kakao's `UNLINK_FROM_APPS` does, the button "delete all information": as for Apple's.
        kakao_unlink_from_apps: DeletionReaction = "KAKAO_ON_UNLINK_FROM_APPS", default "withdraw";
        /// What Kakao's `UNLINK_FROM_ADMIN` does: `unlink` (unlinks Kakao where the member has another identity, else ends the sessions), `sign_out` or `ignore`.
        kakao_unlink_from_admin: UnlinkReaction = "KAKAO_ON_UNLINK_FROM_ADMIN", default "unlink";
        /// What Kakao's `INCOMPLETE_SIGN_UP` does: as `UNLINK_FROM_ADMIN`.
        kakao_incomplete_sign_up: UnlinkReaction = "KAKAO_ON_INCOMPLETE_SIGN_UP", default "unlink";
    }
}

/// What follows from an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// The identity is unlinked; a member who has no other one is withdrawn after the grace.
    Withdraw,
    /// The identity is unlinked; a member who has no other one keeps it, and their sessions end.
    Unlink,
    /// The member's sessions end.
    SignOut,
    /// Nothing.
    Ignore,
}

/// A reaction to a wish or a need to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionReaction(pub Reaction);

/// A reaction to a connection that ended. It never deletes a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnlinkReaction(pub Reaction);

impl Setting for DeletionReaction {
    const EXPECTED: &'static str = "withdraw, unlink, sign_out or ignore";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "withdraw" => Some(Self(Reaction::Withdraw)),
            text => UnlinkReaction::parse(text).map(|UnlinkReaction(gentler)| Self(gentler)),
        }
    }
}

impl Setting for UnlinkReaction {
    const EXPECTED: &'static str = "unlink, sign_out or ignore";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "unlink" => Some(Self(Reaction::Unlink)),
            "sign_out" => Some(Self(Reaction::SignOut)),
            "ignore" => Some(Self(Reaction::Ignore)),
            _ => None,
        }
    }
}

impl ReactionSettings {
    /// What follows from this event.
    pub(crate) fn to(&self, event: &AccountEvent) -> Reaction {
        use domain::identity::Provider::{Apple, Kakao};
        match (event.kind, event.provider) {
            (AccountEventKind::SessionsRevoked, _) => Reaction::SignOut,
            (AccountEventKind::AccountDeleted, Apple) => self.apple_account_delete.0,
            (AccountEventKind::AccountDeleted, Kakao) => self.kakao_account_delete.0,
            (AccountEventKind::DeletionRequested, Kakao) => self.kakao_unlink_from_apps.0,
            (AccountEventKind::AccountDeleted | AccountEventKind::DeletionRequested, _) => {
                Reaction::Withdraw
            }
            (AccountEventKind::UnlinkedByProvider, _) => self.kakao_unlink_from_admin.0,
            (AccountEventKind::SignUpAbandoned, _) => self.kakao_incomplete_sign_up.0,
            (AccountEventKind::Other, _) => Reaction::Ignore,
        }
    }
}

#[cfg(test)]
mod tests {
    use kit::Vars;

    use super::*;

    #[test]
    fn what_ends_a_connection_never_deletes_a_member() {
        for (text, deletion, unlink) in [
            ("withdraw", Some(Reaction::Withdraw), None),
            ("unlink", Some(Reaction::Unlink), Some(Reaction::Unlink)),
            ("sign_out", Some(Reaction::SignOut), Some(Reaction::SignOut)),
            ("ignore", Some(Reaction::Ignore), Some(Reaction::Ignore)),
            ("delete", None, None),
            ("", None, None),
        ] {
            let found = DeletionReaction::parse(text).map(|reaction| reaction.0);
            assert_eq!(found, deletion, "{text}");
            let found = UnlinkReaction::parse(text).map(|reaction| reaction.0);
            assert_eq!(found, unlink, "{text}");
        }
    }

    #[test]
    fn a_setting_makes_a_reaction_gentler() {
        let event = AccountEvent {
            provider: domain::identity::Provider::Kakao,
            kind: AccountEventKind::DeletionRequested,
            subject: "42".parse().unwrap(),
            at: domain::Instant::from_seconds(0),
            id: None,
        };
        let reaction = |vars: &Vars| ReactionSettings::read(vars).unwrap().to(&event);
        assert_eq!(reaction(&Vars::default()), Reaction::Withdraw);
        let gentler = ("KAKAO_ON_UNLINK_FROM_APPS".to_owned(), "unlink".to_owned());
        assert_eq!(reaction(&[gentler].into_iter().collect()), Reaction::Unlink);
    }
}
