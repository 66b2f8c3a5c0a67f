//! Reading JSON text with nothing lost: how deep it nests, and what it says twice.

use std::{
    borrow::Cow, cell::RefCell, collections::BTreeMap, fmt, marker::PhantomData, ops::Deref,
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

use super::{FaultCode, Faults, Place};

/// How deep the text nests arrays and objects: by its brackets, without parsing it.
pub(super) fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Whether an object of the text has two members of one name: by its tokens, without parsing it. Of a
/// text that is not JSON the result means nothing.
pub(super) fn has_duplicates(json: &[u8]) -> bool {
    // The names of all objects that are open, and for each of these where its own names begin.
    let mut names: Vec<Cow<'_, [u8]>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut last = None;
    let mut rest = json;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => {
                let (text, after) = string(rest);
                last = Some(text);
                rest = after;
            }
            b':' => names.extend(last.take().map(unescaped)),
            b'{' => open.push(names.len()),
            b'}' => {
                let start = open.pop().unwrap_or_default();
                let own = names.get_mut(start..).unwrap_or_default();
                own.sort_unstable();
                if own.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
                    return true;
                }
                names.truncate(start);
            }
            _ => {}
        }
    }
    false
}

/// The text up to the end of a string whose opening quote was read, and what is behind it.
fn string(json: &[u8]) -> (&[u8], &[u8]) {
    let mut is_escaped = false;
    let end = json.iter().position(|byte| match byte {
        _ if is_escaped => {
            is_escaped = false;
            false
        }
        b'\\' => {
            is_escaped = true;
            false
        }
        byte => *byte == b'"',
    });
    let (text, after) = end
        .and_then(|end| json.split_at_checked(end))
        .unwrap_or((json, &[]));
    (text, after.get(1..).unwrap_or_default())
}

/// A member's name as it reads: `"\u0061"` is `a`.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let quoted = [b"\"", text, b"\""].concat();
    match serde_json::from_slice::<String>(&quoted) {
        Ok(name) => Cow::Owned(name.into_bytes()),
        Err(_) => Cow::Borrowed(text),
    }
}

/// Reads one document. Of a member that is there twice the last counts, and each repetition is a
/// fault.
pub(super) fn read(json: &[u8]) -> Result<(Value, Faults), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = read_value(&mut deserializer)?;
    deserializer.end()?;
    Ok(read)
}

fn read_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(Value, Faults), D::Error> {
    let repeated = RefCell::default();
    let document = Node {
        at: &Place::Document,
        repeated: &repeated,
    };
    let value = document.deserialize(deserializer)?;
    Ok((value, repeated.into_inner()))
}

/// A value at a place of the document.
struct Node<'a> {
    at: &'a Place<'a>,
    repeated: &'a RefCell<Faults>,
}

impl Node<'_> {
    fn below<'b>(&'b self, at: &'b Place<'b>) -> Node<'b> {
        Node {
            at,
            repeated: self.repeated,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) =
            elements.next_element_seed(self.below(&Place::Element(self.at, list.len())))?
        {
            list.push(element);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let at = Place::Member(self.at, &name);
            if object.contains_key(&name) {
                let mut repeated = self.repeated.borrow_mut();
                repeated.add(at, FaultCode::Duplicate, "is there more than once");
            }
            let value = members.next_value_seed(self.below(&at))?;
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

/// A JSON object with members of one type, which refuses a name that is there twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct UniqueMap<V>(BTreeMap<String, V>);

impl<V> UniqueMap<V> {
    /// The map itself.
    pub fn into_inner(self) -> BTreeMap<String, V> {
        self.0
    }
}

impl<V> Default for UniqueMap<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V> From<BTreeMap<String, V>> for UniqueMap<V> {
    fn from(map: BTreeMap<String, V>) -> Self {
        Self(map)
    }
}

impl<V> Deref for UniqueMap<V> {
    type Target = BTreeMap<String, V>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for UniqueMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Members<V> {
            type Value = UniqueMap<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut map = BTreeMap::new();
                while let Some((name, value)) = members.next_entry::<String, V>()? {
                    if map.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member is there more than once"));
                    }
                }
                Ok(UniqueMap(map))
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

impl<V: JsonSchema> JsonSchema for UniqueMap<V> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("MapOf{}", V::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let member = generator.subschema_for::<V>();
        json_schema!({ "type": "object", "additionalProperties": member })
    }
}

/// A JSON object whose members are the author's own business, kept as compact text: what is written
/// once and handed out many times need not be taken apart in between.
#[derive(Debug, Clone)]
pub struct JsonObject(Box<RawValue>);

/// How many bytes a [`JsonObject`] may have, and how many members.
const LARGEST_OBJECT: usize = 16 * 1024;
const MOST_MEMBERS: usize = 100;

impl JsonObject {
    /// The object as JSON text.
    pub fn as_raw(&self) -> &RawValue {
        &self.0
    }

    /// The object as JSON text.
    pub fn into_raw(self) -> Box<RawValue> {
        self.0
    }
}

impl PartialEq for JsonObject {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Serialize for JsonObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (value, text) = read_raw(deserializer)?;
        let Value::Object(members) = &value else {
            return Err(D::Error::custom("expected an object"));
        };
        if members.len() > MOST_MEMBERS || text.get().len() > LARGEST_OBJECT {
            return Err(D::Error::custom("expected at most 100 members and 16 KiB"));
        }
        Ok(Self(text))
    }
}

