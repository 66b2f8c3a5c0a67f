//! Verifies one signed token with the verifier that sign-in uses, so that it can be tried with the test
//! vectors of others.
//!
//! Reads one JSON document from standard input: the key or the keys, the names of the algorithms that
//! are allowed, and the token. Writes `{"ok":…,"why":"…"}`; `why` is empty when the signature is good.
//! Ends with 2 when the document itself cannot be read.
//!
//! ```text
//! {"jwk": {…} | "jwks": {"keys": […]}, "algs": ["RS256", …], "jws": "…"}
//! ```

use std::{
    io::{self, Read as _, Write as _},
    process::ExitCode,
};

use jose::{Algorithm, KeySet, verify};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

/// The document. Keys stay as they were written: what is wrong with them is for the verifier to find.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    jwk: Option<&'a RawValue>,
    #[serde(borrow)]
    jwks: Option<&'a RawValue>,
    algs: Vec<String>,
    jws: Value,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "verify_jws: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    let request: Request<'_> = serde_json::from_str(&input)?;
    let keys = match (request.jwk, request.jwks) {
        (Some(jwk), None) => KeySet::of_jwk(jwk.get().as_bytes()),
        (None, Some(jwks)) => KeySet::parse(jwks.get().as_bytes()),
        _ => return Err("give either jwk or jwks".into()),
    };
    // A name that the verifier does not know allows nothing.
    let names = request.algs.iter();
    let algorithms: Vec<Algorithm> = names.filter_map(|name| name.parse().ok()).collect();
    let why = match (keys, request.jws.as_str()) {
        (Err(bad), _) => bad.to_string(),
        (_, None) => "the token is not text".to_owned(),
        (Ok(keys), Some(token)) => match verify(token, &keys, &algorithms) {
            Ok(_) => String::new(),
            Err(refused) => refused.to_string(),
        },
    };
    writeln!(
        io::stdout(),
        "{}",
        json!({ "ok": why.is_empty(), "why": why })
    )?;
    Ok(())
}
