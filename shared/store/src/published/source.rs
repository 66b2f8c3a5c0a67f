//! A version's source: its items, frozen, one JSON line each.

use domain::Id;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The items of a source, by id.
pub(crate) type Items = Vec<(Id, Value)>;

#[derive(Serialize, Deserialize)]
struct Line<I, V> {
    id: I,
    item: V,
}

/// The items as bytes. Equal items give equal bytes: members of an object are sorted.
pub(crate) fn encode(items: &[(Id, Value)]) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::new();
    for (id, item) in items {
        serde_json::to_writer(&mut bytes, &Line { id, item })?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// The items that [`encode`] made the bytes from.
pub(crate) fn decode(bytes: &[u8]) -> Result<Items, serde_json::Error> {
    serde_json::Deserializer::from_slice(bytes)
        .into_iter()
        .map(|line| line.map(|Line { id, item }| (id, item)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn items(items: &[(&str, Value)]) -> Items {
        items
            .iter()
            .map(|(id, item)| (id.parse().unwrap(), item.clone()))
            .collect()
    }

    #[test]
    fn a_source_is_read_as_it_was_written() {
        let items = items(&[("a", json!({"text": "two\nlines"})), ("b", json!(null))]);
        let bytes = encode(&items).unwrap();
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 2);
        assert_eq!(decode(&bytes).unwrap(), items);
        assert!(decode(&bytes[..bytes.len() - 3]).is_err());
        assert_eq!(decode(b"").unwrap(), []);
    }
}
