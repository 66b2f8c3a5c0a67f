//! What readers do with artefacts that are not what they should be.

use proptest::prelude::*;

use super::*;
use crate::liveops::{Banners, Notices, RemoteConfig};

fn artefact(kind: Kind) -> Vec<u8> {
    let item = match kind {
        Kind::Banners => banner(json!({})),
        Kind::Notices => notice(json!({})),
        _ => parameter(json!({})),
    };
    compile(kind, &set(&[("a", item)])).unwrap()
}

fn load(kind: Kind, format: u16, bytes: &[u8]) -> Result<(), LoadError> {
    match kind {
        Kind::Banners => Banners::load(format, bytes).map(drop),
        Kind::Notices => Notices::load(format, bytes).map(drop),
        _ => RemoteConfig::load(format, bytes).map(drop),
    }
}

const KINDS: [Kind; 3] = [Kind::Banners, Kind::Notices, Kind::Config];

#[test]
fn what_was_compiled_is_loaded_and_other_formats_are_not() {
    for kind in KINDS {
        let bytes = artefact(kind);
        assert!(load(kind, format(kind), &bytes).is_ok());
        let other = load(kind, format(kind) + 1, &bytes);
        assert!(matches!(
            other,
            Err(LoadError::UnknownFormat { found: 2, .. })
        ));
    }
}

/// To be for everybody, or for nobody, would be a guess.
#[test]
fn an_artefact_whose_targeting_cannot_be_compiled_is_not_loaded() {
    for kind in KINDS {
        let text = String::from_utf8(artefact(kind)).unwrap();
        for field in ["country", "platform", "model"] {
            let altered = text.replace(&format!("\"{field}\""), "\"a_field_of_tomorrow\"");
            if altered == text {
                continue;
            }
            let loaded = load(kind, format(kind), altered.as_bytes());
            assert!(
                matches!(loaded, Err(LoadError::Broken { .. })),
                "{kind} {loaded:?}"
            );
        }
    }
}

#[test]
fn two_parameters_of_one_key_are_not_loaded() {
    let text = String::from_utf8(artefact(Kind::Config)).unwrap();
    let item = text
        .strip_prefix(r#"{"items":["#)
        .unwrap()
        .strip_suffix("]}")
        .unwrap();
    let twice = format!(r#"{{"items":[{item},{item}]}}"#);
    let loaded = load(Kind::Config, format(Kind::Config), twice.as_bytes());
    assert!(matches!(loaded, Err(LoadError::Broken { .. })));
}

proptest! {
    #[test]
    fn damage_is_an_error_and_never_a_panic(
        kind in 0..3_usize,
        cut in 0..2000_usize,
        flips in proptest::collection::vec((0..2000_usize, any::<u8>()), 0..4),
    ) {
        let kind = KINDS[kind];
        let mut bytes = artefact(kind);
        bytes.truncate(cut.max(1));
        for (at, byte) in flips {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        // Some damage leaves a good artefact of something else; none of it panics.
        let _ = load(kind, format(kind), &bytes);
    }
}
