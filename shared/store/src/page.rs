//! Lists in pages, and the opaque cursors between them.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::StoreError;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, in the list's order.
    pub items: Vec<T>,
    /// What to ask for the next page with; `None` at the end.
    pub next_cursor: Option<String>,
}

/// The cursor that goes on after `key` in the list called `list`.
pub(crate) fn cursor(list: &str, key: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{list}\n{key}"))
}

/// The key that a cursor of the list called `list` goes on after. Keys are printable, so a cursor
/// with anything else in it was never handed out.
pub(crate) fn key_of(list: &str, cursor: &str) -> Result<String, StoreError> {
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_| StoreError::BadCursor)?;
    let text = String::from_utf8(bytes).map_err(|_| StoreError::BadCursor)?;
    match text.split_once('\n') {
        Some((of, key)) if of == list && is_key(key) => Ok(key.to_owned()),
        _ => Err(StoreError::BadCursor),
    }
}

/// The same as [`cursor`], for keys that are any text.
pub(crate) fn cursor_of_text(list: &str, key: &str) -> String {
    cursor(&text(list), &text(key))
}

/// The key that a cursor of [`cursor_of_text`] goes on after.
pub(crate) fn text_of(list: &str, cursor: &str) -> Result<String, StoreError> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(key_of(&text(list), cursor)?);
    let bytes = bytes.map_err(|_| StoreError::BadCursor)?;
    String::from_utf8(bytes).map_err(|_| StoreError::BadCursor)
}

fn text(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

fn is_key(text: &str) -> bool {
    (1..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_key_in_its_own_list_only() {
        let next = cursor("drafts campaigns", "spring-sale");
        assert_eq!(key_of("drafts campaigns", &next).unwrap(), "spring-sale");
        let foreign = [
            cursor("drafts testers", "spring-sale"),
            cursor("drafts campaigns", ""),
            cursor("drafts campaigns", "a b"),
            format!("{next}="),
            "%%%".to_owned(),
            String::new(),
        ];
        for cursor in foreign {
            let refused = key_of("drafts campaigns", &cursor);
            assert!(matches!(refused, Err(StoreError::BadCursor)), "{cursor}");
        }
    }
}
