//! Who vouches for a member.

closed_set! {
    /// Whose word a member signs in with.
    pub enum Provider {
        /// Sign in with Apple.
        Apple = "apple",
        /// Google.
        Google = "google",
        /// Kakao.
        Kakao = "kakao",
        /// Naver.
        Naver = "naver",
        /// Facebook, by its login or its Limited Login.
        Facebook = "facebook",
        /// LINE.
        Line = "line",
        /// Nobody but the device, by a secret of ours.
        Guest = "guest",
    }
}

impl Provider {
    /// Whether the provider's SDK puts a nonce of ours into its id tokens, so that one which comes
    /// without a challenge could be a copy of another's.
    pub const fn binds_nonce(self) -> bool {
        match self {
            Self::Apple | Self::Google | Self::Kakao | Self::Facebook | Self::Line => true,
            Self::Naver | Self::Guest => false,
        }
    }

    /// Whether the provider has a call by which an app ends its connection with a user.
    pub const fn has_unlink_call(self) -> bool {
        match self {
            Self::Apple | Self::Kakao | Self::Facebook => true,
            Self::Google | Self::Naver | Self::Line | Self::Guest => false,
        }
    }
}

text_type! {
    /// A provider's own id of a user: stable, and never an e-mail address.
    pub struct Subject {
        expected: "1 to 255 ASCII characters without spaces",
        length: 1..=255,
        pattern: "^[!-~]*$",
        accept: |text| text.bytes().all(|b| b.is_ascii_graphic()),
    }
}
