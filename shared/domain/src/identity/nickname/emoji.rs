//! Emoji as people type them (UTS 51): with skin tones, joined to families, flags and keycaps.
//!
//! Whatever is invisible by itself (the joiner, the variation selector, tags) is part of a name only
//! within these.

use unicode_properties::{
    UnicodeEmoji,
    emoji::{EmojiStatus, is_regional_indicator},
};

use crate::Country;

const JOINER: char = '\u{200d}';
const AS_EMOJI: char = '\u{fe0f}';
const KEYCAP: &str = "\u{20e3}";
/// The longest that keyboards offer: two people, a heart and a kiss.
const MOST_JOINED: usize = 4;

/// The flags that are spelled by tags: England, Scotland, Wales.
const TAGGED_FLAGS: [&str; 3] = [
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

/// Flags of regions that are no countries of ISO 3166-1.
const OTHER_FLAGS: [&str; 3] = ["EU", "UN", "XK"];

/// Whether a grapheme cluster is one emoji.
pub(super) fn is_one(cluster: &str) -> bool {
    is_flag(cluster) || is_keycap(cluster) || is_joined(cluster)
}

fn is_flag(cluster: &str) -> bool {
    let region: Option<String> = cluster.chars().map(region_letter).collect();
    TAGGED_FLAGS.contains(&cluster)
        || region.is_some_and(|region| {
            OTHER_FLAGS.contains(&&*region) || region.parse::<Country>().is_ok()
        })
}

fn region_letter(c: char) -> Option<char> {
    let place = u32::from(c).checked_sub(u32::from('\u{1f1e6}'))?;
    char::from_u32(u32::from('A') + place).filter(char::is_ascii_uppercase)
}

fn is_keycap(cluster: &str) -> bool {
    cluster.strip_suffix(KEYCAP).is_some_and(|key| {
        let mut key = key.strip_suffix(AS_EMOJI).unwrap_or(key).chars();
        matches!(
            (key.next(), key.next()),
            (Some('0'..='9' | '#' | '*'), None)
        )
    })
}

fn is_joined(cluster: &str) -> bool {
    cluster.split(JOINER).count() <= MOST_JOINED && cluster.split(JOINER).all(is_picture)
}

/// One picture, perhaps with a skin tone or told to be shown as a picture.
fn is_picture(text: &str) -> bool {
    let mut chars = text.chars();
    let Some(base) = chars.next() else {
        return false;
    };
    let status = base.emoji_status();
    let takes_tone = matches!(
        status,
        EmojiStatus::EmojiModifierBase | EmojiStatus::EmojiPresentationAndModifierBase
    );
    let is_base = base.is_emoji_char()
        && !base.is_ascii()
        && !is_regional_indicator(base)
        && !is_skin_tone(base);
    is_base
        && match (chars.next(), chars.next()) {
            (None, _) | (Some(AS_EMOJI), None) => true,
            (Some(tone), None) => takes_tone && is_skin_tone(tone),
            _ => false,
        }
}

fn is_skin_tone(c: char) -> bool {
    c.emoji_status() == EmojiStatus::EmojiPresentationAndModifierAndEmojiComponent
}
