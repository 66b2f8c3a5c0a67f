//! An interpreter for the part of JSON Schema (draft 2020-12) that the product's types use. Unlike a
//! deserializer it does not stop at the first fault, and of a choice between forms it explains the
//! one that was meant.

mod keywords;
mod values;

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::Rc,
};

use regex_lite::Regex;
use serde_json::{Map, Value};

pub use keywords::UnknownKeyword;
pub(super) use keywords::unknown_keywords;
use values::{
    admits_type, check_count, check_listed, check_number, check_text, not_listed, types_of,
    wrong_type,
};

use super::{Fault, FaultCode, Faults, Place};

/// Every fault of `value` by `schema`, up to as many as are told.
pub(super) fn check(schema: &Value, value: &Value) -> Vec<Fault> {
    let mut faults = Faults::default();
    let checker = Checker {
        root: schema,
        patterns: RefCell::default(),
    };
    checker.check(schema, value, &Place::Document, &mut faults);
    faults.into_vec()
}

struct Checker<'s> {
    root: &'s Value,
    /// Patterns that were compiled already: a long list has one for all of its elements.
    patterns: RefCell<HashMap<&'s str, Option<Rc<Regex>>>>,
}

impl<'s> Checker<'s> {
    fn check(&self, schema: &'s Value, value: &Value, at: &Place<'_>, faults: &mut Faults) {
        if faults.is_full() {
            return;
        }
        let schema = match schema {
            Value::Bool(false) => {
                return faults.add(at, FaultCode::NotAllowed, "is not allowed here");
            }
            Value::Object(schema) => schema,
            _ => return,
        };
        if let Some(target) = self.reference(schema) {
            self.check(target, value, at, faults);
        }
        if !admits_type(schema, value) {
            return faults.push(wrong_type(at, &types_of(schema)));
        }
        if let Some(fault) = check_listed(schema, value, at) {
            return faults.push(fault);
        }
        match value {
            Value::Number(number) => check_number(schema, number, at, faults),
            Value::String(text) => {
                check_text(schema, text, at, faults);
                self.check_pattern(schema, text, at, faults);
            }
            Value::Array(elements) => self.check_array(schema, elements, at, faults),
            Value::Object(members) => self.check_object(schema, members, at, faults),
            Value::Null | Value::Bool(_) => {}
        }
        for part in branches(schema, "allOf") {
            self.check(part, value, at, faults);
        }
        for keyword in ["anyOf", "oneOf"] {
            if schema.contains_key(keyword) {
                self.check_choice(
                    branches(schema, keyword),
                    keyword == "oneOf",
                    value,
                    at,
                    faults,
                );
            }
        }
    }

    /// The schema that a local `$ref` points at.
    fn reference(&self, schema: &'s Map<String, Value>) -> Option<&'s Value> {
        let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.root.pointer(pointer)
    }

    fn resolve(&self, schema: &'s Value) -> &'s Value {
        let target = schema.as_object().and_then(|schema| self.reference(schema));
        target.unwrap_or(schema)
    }

    fn check_pattern(
        &self,
        schema: &'s Map<String, Value>,
        text: &str,
        at: &Place<'_>,
        faults: &mut Faults,
    ) {
        let Some(pattern) = schema.get("pattern").and_then(Value::as_str) else {
            return;
        };
        if self
            .regex(pattern)
            .is_some_and(|regex| !regex.is_match(text))
        {
            let message = format!("must match {pattern}");
            faults.add(at, FaultCode::BadFormat, message);
        }
    }

    fn regex(&self, pattern: &'s str) -> Option<Rc<Regex>> {
        let mut known = self.patterns.borrow_mut();
        let compiled = known
            .entry(pattern)
            .or_insert_with(|| Regex::new(pattern).ok().map(Rc::new));
        compiled.clone()
    }

    fn check_array(
        &self,
        schema: &'s Map<String, Value>,
        elements: &[Value],
        at: &Place<'_>,
        faults: &mut Faults,
    ) {
        let worth = check_count(schema, "Items", "elements", elements.len(), at, faults);
        if let Some(element_schema) = schema.get("items") {
            for (place, element) in elements.iter().enumerate().take(worth) {
                self.check(element_schema, element, &Place::Element(at, place), faults);
            }
        }
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            let mut seen = HashSet::new();
            for (place, element) in elements.iter().enumerate().take(worth) {
                if !seen.insert(element.to_string()) {
                    let at = Place::Element(at, place);
                    faults.add(at, FaultCode::Duplicate, "is there more than once");
                }
            }
        }
    }

    fn check_object(
        &self,
        schema: &'s Map<String, Value>,
        members: &Map<String, Value>,
        at: &Place<'_>,
        faults: &mut Faults,
    ) {
        let worth = check_count(schema, "Properties", "members", members.len(), at, faults);
        let required = schema.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                faults.add(Place::Member(at, name), FaultCode::Required, "is required");
            }
        }
        let patterns: Vec<(Rc<Regex>, &Value)> = schema
            .get("patternProperties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(pattern, schema)| Some((self.regex(pattern)?, schema)))
            .collect();
        for (name, value) in members.iter().take(worth) {
            if faults.is_full() {
                return;
            }
            let at = Place::Member(at, name);
            if let Some(name_schema) = schema.get("propertyNames") {
                self.check(name_schema, &Value::String(name.clone()), &at, faults);
            }
            let declared = schema.get("properties").and_then(|known| known.get(name));
            let matching = patterns
                .iter()
                .filter(|(pattern, _)| pattern.is_match(name));
            let mut known = false;
            for member_schema in declared
                .into_iter()
                .chain(matching.map(|(_, schema)| *schema))
            {
                known = true;
                self.check(member_schema, value, &at, faults);
            }
            match schema.get("additionalProperties") {
                Some(Value::Bool(false)) if !known => {
                    faults.add(at, FaultCode::UnknownField, "is not a known field");
                }
                Some(rest) if !known => self.check(rest, value, &at, faults),
                _ => {}
            }
        }
    }

