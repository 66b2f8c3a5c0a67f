//! What banned members are told, where an operator has no words of their own.

use crate::Localized;

closed_set! {
    /// Why a member is kept out, in as far as they are told.
    pub enum BanTemplate {
        /// For how they treated others.
        Abuse = "abuse",
        /// For an advantage that others don't have.
        Cheating = "cheating",
        /// For payments that were not theirs to make, or were taken back.
        Fraud = "fraud",
        /// For something else.
        Other = "other",
    }
}

impl BanTemplate {
    /// What they are told.
    pub fn message(self) -> Localized {
        let [english, korean, japanese] = match self {
            Self::Abuse => [
                "This account is restricted because of how it treated others.",
                "다른 이용자에 대한 부적절한 행동으로 계정 이용이 제한되었습니다.",
                "他の利用者への不適切な行為により、アカウントの利用が制限されています。",
            ],
            Self::Cheating => [
                "This account is restricted because of cheating.",
                "부정행위로 계정 이용이 제한되었습니다.",
                "不正行為により、アカウントの利用が制限されています。",
            ],
            Self::Fraud => [
                "This account is restricted because of a problem with a payment.",
                "결제 문제로 계정 이용이 제한되었습니다.",
                "決済に関する問題により、アカウントの利用が制限されています。",
            ],
            Self::Other => [
                "This account is restricted. Please contact support.",
                "계정 이용이 제한되었습니다. 고객센터로 문의해 주세요.",
                "アカウントの利用が制限されています。サポートにお問い合わせください。",
            ],
        };
        let texts = [("default", english), ("ko", korean), ("ja", japanese)];
        let texts = texts.map(|(tag, text)| (tag.to_owned(), text.to_owned()));
        Localized::told(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_is_told_in_a_language_of_theirs() {
        for template in BanTemplate::ALL {
            let message = template.message();
            let told = |tag: &str| message.choose(Some(&tag.parse().unwrap())).to_owned();
            assert_ne!(told("ko-KR"), told("en"));
            assert_ne!(told("ja"), told("ko"));
            assert!(!told("fr").is_empty());
        }
    }
}
