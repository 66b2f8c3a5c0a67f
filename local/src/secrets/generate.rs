//! First values of secrets, for development only.

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::{
    RngExt,
    seq::{IndexedRandom, SliceRandom},
};
use serde_json::{Value, json};
use store::SigningKeys;

use crate::template::{RandomString, SecretValue};

/// A first value, from the system's randomness.
pub(super) fn generate(value: &SecretValue) -> Result<String, &'static str> {
    match value {
        SecretValue::TrackingKeys => {
            let key = STANDARD.encode(rand::random::<[u8; 32]>());
            Ok(json!({ "current": { "id": 1, "key": key }, "previous": [] }).to_string())
        }
        SecretValue::SigningKeys => SigningKeys::first()
            .and_then(|keys| keys.to_secret())
            .map_err(|_| "no signing key can be made"),
        SecretValue::Given(text) => Ok(text.clone()),
        SecretValue::Random(rules) => random(rules),
    }
}

fn random(rules: &RandomString) -> Result<String, &'static str> {
    let password = password(rules)?;
    match (&rules.secret_string_template, &rules.generate_string_key) {
        (None, None) => Ok(password),
        (Some(template), Some(key)) => {
            let mut object: Value =
                serde_json::from_str(template).map_err(|_| "SecretStringTemplate is not JSON")?;
            object
                .as_object_mut()
                .ok_or("SecretStringTemplate is not an object")?
                .insert(key.clone(), Value::String(password));
            Ok(object.to_string())
        }
        _ => Err("SecretStringTemplate and GenerateStringKey go together"),
    }
}

fn password(rules: &RandomString) -> Result<String, &'static str> {
    let punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    let classes: Vec<Vec<char>> = [
        (!rules.exclude_lowercase, "abcdefghijklmnopqrstuvwxyz"),
        (!rules.exclude_uppercase, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (!rules.exclude_numbers, "0123456789"),
        (!rules.exclude_punctuation, punctuation),
        (rules.include_space, " "),
    ]
    .into_iter()
    .filter(|(included, _)| *included)
    .map(|(_, class)| {
        let allowed = |one: &char| !rules.exclude_characters.contains(*one);
        class.chars().filter(allowed).collect()
    })
    .filter(|class: &Vec<char>| !class.is_empty())
    .collect();
    let all = classes.concat();
    if all.is_empty() {
        return Err("GenerateSecretString leaves no character to choose from");
    }
    let mut rng = rand::rng();
    let mut password: Vec<char> = match rules.require_each_included_type {
        true => classes
            .iter()
            .filter_map(|class| class.choose(&mut rng).copied())
            .collect(),
        false => Vec::new(),
    };
    if password.len() > rules.password_length {
        return Err("PasswordLength has no room for each character type");
    }
    while password.len() < rules.password_length {
        password.extend(all.get(rng.random_range(0..all.len())));
    }
    password.shuffle(&mut rng);
    Ok(password.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracking_keys_are_256_random_bits() {
        let make = || -> Value {
            serde_json::from_str(&generate(&SecretValue::TrackingKeys).unwrap()).unwrap()
        };
        let (one, two) = (make(), make());
        let key = STANDARD
            .decode(one["current"]["key"].as_str().unwrap())
            .unwrap();
        assert_eq!(key.len(), 32);
        assert_eq!(one["current"]["id"], 1);
        assert_eq!(one["previous"], json!([]));
        assert_ne!(one["current"]["key"], two["current"]["key"]);
    }

    #[test]
    fn signing_keys_are_two_new_ones() {
        let make = || SigningKeys::parse(&generate(&SecretValue::SigningKeys).unwrap()).unwrap();
        assert_eq!(make().public().len(), 2);
        assert_ne!(make().current_kid(), make().current_kid());
    }

    #[test]
    fn a_random_string_follows_its_rules() {
        let rules = RandomString {
            password_length: 6,
            exclude_punctuation: true,
            exclude_uppercase: true,
            exclude_characters: "0123".to_owned(),
            ..RandomString::default()
        };
        for _ in 0..200 {
            let made = random(&rules).unwrap();
            assert_eq!(made.len(), 6);
            assert!(
                made.chars()
                    .all(|one| one.is_ascii_lowercase() || ('4'..='9').contains(&one)),
                "{made}"
            );
            assert!(made.chars().any(|one| one.is_ascii_digit()), "{made}");
            assert!(made.chars().any(|one| one.is_ascii_lowercase()), "{made}");
        }
    }

    #[test]
    fn a_random_string_goes_into_its_template() {
        let rules = RandomString {
            secret_string_template: Some("{\"user\":\"a\"}".to_owned()),
            generate_string_key: Some("password".to_owned()),
            ..RandomString::default()
        };
        let made: Value = serde_json::from_str(&random(&rules).unwrap()).unwrap();
        assert_eq!(made["user"], "a");
        assert_eq!(made["password"].as_str().unwrap().chars().count(), 32);
    }

    #[test]
    fn rules_that_cannot_be_followed_are_refused() {
        let none = RandomString {
            exclude_lowercase: true,
            exclude_uppercase: true,
            exclude_numbers: true,
            exclude_punctuation: true,
            ..RandomString::default()
        };
        let short = RandomString {
            password_length: 2,
            ..RandomString::default()
        };
        let half = RandomString {
            generate_string_key: Some("k".to_owned()),
            ..RandomString::default()
        };
        for rules in [none, short, half] {
            assert!(random(&rules).is_err(), "{rules:?}");
        }
    }
}