    /// Of several forms: right if one (of `oneOf`, exactly one) fits; else the faults of the form
    /// that was meant.
    fn check_choice(
        &self,
        forms: &'s [Value],
        exactly_one: bool,
        value: &Value,
        at: &Place<'_>,
        faults: &mut Faults,
    ) {
        let mut found: Vec<(&Value, Faults)> = forms
            .iter()
            .map(|form| {
                let mut of_form = Faults::default();
                self.check(form, value, at, &mut of_form);
                (self.resolve(form), of_form)
            })
            .collect();
        match found.iter().filter(|(_, faults)| faults.is_empty()).count() {
            0 => {}
            1 => return,
            _ if !exactly_one => return,
            _ => {
                return faults.add(at, FaultCode::Invalid, "fits more than one form");
            }
        }
        match self.tagged(forms, value, at) {
            Some(Err(fault)) => return faults.push(fault),
            Some(Ok(place)) => {
                return faults.append(
                    found
                        .into_iter()
                        .nth(place)
                        .map(|(_, f)| f)
                        .unwrap_or_default(),
                );
            }
            None => {}
        }
        let meant = |form: &Value| form.as_object().is_none_or(|form| admits_type(form, value));
        if !found.iter().any(|(form, _)| meant(form)) {
            let types: Vec<&str> = found
                .iter()
                .filter_map(|(form, _)| form.as_object())
                .flat_map(types_of)
                .collect();
            return faults.push(wrong_type(at, &types));
        }
        found.retain(|(form, _)| meant(form));
        let words: Vec<&Value> = found
            .iter()
            .filter_map(|(form, _)| form.get("const"))
            .collect();
        if words.len() == found.len() {
            return faults.push(not_listed(at, words));
        }
        let nearest = found
            .into_iter()
            .map(|(_, faults)| faults)
            .min_by_key(Faults::len);
        faults.append(nearest.unwrap_or_default());
    }

    /// Where the forms are told apart by the constant of one member: the form that the member names,
    /// or what is wrong with the member.
    fn tagged(
        &self,
        forms: &'s [Value],
        value: &Value,
        at: &Place<'_>,
    ) -> Option<Result<usize, Fault>> {
        let members = value.as_object()?;
        let properties = |form: &'s Value| self.resolve(form).get("properties")?.as_object();
        let (tag, _) = properties(forms.first()?)?
            .iter()
            .find(|(_, schema)| schema.get("const").is_some())?;
        let words: Vec<&Value> = forms
            .iter()
            .filter_map(|form| properties(form)?.get(tag)?.get("const"))
            .collect();
        if words.len() < forms.len() {
            return None;
        }
        let at = Place::Member(at, tag);
        Some(match members.get(tag) {
            None => Err(Fault::new(at, FaultCode::Required, "is required")),
            Some(word) => match words.iter().position(|known| *known == word) {
                Some(place) => Ok(place),
                None => Err(not_listed(&at, words)),
            },
        })
    }
}

fn branches<'s>(schema: &'s Map<String, Value>, keyword: &str) -> &'s [Value] {
    schema
        .get(keyword)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
