//! Tracking tokens: what a device hands back when something was seen, clicked or led to something.
//!
//! A token is all that is known of its mark, so nothing is stored when it is handed out, and it is
//! signed, so nobody else can make one. It is not secret. Its bytes, big-endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | version of the layout: 2 |
//! | 1 | id of the key that signs |
//! | 16 | request |
//! | 1 | slot |
//! | 8 · 8 · 8 | keys ([`key_of`](crate::key_of)) of campaign, creative, placement |
//! | 4 | minute of issue, since 1970 |
//! | 16 | key of the device; 0 for none |
//! | 1 · 8 | what is paid for (0 for nothing), and its price in micros |
//! | 4 | expiry, in seconds since 1970 |
//! | 8, or none | lease |
//! | 16 | HMAC-SHA-256 of all before, its first 128 bits (RFC 2104, section 5) |
//!
//! written in base64url without padding (RFC 4648, section 5): 123 characters, with a lease 134.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::Mac;

pub use crate::keyring::{BadKeys, Key, Keys};

use crate::{DeviceKey, Instant, RandomId, content::campaigns::Pricing};

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// The allocation request.
    pub request: [u8; 16],
    /// The slot within the placement. (A campaign is given once in a request at most, so that request
    /// and campaign alone tell its marks from others.)
    pub slot: u8,
    /// The campaign's key.
    pub campaign: u64,
    /// The creative's key.
    pub creative: u64,
    /// The placement's key.
    pub placement: u64,
    /// When it was issued, in minutes since 1970.
    pub issue_minute: u32,
    /// The device's key; `None` for a device that did not say which it is.
    pub device: Option<DeviceKey>,
    /// What is paid for; `None` for nothing.
    pub pricing: Option<Pricing>,
    /// The price in micros.
    pub price_micros: u64,
    /// The lease that it was served under.
    pub lease: Option<u64>,
    /// When it stops counting, to the second.
    pub expires_at: Instant,
}

impl Token {
    /// What tells a click of this token from the clicks of all others, in letters and digits: the
    /// request and the campaign, which is given once in a request at most.
    pub fn click_id(&self) -> String {
        let request = RandomId::from_bytes(self.request);
        format!("{request}{:016x}", self.campaign)
    }
}

/// An authentic token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// What it says.
    pub token: Token,
    /// Whether it has stopped counting.
    pub expired: bool,
}

/// Why a token was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// It has the form of a token and names a key that is not here: a newer key than was read last,
    /// an older one than is kept, or none at all, since anybody can write such a text. Reading the
    /// keys again may help; how often that is done must not depend on callers.
    #[error("signed with key {0}, which is not known")]
    UnknownKey(u8),
    /// It is forged, altered, or no token at all.
    #[error("not a token of ours")]
    Invalid,
}

/// How many shards the marks of a campaign's minute are spread over.
pub const SHARDS: u8 = 8;

/// The shard of a request's marks: by the last byte of its id, which is random.
pub const fn shard(request: &[u8; 16]) -> u8 {
    let [.., last] = request;
    *last % SHARDS
}

const LAYOUT: u8 = 2;
const WITHOUT_LEASE: usize = 76;
const WITH_LEASE: usize = WITHOUT_LEASE + 8;
const SIGNATURE: usize = 16;

/// Signs a token with the current key.
pub fn sign(keys: &Keys, token: &Token) -> String {
    let key = keys.current();
    let mut bytes = Vec::with_capacity(WITH_LEASE + SIGNATURE);
    bytes.extend([LAYOUT, key.id()]);
    bytes.extend(token.request);
    bytes.push(token.slot);
    bytes.extend(token.campaign.to_be_bytes());
    bytes.extend(token.creative.to_be_bytes());
    bytes.extend(token.placement.to_be_bytes());
    bytes.extend(token.issue_minute.to_be_bytes());
    bytes.extend(token.device.map_or([0; 16], |device| *device.as_bytes()));
    bytes.push(pricing_to_byte(token.pricing));
    bytes.extend(token.price_micros.to_be_bytes());
    bytes.extend(seconds(token.expires_at).to_be_bytes());
    if let Some(lease) = token.lease {
        bytes.extend(lease.to_be_bytes());
    }
    let signature = key.mac(&bytes).finalize().into_bytes();
    bytes.extend(signature.iter().take(SIGNATURE));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a token that came back at `now`. Of all spellings only the one that [`sign`] gave is right;
/// the signature is compared in constant time.
///
/// # Errors
/// [`TokenRefused::UnknownKey`] for what could be a token under another key, and
/// [`TokenRefused::Invalid`], whatever the reason, for all else.
pub fn verify(keys: &Keys, text: &str, now: Instant) -> Result<Verified, TokenRefused> {
    use TokenRefused::{Invalid, UnknownKey};
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Invalid)?;
    let (signed, signature) = bytes.split_last_chunk::<SIGNATURE>().ok_or(Invalid)?;
    let [LAYOUT, key_id, rest @ ..] = signed else {
        return Err(Invalid);
    };
    let token = read(rest).ok_or(Invalid)?;
    let key = keys.by_id(*key_id).ok_or(UnknownKey(*key_id))?;
    key.mac(signed)
        .verify_truncated_left(signature)
        .map_err(|_| Invalid)?;
    Ok(Verified {
        token,
        expired: token.expires_at <= now,
    })
}

fn read(bytes: &[u8]) -> Option<Token> {
    let mut rest = Fields(bytes);
    let token = Token {
        request: rest.take()?,
        slot: u8::from_be_bytes(rest.take()?),
        campaign: u64::from_be_bytes(rest.take()?),
        creative: u64::from_be_bytes(rest.take()?),
        placement: u64::from_be_bytes(rest.take()?),
        issue_minute: u32::from_be_bytes(rest.take()?),
        device: Some(rest.take()?)
            .filter(|key| *key != [0; 16])
            .map(DeviceKey::from_bytes),
        pricing: pricing_from_byte(u8::from_be_bytes(rest.take()?))?,
        price_micros: u64::from_be_bytes(rest.take()?),
        expires_at: Instant::from_seconds(u32::from_be_bytes(rest.take()?).into()),
        lease: None,
    };
    match rest.0.len() {
        0 => Some(token),
        8 => Some(Token {
            lease: Some(u64::from_be_bytes(rest.take()?)),
            ..token
        }),
        _ => None,
    }
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }
}

fn seconds(instant: Instant) -> u32 {
    u32::try_from(instant.as_seconds().max(0)).unwrap_or(u32::MAX)
}

const fn pricing_to_byte(pricing: Option<Pricing>) -> u8 {
    match pricing {
        None => 0,
        Some(Pricing::Cpm) => 1,
        Some(Pricing::Cpc) => 2,
        Some(Pricing::Cpa) => 3,
        Some(Pricing::Flat) => 4,
        Some(Pricing::Impressions) => 5,
    }
}

/// `None` for a byte that no pricing has.
const fn pricing_from_byte(byte: u8) -> Option<Option<Pricing>> {
    Some(match byte {
        0 => None,
        1 => Some(Pricing::Cpm),
        2 => Some(Pricing::Cpc),
        3 => Some(Pricing::Cpa),
        4 => Some(Pricing::Flat),
        5 => Some(Pricing::Impressions),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