/// Reads a value that says nothing twice, and writes it as compact text.
fn read_raw<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<(Value, Box<RawValue>), D::Error> {
    let (value, repeated) = read_value(deserializer)?;
    if !repeated.is_empty() {
        return Err(D::Error::custom("a member is there more than once"));
    }
    let text = serde_json::value::to_raw_value(&value).map_err(D::Error::custom)?;
    Ok((value, text))
}

impl JsonSchema for JsonObject {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "JsonObject".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": true, "maxProperties": MOST_MEMBERS })
    }
}

/// Any JSON value, the author's own business, kept as compact text like a [`JsonObject`]. How large it
/// may be is for whoever holds it.
#[derive(Debug, Clone)]
pub struct JsonValue(Box<RawValue>);

impl JsonValue {
    /// The value as JSON text.
    pub fn as_raw(&self) -> &RawValue {
        &self.0
    }

    /// How many bytes its compact text has.
    pub fn size_bytes(&self) -> usize {
        self.0.get().len()
    }

    /// The value, taken apart.
    pub fn to_value(&self) -> Value {
        serde_json::from_str(self.0.get()).unwrap_or_default()
    }
}

impl PartialEq for JsonValue {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Serialize for JsonValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_raw(deserializer).map(|(_, text)| Self(text))
    }
}

impl JsonSchema for JsonValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "JsonValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validation::MAX_FAULTS;

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        for (json, expected) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[{}],"b":[]}"#, 3),
            (r#"["[[[", "\"[[", "\\", [] ]"#, 2),
            ("]]]][", 1),
        ] {
            assert_eq!(depth(json.as_bytes()), expected, "{json}");
        }
    }

    #[test]
    fn repeated_members_are_found_wherever_they_are() {
        let (value, repeated) =
            read(br#"{"a":1,"b":[{"c/d":1,"c\/d":2,"c/d":3}],"a":null}"#).unwrap();
        assert_eq!(value, serde_json::json!({"a": null, "b": [{"c/d": 3}]}));
        let repeated = repeated.into_vec();
        let pointers: Vec<_> = repeated.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(pointers, ["/b/0/c~1d", "/b/0/c~1d", "/a"]);
        let often = format!("{{{}{}}}", r#""a":1,"#.repeat(1000), r#""a":2"#);
        let (value, repeated) = read(often.as_bytes()).unwrap();
        assert_eq!((value["a"].as_u64(), repeated.len()), (Some(2), MAX_FAULTS));
    }

    #[test]
    fn objects_are_kept_as_compact_text() {
        let object: JsonObject =
            serde_json::from_str(r#"{ "b" : [ 1.50 , {} ], "a":"é" }"#).unwrap();
        assert_eq!(object.as_raw().get(), r#"{"a":"é","b":[1.5,{}]}"#);
        assert_eq!(serde_json::to_value(&object).unwrap()["a"], "é");
        for bad in ["[]", "1", r#"{"a":{"b":1,"b":2}}"#] {
            assert!(serde_json::from_str::<JsonObject>(bad).is_err(), "{bad}");
        }
    }
}
