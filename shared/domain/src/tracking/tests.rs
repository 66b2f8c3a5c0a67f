//! Tokens come back as they went out, or not at all.

use proptest::prelude::*;

use super::*;

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn secret(current: u8, previous: &[u8]) -> String {
    let key = |id: u8| serde_json::json!({"id": id, "key": base64::engine::general_purpose::STANDARD.encode([id; 32])});
    let previous: Vec<_> = previous.iter().map(|id| key(*id)).collect();
    serde_json::json!({"current": key(current), "previous": previous}).to_string()
}

fn keys(current: u8, previous: &[u8]) -> Keys {
    Keys::parse(&secret(current, previous)).unwrap()
}

fn token() -> Token {
    Token {
        request: [7; 16],
        slot: 3,
        campaign: 1,
        creative: u64::MAX,
        placement: 0x0123_4567_89ab_cdef,
        issue_minute: 29_000_000,
        device: Some(DeviceKey::from_bytes([9; 16])),
        pricing: Some(Pricing::Cpm),
        price_micros: 1_500_000,
        lease: None,
        expires_at: Instant::from_seconds(1_800_000_000),
    }
}

fn before_expiry() -> Instant {
    Instant::from_seconds(1_799_999_999)
}

prop_compose! {
    fn any_token()(
        request: [u8; 16], slot: u8, campaign: u64, creative: u64, placement: u64,
        issue_minute: u32, device: [u8; 16], pricing in 0u8..6, price_micros: u64,
        lease: Option<u64>, expires in any::<u32>(),
    ) -> Token {
        Token {
            request, slot, campaign, creative, placement, issue_minute,
            device: (device != [0; 16]).then_some(DeviceKey::from_bytes(device)),
            pricing: pricing_from_byte(pricing).unwrap(), price_micros, lease,
            expires_at: Instant::from_seconds(expires.into()),
        }
    }
}

proptest! {
    #[test]
    fn what_was_signed_is_read_back(token in any_token()) {
        let keys = keys(1, &[]);
        let text = sign(&keys, &token);
        prop_assert!(text.len() <= 134);
        prop_assert_eq!(verify(&keys, &text, Instant::default()).unwrap().token, token);
    }

    #[test]
    fn any_other_text_is_refused(token in any_token(), place in 0usize..123, letter in 0usize..64) {
        let keys = keys(1, &[]);
        let text = sign(&keys, &token);
        let mut altered = text.clone();
        altered.replace_range(place..=place, &ALPHABET[letter..=letter]);
        prop_assume!(altered != text);
        // The second byte is the key's id: it stands in the second and third letters.
        let refused = match verify(&keys, &altered, before_expiry()) {
            Err(TokenRefused::UnknownKey(id)) => id != 1 && (1..=2).contains(&place),
            other => other == Err(TokenRefused::Invalid),
        };
        prop_assert!(refused);
    }

    #[test]
    fn noise_is_refused(text in ".{0,200}") {
        prop_assert_eq!(verify(&keys(1, &[]), &text, before_expiry()), Err(TokenRefused::Invalid));
    }
}

#[test]
fn a_token_fits_a_url() {
    let keys = keys(1, &[]);
    assert_eq!(sign(&keys, &token()).len(), 123);
    assert_eq!(
        sign(
            &keys,
            &Token {
                lease: Some(1),
                ..token()
            }
        )
        .len(),
        134
    );
}

#[test]
fn other_spellings_of_a_token_are_refused() {
    let keys = keys(1, &[]);
    for lease in [None, Some(1)] {
        let text = sign(&keys, &Token { lease, ..token() });
        let last = text.len() - 1;
        let spellings = ALPHABET
            .chars()
            .map(|letter| format!("{}{letter}", &text[..last]));
        let accepted = spellings.filter(|text| verify(&keys, text, before_expiry()).is_ok());
        assert_eq!(accepted.collect::<Vec<_>>(), std::slice::from_ref(&text));
        for other in [
            format!("{text}="),
            format!("{text}=="),
            format!(" {text}"),
            format!("{text}\n"),
            text[..last].to_owned(),
            format!("{text}A"),
            text.replace('-', "+").replace('_', "/") + "+",
        ] {
            assert_eq!(
                verify(&keys, &other, before_expiry()),
                Err(TokenRefused::Invalid),
                "{other}"
            );
        }
    }
}

#[test]
fn a_token_expires_at_its_second() {
    let keys = keys(1, &[]);
    let text = sign(&keys, &token());
    let expired = |now| verify(&keys, &text, now).unwrap().expired;
    assert!(!expired(Instant::from_millis(1_799_999_999_999)));
    assert!(expired(Instant::from_millis(1_800_000_000_000)));
}

#[test]
fn keys_rotate_without_a_gap() {
    let text = sign(&keys(1, &[]), &token());
    assert!(verify(&keys(2, &[1]), &text, before_expiry()).is_ok());
    assert_eq!(
        verify(&keys(2, &[]), &text, before_expiry()),
        Err(TokenRefused::UnknownKey(1))
    );
    let same_id = secret(1, &[]).replace("AQEB", "AgIC");
    assert_eq!(
        verify(&Keys::parse(&same_id).unwrap(), &text, before_expiry()),
        Err(TokenRefused::Invalid)
    );
}

#[test]
fn only_what_could_be_a_token_is_worth_looking_for_its_key() {
    let text = sign(&keys(1, &[]), &token());
    let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
    let refused = |bytes: &[u8]| {
        let text = URL_SAFE_NO_PAD.encode(bytes);
        verify(&keys(2, &[]), &text, before_expiry()).unwrap_err()
    };
    assert_eq!(refused(&bytes), TokenRefused::UnknownKey(1));
    let with_lease = [&bytes[..], &[0; 8]].concat();
    assert_eq!(refused(&with_lease), TokenRefused::UnknownKey(1));
    let longer = [&bytes[..], &[0]].concat();
    let other_layout = [&[LAYOUT + 1], &bytes[1..]].concat();
    for none in [&bytes[..18], &bytes[1..], &longer, &other_layout, &[]] {
        assert_eq!(refused(none), TokenRefused::Invalid, "{none:?}");
    }
}

#[test]
fn a_bad_secret_is_told_without_telling_the_key() {
    assert!(matches!(
        Keys::parse("hunter2"),
        Err(BadKeys::Malformed { .. })
    ));
    assert!(matches!(Keys::parse("{}"), Err(BadKeys::Malformed { .. })));
    let short = r#"{"current":{"id":4,"key":"c2VjcmV0"}}"#;
    assert_eq!(Keys::parse(short).unwrap_err(), BadKeys::BadKey(4));
    assert_eq!(
        Keys::parse(&secret(1, &[2, 2])).unwrap_err(),
        BadKeys::Repeated(2)
    );
    let shown = format!("{:?}", keys(1, &[2]));
    assert_eq!(shown, "Keys { current: Key(1), previous: [Key(2)] }");
}

#[test]
fn shards_are_even() {
    let mut counts = [0; SHARDS as usize];
    for last in 0..=u8::MAX {
        let mut request = [0; 16];
        request[15] = last;
        counts[usize::from(shard(&request))] += 1;
    }
    assert_eq!(counts, [32; SHARDS as usize]);
}
