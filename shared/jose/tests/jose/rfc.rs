//! The examples of the RFCs, as they are printed there.

use jose::{Algorithm, KeySet, Refused, Verified, verify};

/// RFC 7515, appendices A.1 to A.3: what all of them sign.
const JOE: &str =
    "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";

fn with(jwk: &str, token: &str, algorithm: Algorithm) -> Result<Verified, Refused> {
    verify(
        token,
        &KeySet::of_jwk(jwk.as_bytes()).unwrap(),
        &[algorithm],
    )
}

#[test]
fn rfc_7515_a_1_is_verified_with_hs256() {
    let jwk = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let verified = with(jwk, token, Algorithm::Hs256).unwrap();
    assert_eq!(verified.payload, JOE.as_bytes());
    assert_eq!(verified.kid, None);
}

#[test]
fn rfc_7515_a_3_is_verified_with_es256() {
    let jwk = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let verified = with(jwk, token, Algorithm::Es256).unwrap();
    assert_eq!(verified.payload, JOE.as_bytes());
}
