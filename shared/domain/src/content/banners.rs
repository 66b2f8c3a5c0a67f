//! Banners: pictures that an app shows in its places, for a while, to whom they concern.

use std::collections::HashMap;

use garde::{Path, Report, Validate};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, IgnoredAny},
};

use super::{
    artefact::Entry,
    limit::{Limit, size_bytes},
    schedule,
    set::Item,
};
use crate::{
    ByLocale, Fault, FaultCode, HttpUrl, Id, Instant, Link, Localized, TimeZoneName,
    targeting::Targeting,
    validation::{JsonValue, child, rule},
};

/// A banner, shown while `starts_at` ≤ now < `ends_at`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[garde(custom(coherent))]
#[schemars(rename = "BannerItem")]
pub struct Banner {
    /// Where in the app it is shown.
    pub placement: Id,
    /// The first moment.
    pub starts_at: Instant,
    /// The first moment after.
    pub ends_at: Instant,
    /// The zone the author thinks in: that of times written without an offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZoneName>,
    /// Greater goes first.
    pub priority: i32,
    /// The picture, by language.
    #[garde(dive)]
    pub images: ByLocale<Image>,
    /// What the picture shows, in words, for who does not see it.
    pub alt: Localized,
    /// What a click does.
    #[garde(dive)]
    pub click: Click,
    /// How often one user sees it.
    pub frequency: BannerFrequency,
    /// Who should see it; without it, everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub targeting: Option<Targeting>,
}

/// A picture. It is named by what it shows: another picture has another URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[schemars(rename = "BannerImage")]
pub struct Image {
    /// Where it is.
    pub url: HttpUrl,
    /// How wide it is, in pixels.
    #[garde(range(min = 1, max = 16_384))]
    pub width: u32,
    /// How high it is, in pixels.
    #[garde(range(min = 1, max = 16_384))]
    pub height: u32,
}

/// What a click on a banner does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(rename = "BannerClick")]
pub enum Click {
    /// Opens a page.
    OpenUrl(OpenUrl),
    /// Is for the app itself to understand.
    Payload(Payload),
    /// Nothing.
    None(NoClick),
}

/// A click that opens a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BannerOpenUrl")]
pub struct OpenUrl {
    /// The page, or a link with an app scheme that the stage lists.
    pub value: Link,
}

/// A click that the app itself understands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[garde(custom(small))]
#[schemars(rename = "BannerPayload")]
pub struct Payload {
    /// Any JSON, of at most 4 KiB; handed on as it is.
    pub value: JsonValue,
}

/// A click that does nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BannerNoClick")]
pub struct NoClick {
    /// Always `null`. Responses have it because every click has a `value`; authors may leave it out.
    #[serde(default, deserialize_with = "null")]
    #[schemars(schema_with = "only_null")]
    pub value: (),
}

/// `null`, as a text that is never there: generators of clients have no type for `null` alone.
fn only_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "maxLength": 0 })
}

/// Of a value in a tagged type, serde takes `{}` for `()` as well.
fn null<'de, D: Deserializer<'de>>(value: D) -> Result<(), D::Error> {
    match Option::<IgnoredAny>::deserialize(value)? {
        None => Ok(()),
        Some(_) => Err(D::Error::custom("must be null")),
    }
}

closed_set! {
    /// How often one user sees a banner; the app keeps to it.
    pub enum BannerFrequency {
        /// Whenever its place is shown.
        Always = "always",
        /// Once.
        Once = "once",
        /// Until the user hides it for the day.
        HideToday = "hide_today",
    }
}

/// How many banners there may be.
const MOST_BANNERS: usize = 1000;

/// How many bytes the artefact may have. `GET /v1/banners` has no pages, and all that is shown may be
/// shown in one place: an answer says less of a banner than the artefact does (one picture, one text),
/// so it is smaller than this. `GET /v1/launch` has them beside the values of remote config, of at most
/// 1 MiB: 2.5 MiB in all. Lambda takes an answer as a JSON text, which escapes quotes and so at most
/// doubles it: 5 MiB, of the 6 MB that it takes.
const LARGEST: usize = 3 * 512 * 1024;

/// How many bytes of JSON a payload may have.
const LARGEST_PAYLOAD: usize = 4 * 1024;

fn small(payload: &Payload, _: &()) -> garde::Result {
    let mut faults = Vec::new();
    if payload.value.size_bytes() > LARGEST_PAYLOAD {
        let message = "must have at most 4,096 bytes of JSON";
        faults.push(Fault::new("/value", FaultCode::TooLong, message));
    }
    rule(faults)
}

impl Validate for Click {
    type Context = ();

    fn validate_into(&self, ctx: &(), path: &mut dyn FnMut() -> Path, report: &mut Report) {
        if let Self::Payload(payload) = self {
            payload.validate_into(ctx, path, report);
        }
    }
}

fn coherent(banner: &Banner, _: &()) -> garde::Result {
    let schedule = schedule::fault(banner.starts_at, Some(banner.ends_at));
    let mut faults = Vec::from_iter(schedule);
    faults.extend(Sizes::default().faults(banner));
    rule(faults)
}

/// The sizes of pictures by their URLs.
#[derive(Default)]
struct Sizes<'a>(HashMap<&'a str, (u32, u32)>);

impl<'a> Sizes<'a> {
    /// The pictures of a banner that elsewhere have another size.
    fn faults(&mut self, banner: &'a Banner) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (tag, image) in banner.images.iter() {
            let size = (image.width, image.height);
            let (width, height) = *self.0.entry(&image.url).or_insert(size);
            if (width, height) != size {
                let at = child(&child("/images", tag), "url");
                let message = format!("is {width} × {height} elsewhere; a picture has one size");
                faults.push(Fault::new(at, FaultCode::NotAllowed, message));
            }
        }
        faults
    }
}

impl Item for Banner {
    const TIMES: &'static [&'static str] = &["starts_at", "ends_at"];

    fn links(&self) -> Vec<(String, &str)> {
        let images = self.images.iter();
        let images = images.map(|(tag, image)| (format!("/images/{tag}/url"), image.url.as_str()));
        let click = match &self.click {
            Click::OpenUrl(page) => Some(("/click/value".to_owned(), page.value.as_str())),
            Click::Payload(_) | Click::None(_) => None,
        };
        images.chain(click).collect()
    }

    /// Pictures are named by their content, so that one URL has one size wherever it is.
    fn faults_between(items: &[Entry<Self>]) -> Vec<(&Id, Fault)> {
        let mut sizes = Sizes::default();
        let mut faults = Vec::new();
        let mut banners = Limit::new(
            "",
            MOST_BANNERS,
            "is beyond the 1,000 banners that there may be",
        );
        let mut bytes = Limit::new(
            "",
            LARGEST,
            "goes beyond the 1,572,864 bytes that the compiled set may have",
        );
        for Entry { id, item } in items {
            let beyond = [banners.add(1), bytes.add(size_bytes(id, item))];
            let of_item = sizes.faults(item).into_iter();
            let of_item = of_item.chain(beyond.into_iter().flatten());
            faults.extend(of_item.map(|fault| (id, fault)));
        }
        faults
    }
}
