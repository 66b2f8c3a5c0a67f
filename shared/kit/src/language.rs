//! Which language a caller reads.

use domain::Locale;

/// The language that `Accept-Language` likes best (RFC 9110, section 12.5.4): of the first of the
/// greatest weight. `None` where any will do.
pub(crate) fn preferred(accept_language: &str) -> Option<Locale> {
    let mut best: Option<(Locale, f32)> = None;
    for range in accept_language.split(',') {
        let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
        let Ok(locale) = tag.trim().parse() else {
            continue;
        };
        let weight = weight(parameters);
        let so_far = best.as_ref().map_or(0.0, |(_, weight)| *weight);
        if weight > so_far {
            best = Some((locale, weight));
        }
    }
    best.map(|(locale, _)| locale)
}

/// What is no weight counts as none at all.
fn weight(parameters: &str) -> f32 {
    match parameters.trim().strip_prefix("q=") {
        None => 1.0,
        Some(weight) => weight.parse().unwrap_or(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_of_the_greatest_weight_is_preferred_and_of_equals_the_first() {
        for (header, preference) in [
            ("ko-KR,ko;q=0.9,en-US;q=0.8", Some("ko-KR")),
            ("en;q=0.5, ja ; q=0.7", Some("ja")),
            ("ko, ja", Some("ko")),
            ("*", None),
            ("ko;q=0", None),
            ("ko;q=x, ja;q=0.1", Some("ja")),
            ("", None),
        ] {
            let found = preferred(header);
            assert_eq!(found.as_ref().map(Locale::as_str), preference, "{header:?}");
        }
    }
}
