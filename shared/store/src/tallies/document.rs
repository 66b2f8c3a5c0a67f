//! What an instance tells in one item, in few bytes. All numbers are big-endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | version of the layout: 1 |
//! | 4 | how many placements; of each: |
//! | 8 · 4 · 4 | its key, slots asked for, slots filled |
//! | 1 · so many | its id, if known |
//! | 4 | how many campaigns; of each: |
//! | 8 · 4 · 4 | its key, times that a cap held it back, how many of: |
//! | 8 · 8 · 4 | creative, placement, slots filled |

use std::collections::BTreeMap;

use domain::Id;

const LAYOUT: u8 = 1;

/// The most placements, campaigns, and creatives in placements that are told of; beyond, nothing is
/// counted. An item must not have more than 400 KB: these are 20 bytes each, or up to 81.
const MOST: usize = 5_000;
const MOST_PLACEMENTS: usize = 1_000;

/// Counts of one instance and some time.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Document {
    pub(crate) placements: BTreeMap<u64, OfPlacement>,
    pub(crate) campaigns: BTreeMap<u64, OfCampaign>,
    /// How many creatives in placements there are in all campaigns.
    entries: usize,
}

/// Counts of a placement.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OfPlacement {
    pub(crate) id: Option<Id>,
    pub(crate) asked: u32,
    pub(crate) served: u32,
}

/// Counts of a campaign.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OfCampaign {
    pub(crate) capped: u32,
    /// By creative and placement.
    pub(crate) served: BTreeMap<(u64, u64), u32>,
}

impl Document {
    pub(super) fn request(&mut self, placement: u64, id: Option<&Id>, slots: u32) {
        if let Some(counts) = self.placement(placement) {
            counts.asked = counts.asked.saturating_add(slots);
            if counts.id.is_none() {
                counts.id = id.cloned();
            }
        }
    }

    pub(super) fn served(&mut self, campaign: u64, creative: u64, placement: u64) {
        self.add_served(campaign, (creative, placement), 1);
        if let Some(counts) = self.placement(placement) {
            counts.served = counts.served.saturating_add(1);
        }
    }

    pub(super) fn capped(&mut self, campaign: u64) {
        self.add_capped(campaign, 1);
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (placement, more) in &other.placements {
            if let Some(counts) = self.placement(*placement) {
                counts.asked = counts.asked.saturating_add(more.asked);
                counts.served = counts.served.saturating_add(more.served);
                if counts.id.is_none() {
                    counts.id.clone_from(&more.id);
                }
            }
        }
        for (campaign, more) in &other.campaigns {
            self.add_capped(*campaign, more.capped);
            for (key, times) in &more.served {
                self.add_served(*campaign, *key, *times);
            }
        }
    }

    fn placement(&mut self, placement: u64) -> Option<&mut OfPlacement> {
        let full = self.placements.len() >= MOST_PLACEMENTS;
        match full {
            true => self.placements.get_mut(&placement),
            false => Some(self.placements.entry(placement).or_default()),
        }
    }

    fn add_capped(&mut self, campaign: u64, times: u32) {
        if times == 0 {
            return;
        }
        if self.campaigns.len() < MOST || self.campaigns.contains_key(&campaign) {
            let counts = self.campaigns.entry(campaign).or_default();
            counts.capped = counts.capped.saturating_add(times);
        }
    }

    fn add_served(&mut self, campaign: u64, key: (u64, u64), times: u32) {
        let known = |of: &OfCampaign| of.served.contains_key(&key);
        if !self.campaigns.get(&campaign).is_some_and(known) {
            if self.entries >= MOST {
                return;
            }
            self.entries += 1;
        }
        let counts = self.campaigns.entry(campaign).or_default();
        let sum = counts.served.entry(key).or_default();
        *sum = sum.saturating_add(times);
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![LAYOUT];
        bytes.extend(length(self.placements.len()));
        for (placement, counts) in &self.placements {
            bytes.extend(placement.to_be_bytes());
            bytes.extend(counts.asked.to_be_bytes());
            bytes.extend(counts.served.to_be_bytes());
            // An id has at most 64 bytes.
            let id = counts.id.as_ref().map_or("", Id::as_str).as_bytes();
            bytes.push(u8::try_from(id.len()).unwrap_or(0));
            bytes.extend(id);
        }
        bytes.extend(length(self.campaigns.len()));
        for (campaign, counts) in &self.campaigns {
            bytes.extend(campaign.to_be_bytes());
            bytes.extend(counts.capped.to_be_bytes());
            bytes.extend(length(counts.served.len()));
            for ((creative, placement), served) in &counts.served {
                bytes.extend(creative.to_be_bytes());
                bytes.extend(placement.to_be_bytes());
                bytes.extend(served.to_be_bytes());
            }
        }
        bytes
    }

    /// `None` for bytes that are no document.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (LAYOUT, rest) = bytes.split_first().map(|(first, rest)| (*first, rest))? else {
            return None;
        };
        let mut fields = Fields(rest);
        let mut document = Self::default();
        for _ in 0..fields.number()? {
            let placement = fields.key()?;
            let (asked, served) = (fields.number()?, fields.number()?);
            let id = fields.text()?.parse().ok();
            let counts = OfPlacement { id, asked, served };
            document.placements.insert(placement, counts);
        }
        for _ in 0..fields.number()? {
            let campaign = fields.key()?;
            let mut counts = OfCampaign {
                capped: fields.number()?,
                served: BTreeMap::new(),
            };
            for _ in 0..fields.number()? {
                let key = (fields.key()?, fields.key()?);
                counts.served.insert(key, fields.number()?);
                document.entries += 1;
            }
            document.campaigns.insert(campaign, counts);
        }
        fields.0.is_empty().then_some(document)
    }
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn key(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::from(u8::from_be_bytes(self.take()?));
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        let mut document = Document::default();
        document.request(1, Some(&"home".parse().unwrap()), 3);
        document.request(2, None, 1);
        document.served(10, 11, 1);
        document.served(10, 11, 1);
        document.served(20, 21, 2);
        document.capped(10);
        document.capped(30);
        document
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_is_read() {
        let bytes = document().to_bytes();
        assert_eq!(Document::from_bytes(&bytes), Some(document()));
        for end in 0..bytes.len() {
            assert_eq!(Document::from_bytes(&bytes[..end]), None, "{end}");
        }
        assert_eq!(
            Document::from_bytes(&[bytes.as_slice(), &[0]].concat()),
            None
        );
    }

    #[test]
    fn counts_add_up() {
        let mut sum = document();
        sum.add(&document());
        let home = &sum.placements[&1];
        assert_eq!((home.asked, home.served), (6, 4));
        let ten = &sum.campaigns[&10];
        assert_eq!((ten.capped, ten.served[&(11, 1)]), (2, 4));
    }

    #[test]
    fn a_document_fits_into_an_item_whatever_happens() {
        let mut document = Document::default();
        let id = "x".repeat(64).parse().unwrap();
        for nth in 0..20_000 {
            document.request(nth, Some(&id), 1);
            document.served(nth, nth, nth);
            document.capped(nth + 20_000);
        }
        document.served(0, 0, 0);
        assert_eq!(
            document.campaigns[&0].served[&(0, 0)],
            2,
            "known ones count on"
        );
        let size = document.to_bytes().len();
        assert!(size < 400_000, "{size}");
    }
}
