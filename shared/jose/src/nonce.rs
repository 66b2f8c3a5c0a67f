//! Whether a token answers the challenge that we gave.

use std::fmt::Write as _;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};

/// Whether a token's `nonce` is the one we gave out, or its SHA-256 in lower-case hexadecimal, which
/// is what apps are told to hand to Apple's SDK. Takes the same time wherever they differ.
pub fn nonce_matches(claim: &str, nonce: &str) -> bool {
    let raw = is_equal(claim, nonce);
    let hashed = is_equal(claim, &sha256_hex(nonce));
    !nonce.is_empty() && (raw | hashed)
}

fn is_equal(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

fn sha256_hex(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref()
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_accepted_raw_and_as_lower_case_sha_256() {
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(nonce_matches("abc", "abc"));
        assert!(nonce_matches(hash, "abc"));
        for wrong in ["", "ab", "abcd", "ABC", &hash.to_uppercase(), &hash[..63]] {
            assert!(!nonce_matches(wrong, "abc"), "{wrong}");
        }
    }

    #[test]
    fn an_empty_nonce_matches_nothing() {
        assert!(!nonce_matches("", ""));
        assert!(!nonce_matches(&sha256_hex(""), ""));
    }
}
