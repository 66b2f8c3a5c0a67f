//! A token's header (RFC 7515, section 4): which of its members we obey, ignore and refuse.

use serde_json::{Map, Value};

use crate::{Algorithm, Refused, json};

/// Members that would have us fetch or trust a key of the token's own choice, or read the rest of it
/// in another way. `x5t` and `x5t#S256` only name a certificate by its hash: they are ignored, as are
/// members that we do not know.
const REFUSED: [(&str, &str); 8] = [
    ("crit", "the header has critical extensions (crit)"),
    ("jku", "the header names a key set (jku)"),
    ("jwk", "the header brings a key (jwk)"),
    ("x5u", "the header names a certificate (x5u)"),
    ("x5c", "the header brings a certificate (x5c)"),
    ("b64", "the header changes the payload's encoding (b64)"),
    ("zip", "the header asks for compression (zip)"),
    ("enc", "the header is one of an encrypted token (enc)"),
];

/// Names of keys are short; a longer one is an attempt at something else.
const MAX_KID_CHARS: usize = 255;

/// What is left of a header once it is believed to be harmless.
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
    pub(crate) typ: Option<String>,
}

impl Header {
    pub(crate) fn read(json: &[u8], algorithms: &[Algorithm]) -> Result<Self, Refused> {
        let header = json::object(json).ok_or(Refused::Malformed(
            "the header is not a JSON object, or repeats a member",
        ))?;
        let algorithm = json::text(&header, "alg")
            .ok()
            .flatten()
            .and_then(|name| name.parse().ok())
            .filter(|algorithm| algorithms.contains(algorithm))
            .ok_or(Refused::Algorithm)?;
        for (name, why) in REFUSED {
            if header.contains_key(name) {
                return Err(Refused::Header(why));
            }
        }
        let typ = json::text(&header, "typ")
            .map_err(|_| Refused::Header("the header's typ is not text"))?;
        json::text(&header, "cty").map_err(|_| Refused::Header("the header's cty is not text"))?;
        Ok(Self {
            algorithm,
            kid: kid(&header)?,
            typ: typ.map(str::to_owned),
        })
    }
}

/// The key's name. It is only ever compared; still, what looks like a path or could forge a line of
/// a log is no name.
fn kid(header: &Map<String, Value>) -> Result<Option<String>, Refused> {
    let bad = Refused::Header("the header's kid is not a short name");
    let Some(kid) = json::text(header, "kid").map_err(|_| bad.clone())? else {
        return Ok(None);
    };
    let is_name = !kid.is_empty()
        && kid.chars().count() <= MAX_KID_CHARS
        && !kid.contains(|c: char| c.is_control() || c == '/' || c == '\\')
        && !kid.contains("..");
    match is_name {
        true => Ok(Some(kid.to_owned())),
        false => Err(bad),
    }
}
