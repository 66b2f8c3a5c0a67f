//! Who vouches for an identity.

closed_set! {
    /// Where somebody signs in.
    pub enum Provider {
        /// Sign in with Apple.
        Apple = "apple",
        /// Google.
        Google = "google",
        /// Kakao.
        Kakao = "kakao",
        /// Naver.
        Naver = "naver",
        /// Facebook, by its classic login or by Limited Login.
        Facebook = "facebook",
        /// LINE.
        Line = "line",
        /// Nobody but us: a secret that the device keeps.
        Guest = "guest",
    }
}
